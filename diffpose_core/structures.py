"""Types that every layer uses: clips, per-joint mixtures, traces and results.

Legend of axes, used everywhere: B clips, H hypotheses, F frames, J joints (17), M components of a pose GMM, K modes of
a joint's heatmap, S steps. The frame of a coordinate is in its name: ``_world`` (z up), ``_cam`` (x right, y down,
z forward), ``_px`` (u right, v down), ``_norm``. Metres inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from diffpose_core.skeleton import NUM_JOINTS


class InvalidInput(ValueError):
    """An input that can't be used; the message says what was found and what is expected."""


class Cancelled(Exception):
    """The caller's progress callback asked to stop."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidInput(message)


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion: focal lengths and principal point, all in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        _require(bool(np.isfinite(values).all()), f"camera intrinsics must be finite numbers, found {values}")
        _require(self.fx > 0 and self.fy > 0, f"focal lengths must be above 0 px, found {self.fx} and {self.fy}")


@dataclass(frozen=True)
class PoseMixture:
    """One 2D Gaussian mixture for each joint: the distribution of its place that a heatmap gives.

    Attributes:
        weights: (F, J, K), summing to 1 over K; an unused mode has weight 0.
        means_px: (F, J, K, 2) pixels.
        variances_px2: (F, J, K, 2), axis-aligned, square pixels.

    Raises:
        InvalidInput: wrong shapes, weights that don't sum to 1, or variances not above 0.
    """

    weights: np.ndarray
    means_px: np.ndarray
    variances_px2: np.ndarray

    def __post_init__(self) -> None:
        w, m, v = self.weights, self.means_px, self.variances_px2
        _require(w.ndim == 3 and w.shape[1] == NUM_JOINTS, f"mixture weights must be (F, 17, K), found {w.shape}")
        _require(m.shape == (*w.shape, 2), f"mixture means must be {(*w.shape, 2)}, found {m.shape}")
        _require(v.shape == m.shape, f"mixture variances must be {m.shape}, found {v.shape}")
        _require(
            bool(np.isfinite(w).all() and np.isfinite(m).all() and np.isfinite(v).all()),
            "mixtures must hold finite numbers only",
        )
        _require(bool((w >= 0).all()), f"mixture weights must not be negative, found {w.min() if w.size else 0}")
        total = w.sum(-1)
        _require(
            bool(np.allclose(total, 1.0, atol=1e-3)),
            f"mixture weights must sum to 1 over a joint's modes, found sums from {total.min(initial=1):.4f} "
            f"to {total.max(initial=1):.4f}",
        )
        _require(bool((v > 0).all()), "mixture variances must be above 0 square pixels")

    @property
    def argmax_px(self) -> np.ndarray:
        """Mean of each joint's heaviest mode, (F, J, 2): the "detected 2D pose"."""
        best = self.weights.argmax(-1)[..., None, None]
        return np.take_along_axis(self.means_px, best, axis=2)[:, :, 0]

    @property
    def mean_px(self) -> np.ndarray:
        """Mean of each joint's whole mixture, (F, J, 2)."""
        return (self.weights[..., None] * self.means_px).sum(2)

    @property
    def std_px(self) -> np.ndarray:
        """Standard deviation of each joint's whole mixture along u and v, (F, J, 2)."""
        second = (self.weights[..., None] * (self.variances_px2 + self.means_px**2)).sum(2)
        return np.sqrt(np.maximum(second - self.mean_px**2, 0.0))

    def frames(self, index: Any) -> PoseMixture:
        """The mixture of the frames that `index` (a slice or an integer array) picks."""
        return PoseMixture(self.weights[index], self.means_px[index], self.variances_px2[index])


@dataclass(frozen=True)
class PoseClip2D:
    """A 2D pose clip of one person, with everything else that is known about it.

    Attributes:
        name: of the clip.
        keypoints_px: (F, J, 2), the detected 2D pose.
        confidence: (F, J) in [0, 1]; 0 where no detector placed the joint.
        width: of the image, pixels.
        height: of the image, pixels.
        fps: frames a second.
        mixture: the joints' heatmap mixtures, when the detector gave them.
        intrinsics: the camera, when known.
        pose3d_cam: (F, J, 3), the exact root-relative pose in metres, when known.
        hidden: (F, J) bool, joints that something hid from the camera, when known.
        provenance: source of the clip (name, action, seed ...).

    Raises:
        InvalidInput: shapes or values don't fit.
    """

    name: str
    keypoints_px: np.ndarray
    confidence: np.ndarray
    width: int
    height: int
    fps: float
    mixture: PoseMixture | None = None
    intrinsics: Intrinsics | None = None
    pose3d_cam: np.ndarray | None = None
    hidden: np.ndarray | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kp = self.keypoints_px
        _require(
            kp.ndim == 3 and kp.shape[1:] == (NUM_JOINTS, 2),
            f"keypoints must be (frames, 17, 2), found {kp.shape}",
        )
        _require(kp.shape[0] > 0, "a clip needs at least one frame, found none")
        _require(bool(np.isfinite(kp).all()), "keypoints must be finite numbers (fill missing joints first)")
        _require(
            self.confidence.shape == kp.shape[:2],
            f"confidence must be {kp.shape[:2]}, found {self.confidence.shape}",
        )
        _require(
            bool(np.isfinite(self.confidence).all() and (self.confidence >= 0).all() and (self.confidence <= 1).all()),
            "confidence must lie between 0 and 1",
        )
        _require(self.width > 0 and self.height > 0, f"image size must be above 0, found {self.width} x {self.height}")
        _require(bool(np.isfinite(self.fps)) and self.fps > 0, f"fps must be above 0, found {self.fps}")
        if self.mixture is not None:
            _require(
                self.mixture.weights.shape[0] == len(self),
                f"the mixture has {self.mixture.weights.shape[0]} frames, the clip {len(self)}",
            )
        if self.pose3d_cam is not None:
            _require(
                self.pose3d_cam.shape == (*kp.shape[:2], 3),
                f"the 3D pose must be {(*kp.shape[:2], 3)}, found {self.pose3d_cam.shape}",
            )
            _require(bool(np.isfinite(self.pose3d_cam).all()), "the 3D pose must hold finite numbers only")
        if self.hidden is not None:
            _require(self.hidden.shape == kp.shape[:2], f"hidden must be {kp.shape[:2]}, found {self.hidden.shape}")
            _require(self.hidden.dtype == np.bool_, f"hidden must be true or false, found {self.hidden.dtype}")

    def __len__(self) -> int:
        return int(self.keypoints_px.shape[0])

    @property
    def guessed(self) -> np.ndarray:
        """(F, 17) bool, joints that no detector placed (confidence 0): where they are drawn is a guess."""
        return self.confidence == 0

    def frames(self, index: slice | np.ndarray) -> PoseClip2D:
        """The clip cut down to the frames that a slice or an integer array picks."""
        return replace(
            self,
            keypoints_px=self.keypoints_px[index],
            confidence=self.confidence[index],
            mixture=None if self.mixture is None else self.mixture.frames(index),
            pose3d_cam=None if self.pose3d_cam is None else self.pose3d_cam[index],
            hidden=None if self.hidden is None else self.hidden[index],
        )


@dataclass(frozen=True)
class DiffusionTrace:
    """A whole reverse or forward process. Metres, root-relative, camera frame.

    Attributes:
        k: (S + 1,) integers, the step number of every stored state: K ... 0 for a reverse process, 0 ... K for a
            forward one.
        samples: (F, S + 1, H, J, 3), the states h_k.
        pred_x_start: (F, S + 1, H, J, 3), the h_0 that the network predicts at each state (at k = 0 the state itself);
            None for a forward process.
    """

    k: np.ndarray
    samples: np.ndarray
    pred_x_start: np.ndarray | None = None


@dataclass(frozen=True)
class WorldMotion:
    """A motion in the world frame: metres, z up, the floor at 0, x right and y away as the camera sees it.

    Attributes:
        pose: (F, J, 3), the hip of the first frame above the origin.
        standing: (F, 2) bool, frames in which the right and the left foot stand.
    """

    pose: np.ndarray
    standing: np.ndarray


@dataclass(frozen=True)
class LiftResult:
    """The result of `lift`. Metres, camera frame; poses are root-relative.

    Attributes:
        pose3d: (F, J, 3), the prediction: the mean of the hypotheses, with bones of constant length where asked for.
        hypotheses: (F, H, J, 3); H is 0 where they were not kept.
        joint_std: (F, J), root mean square distance of the hypotheses from their mean.
        guessed: (F, J) bool, joints that no detector placed in the image.
        other_person: (F,) bool, frames in which the detector seems to follow somebody else, lifted like the others
            (`uncertainty.identity`). What is taken from a whole clip, such as the bones' lengths, leaves them out.
        baseline: (F, J, 3), the context encoder alone.
        fps: frames a second.
        provenance: versions, weights, settings and the clip's hash.
        root_cam: (F, 3), place of the hip; None without intrinsics.
        root_error_px: (F,), distance of the pose projected from there from the detected one; NaN where the hip can't be
            placed and its neighbours' places stand in; None without intrinsics.
        trace: the reverse process, if it was asked for.
        expected_error: (F, J), error to expect of each joint of the prediction; None for weights without a calibration
            and for a single hypothesis (`uncertainty.expected_error`).
        unlike: (F,) bool, frames unlike anything that the calibration was fitted to, whose expected error means
            nothing; None where there is no expected error.
        world: the motion upright on the floor, where it was asked for (`lifting.world`).
    """

    pose3d: np.ndarray
    hypotheses: np.ndarray
    joint_std: np.ndarray
    guessed: np.ndarray
    other_person: np.ndarray
    baseline: np.ndarray
    fps: float
    provenance: Mapping[str, Any]
    root_cam: np.ndarray | None = None
    root_error_px: np.ndarray | None = None
    trace: DiffusionTrace | None = None
    expected_error: np.ndarray | None = None
    unlike: np.ndarray | None = None
    world: WorldMotion | None = None

    def __len__(self) -> int:
        return int(self.pose3d.shape[0])

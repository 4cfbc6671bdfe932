"""Parts of the views' stage payloads: a clip's frames, the image, numbers and curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from app.figures import measures
from app.stage.payload import Bounds, StagePayload, to_plot_axes
from app.stage.specs.charts import Track
from app.stage.specs.layers import SkeletonLayer, SkeletonLook, skeleton
from app.stage.specs.panels import ImagePanel, MixtureArrays, Readout, ReadoutWords
from diffpose_core.io.formats.doubts import jumps
from diffpose_core.lifting.plausibility import reprojected
from diffpose_core.skeleton import constant_bones
from diffpose_core.structures import DiffusionTrace, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.identity import own_frames, passers_by, people_of
from diffpose_core.uncertainty.mixtures import clip_mixture

TRUTH = "Truth"
#: The 3D pose over the picture; the browser's code knows it by this name.
RESULT = "3D pose in the picture"
ERROR_HELP = "Mean distance of the 17 joints to the exact ones (MPJPE)"
SPREAD_HELP = "How far the samples lie from their own mean, root mean square over joints"
EXPECTED_HELP = (
    "Expected: the average error of joints like this one in motion capture that no network was trained on, told "
    "without the truth. For a frame unlike anything in the training data it can't be known."
)
#: Name of the number and of its array, and words where it is not known.
EXPECTED, EXPECTED_ARRAY, UNLIKE = "expected error", "expected", "unlike anything it was trained on"
BONES_HELP = "Mean relative error of the 16 bone lengths against the person's own"


@dataclass(frozen=True)
class ClipFrames:
    """The frames of a clip that the views show.

    Attributes:
        clip: The clip.
        frames: (F',), their indices in the clip.
        baseline_cam: (F', 17, 3), poses of the context encoder alone, metres.
        current: Index into `frames` of the frame that the person picked.
        source: The clip's hash.
        baseline: The encoder's name.
    """

    clip: PoseClip2D
    frames: np.ndarray
    baseline_cam: np.ndarray
    current: int
    source: str
    baseline: str = "Graformer"

    @property
    def truth_cam(self) -> np.ndarray | None:
        """The exact poses of these frames, (F', 17, 3), where the clip knows them."""
        return None if self.clip.pose3d_cam is None else self.clip.pose3d_cam[self.frames]

    @property
    def reference_cam(self) -> np.ndarray:
        """The truth where it is known, else the baseline: frames the scene and gives the person's bone lengths."""
        return self.baseline_cam if self.truth_cam is None else self.truth_cam

    @property
    def framing_cam(self) -> np.ndarray:
        """Poses that set the scene's bounds: the whole clip's truth where known, so that the floor stays in place."""
        return self.baseline_cam if self.clip.pose3d_cam is None else self.clip.pose3d_cam

    @property
    def own(self) -> np.ndarray:
        """Whether each of these frames shows the person, (F',) bool; True everywhere where none does."""
        return own_frames(passers_by(people_of(self.clip))[self.frames])

    def rigid(self, poses_cam: np.ndarray) -> np.ndarray:
        """Poses of these frames, (F', 17, 3), with bones of constant length: those of the person."""
        return constant_bones(poses_cam, like=poses_cam[self.own])

    @property
    def times_s(self) -> np.ndarray:
        """Times of the frames, seconds from the clip's start."""
        return self.frames / self.clip.fps


def scene_bounds(poses_cam: np.ndarray, radius: float = 0.75, above: float = 0.14, below: float = 0.14) -> Bounds:
    """A box around poses (..., 17, 3), as wide and as deep as `radius` metres to each side of the root.

    The floor lies at the lowest joint (its 1st percentile, so that one bad frame doesn't move it).
    """
    points = to_plot_axes(poses_cam).reshape(-1, 17, 3)
    floor = float(np.percentile(points[..., 2].min(-1), 1))
    top = float(np.percentile(points[..., 2].max(-1), 99))
    return Bounds((-radius, -radius, floor - below), (radius, radius, top + above), floor)


def _smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """Running mean over the first axis, the ends held: so that a cut-out follows a person without trembling."""
    before, after = width // 2, width - 1 - width // 2
    padded = np.concatenate([values[:1].repeat(before, 0), values, values[-1:].repeat(max(after, 0), 0)])
    total = np.concatenate([np.zeros_like(values[:1]), padded]).cumsum(0)
    return (total[width:] - total[:-width]) / width if width > 1 else values


def truth_below(**look: Unpack[SkeletonLook]) -> SkeletonLayer:
    """The exact pose in red, below the other figures."""
    below: SkeletonLook = {**look, "under": True}
    return skeleton("truth", TRUTH, "red", **below)


def mixture_arrays(
    payload: StagePayload, mixture: PoseMixture, lead: tuple[str, ...], pick: Any = slice(None)
) -> MixtureArrays:
    """Register the joints' 2D mixtures.

    Args:
        payload: The stage's data.
        mixture: The mixtures of a clip.
        lead: Names of the axes before the joints.
        pick: Index of the frames that are shown.
    """
    stds = np.sqrt(mixture.variances_px2[pick])
    return {
        "weights": payload.add("mixture_weights", mixture.weights[pick], (*lead, "joint", "mode")),
        "means_px": payload.add("mixture_means", mixture.means_px[pick], (*lead, "joint", "mode", "uv")),
        "stds_px": payload.add("mixture_stds", stds, (*lead, "joint", "mode", "uv")),
    }


def image_panel(
    payload: StagePayload, view: ClipFrames, columns: float = 1.0, result_cam: np.ndarray | None = None
) -> ImagePanel:
    """The 2D pose over its heatmap mixtures, cut to where the person is.

    Args:
        payload: The stage's data.
        view: The frames of the clip.
        columns: Width, of the usual one.
        result_cam: (F', 17, 3), 3D poses of all frames that may be laid over it; hidden at first.
    """
    clip, index = view.clip, view.frames
    lead = ("frame",) if payload.frames is not None else ()
    pick = index if payload.frames is not None else index[view.current]
    lo, hi = clip.keypoints_px.min(1), clip.keypoints_px.max(1)
    half_u, half_v = (float(np.percentile(size, 95)) / 2 * 1.14 + 10 for size in (hi - lo).T)
    centre = _smoothed((lo + hi) / 2, round(clip.fps))
    panel: ImagePanel = {
        "id": "image",
        "kind": "image",
        "title": "2D pose",
        "columns": columns,
        "pose": payload.add("keypoints_px", clip.keypoints_px[pick], (*lead, "joint", "uv")),
        "confidence": payload.add("confidence", clip.confidence[pick], (*lead, "joint")),
        "image_px": [clip.width, clip.height],
        "centre": payload.add("image_centre", centre[pick], (*lead, "uv")),
        "half_px": half_v,
        "half_u_px": half_u,
        "caption": "Ellipses: the places where each joint may be, as Gaussians, at one and two standard deviations.",
        "mixture": mixture_arrays(payload, clip_mixture(clip), lead, pick),
    }
    if result_cam is not None:
        over = reprojected(result_cam, clip.keypoints_px[index], ~clip.guessed[index])
        panel["result"] = payload.add("reprojected", over, ("frame", "joint", "uv"))
        payload.off = (*payload.off, RESULT)
    hollow, word, words = clip.hidden, "hidden joints", "Joints that are hidden in the picture; drawn hollow"
    if hollow is None and clip.guessed.any():
        hollow, word, words = clip.guessed, "guessed joints", "Joints that the detector did not find; drawn hollow"
    if hollow is not None:
        panel["hidden"] = payload.add("hidden", hollow[pick], (*lead, "joint"))
        counts = hollow[pick].sum(-1)
        panel["readouts"] = [readout(payload, "hidden_count", counts, lead, label=word, unit="", help=words)]
    return panel


def clip_track(payload: StagePayload, view: ClipFrames, curve: str | None = None) -> Track | None:
    """The player's track along the frames: an error to scrub along, guessed joints, jumps, and other people.

    Args:
        payload: The stage's data.
        view: The frames of the clip.
        curve: Name of an array over the frames, (F',) or (F', S + 1), in mm.

    Returns:
        The track's specification, or None where there is nothing to show.
    """
    track: Track = {}
    if curve is not None:
        words = f"{EXPECTED if curve == EXPECTED_ARRAY else 'error'}, mm"
        track["curve"] = {"array": curve, "label": words, "palette": "teal"}
    if view.clip.guessed.any():
        track["guessed"] = payload.add("guessed_count", view.clip.guessed[view.frames].sum(-1), ("frame",))
    jumped = _jumped(view)
    if jumped:
        track["jumps"] = jumped
    others = np.flatnonzero(passers_by(people_of(view.clip))[view.frames])
    if len(others):
        track["others"] = others.tolist()
    return track or None


def _jumped(view: ClipFrames) -> list[int]:
    """Indices of the frames in which the 2D pose jumps or shows somebody else, also since the frame shown before."""
    at = np.flatnonzero(jumps(view.clip.keypoints_px) | (np.diff(people_of(view.clip)) != 0)) + 1
    places = np.searchsorted(view.frames, at)
    return np.unique(places[(places > 0) & (places < len(view.frames))]).tolist()


def readout(
    payload: StagePayload, name: str, values: np.ndarray, axes: tuple[str, ...], **words: Unpack[ReadoutWords]
) -> Readout:
    """A number beside a panel's title, registered with the payload under `name`."""
    return {"array": payload.add(name, values, axes), **words}


def expected_readout(payload: StagePayload, view: ClipFrames, expected_error: np.ndarray) -> Readout:
    """The error to expect, as a number, which stands alone or beside the error itself.

    Args:
        payload: The stage's data.
        view: The frames of the clip.
        expected_error: (F', 17), metres, NaN where it is not known.
    """
    label = EXPECTED if view.truth_cam is None else "expected"
    words: ReadoutWords = {"label": label, "unit": "mm", "missing": UNLIKE, "help": EXPECTED_HELP}
    return {"array": expected_curve(payload, expected_error), **words}


def expected_curve(payload: StagePayload, expected_error: np.ndarray) -> str:
    """Register the error to expect of every frame, the mean of its joints. Returns its name.

    Args:
        payload: The stage's data.
        expected_error: (F', 17), metres, NaN where it is not known.
    """
    return payload.add(EXPECTED_ARRAY, 1000.0 * expected_error.mean(-1), ("frame",))


def reverse_numbers(
    payload: StagePayload, view: ClipFrames, name: str, trace: DiffusionTrace
) -> tuple[list[Readout], dict[str, str]]:
    """Error, spread and bone violation of a reverse trace at every frame and step, registered with the payload."""
    axes = ("frame", "step")
    bones = measures.reference_bones(view.reference_cam[view.own])
    mean = trace.samples.mean(2)
    names = {}
    readouts = []
    if view.truth_cam is not None:
        error = measures.error_mm(mean, view.truth_cam[:, None])
        readouts.append(readout(payload, f"{name}_error", error, axes, label="error", unit="mm", help=ERROR_HELP))
        names["error"] = f"{name}_error"
        if trace.pred_x_start is not None:
            guess = measures.error_mm(trace.pred_x_start.mean(2), view.truth_cam[:, None])
            names["guess"] = payload.add(f"{name}_guess", guess, axes)
    spread = measures.spread_mm(trace.samples)
    readouts.append(readout(payload, f"{name}_spread", spread, axes, label="spread", unit="mm", help=SPREAD_HELP))
    names["spread"] = f"{name}_spread"
    names["bones"] = payload.add(f"{name}_bones", measures.bone_violation_percent(mean, bones), axes)
    return readouts, names


def clip_stage(id_: str, title: str, view: ClipFrames, k: np.ndarray, **words: Any) -> StagePayload:
    """A stage over the frames of a clip. k: (S + 1,), labels of its steps. words: further fields of StagePayload."""
    return StagePayload(
        id=id_,
        title=title,
        source=view.source,
        clip=view.clip.name,
        steps=[int(number) for number in k],
        bounds=scene_bounds(view.framing_cam),
        frames=[int(f) for f in view.frames],
        times_s=list(view.times_s),
        initial_frame=view.current,
        **words,
    )

"""Encodes frames of a clip, draws from their indeterminate distribution H_K and fits their GMMs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffpose_core.lifting.body import BODY_STD, estimate_body
from diffpose_core.lifting.contexts import encode_contexts
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import FIT_STREAM, LiftSettings
from diffpose_core.lifting.tilt import estimate_tilt
from diffpose_core.lifting.view import frame_numbers, mixture_view, window_step
from diffpose_core.models.context import Context
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.fast.bfloat16 import has_fast_bfloat16
from diffpose_core.models.windows import VIDEO_FPS, held
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.identity import people_of
from diffpose_core.uncertainty.pose_gmm import PoseGMM
from diffpose_core.uncertainty.view import View

#: Standard deviation, seconds, of the weights with which a video's hypotheses are averaged over neighbouring frames,
#: and how many frames to each side count. Chosen on validation clips.
SMOOTHING_S = 0.08
_SMOOTHING_FRAMES = 5


@dataclass(frozen=True)
class Neighbours:
    """The frames of a video that the hypotheses of some frames are averaged over.

    Attributes:
        encoded: all neighbours, N frames, each once, without the draws that their GMMs were fitted to.
        rows: (F, 2 R + 1) places of each frame's neighbours among them. Before a clip's first frame and after its
            last one, that frame is repeated. Frames of other people give way to the nearest one of the same person.
        weights: (2 R + 1,), summing to 1.
    """

    encoded: EncodedFrames
    rows: Tensor
    weights: Tensor

    @property
    def own(self) -> Tensor:
        """Places of the frames themselves among the neighbours, (F,)."""
        return self.rows[:, self.rows.shape[1] // 2]


@dataclass(frozen=True)
class EncodedFrames:
    """Frames of a clip with everything that a reverse process starts from.

    Attributes:
        clip: the whole clip.
        frames: (F,) numbers of the frames in the clip.
        mixture: their 2D mixtures, pixels.
        view: the networks' view of these.
        context: the encoder's features and pose of the detected 2D pose, view frame.
        reconciled: the same of the 2D pose that heatmaps and encoder agree on.
        gmm: fitted to H_K, leading axis F, view frame.
        samples_view: (F, N, J, 3), the draws of H_K that it was fitted to, metres.
        settings: of the encoding, decided: precision and direction up are known.
        told: (F, 14), conditions that the encoder was told and g is told (`models.conditions`), or None.
        neighbours: in video, the frames around these.
    """

    clip: PoseClip2D
    frames: np.ndarray
    mixture: PoseMixture
    view: View
    context: Context
    reconciled: Context
    gmm: PoseGMM
    samples_view: Tensor
    settings: LiftSettings
    told: Tensor | None = None
    neighbours: Neighbours | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice) -> EncodedFrames:
        """Some of the frames."""
        near = self.neighbours
        picked = self._picked(rows, self.frames[rows], self.mixture.frames(rows))
        return replace(picked, neighbours=None if near is None else replace(near, rows=near.rows[rows]))

    def _picked(self, rows: slice | Tensor, frames: np.ndarray, mixture: PoseMixture) -> EncodedFrames:
        """The frames in some rows, without neighbours."""
        return replace(
            self,
            frames=frames,
            mixture=mixture,
            view=self.view[rows],
            context=self.context[rows],
            reconciled=self.reconciled[rows],
            gmm=self.gmm[rows],
            samples_view=self.samples_view[rows],
            told=None if self.told is None else self.told[rows],
            neighbours=None,
        )

    @property
    def baseline(self) -> np.ndarray:
        """Poses of the context encoder alone, (F, J, 3) metres, root-relative, camera frame."""
        return self.view.to_cam(self.context.pose_view).cpu().numpy()

    @property
    def h_samples(self) -> np.ndarray:
        """Draws of H_K, (F, N, J, 3) metres, root-relative, camera frame."""
        return self.view.to_cam(self.samples_view).cpu().numpy()

    @property
    def gmm_cam(self) -> PoseGMM:
        """The fitted GMM in the camera's frame."""
        turn = torch.eye(3 * NUM_JOINTS, device=self.view.rotation.device).expand(len(self), -1, -1).clone()
        for joint in range(NUM_JOINTS):
            turn[:, 3 * joint : 3 * joint + 3, 3 * joint : 3 * joint + 3] = self.view.rotation.mT
        covariances = turn[:, None] @ self.gmm.covariances @ turn[:, None].mT
        means = (turn[:, None] @ self.gmm.means[..., None])[..., 0]
        return PoseGMM(self.gmm.weights, means, 0.5 * (covariances + covariances.mT))

    @property
    def truth_view(self) -> Tensor | None:
        """Exact poses, (F, J, 3) metres, view frame, where the clip has them."""
        if self.clip.pose3d_cam is None:
            return None
        exact_cam = torch.from_numpy(self.clip.pose3d_cam[self.frames].astype(np.float32))
        return self.view.to_view(exact_cam.to(self.view.rotation.device))


def context_for(encoded: EncodedFrames, network: Denoiser) -> Context:
    """The encoder's output that a denoiser reads: of the detected 2D pose or of the reconciled one."""
    return encoded.reconciled if network.config.context_input == "reconciled" else encoded.context


def decide_settings(settings: LiftSettings, clip: PoseClip2D, models: Models) -> LiftSettings:
    """The settings with everything decided that depends on the clip and the machine: precision, up and the body.

    Raises:
        InvalidInput: a direction up or a body is given or asked for, and the encoder was trained without it.
    """
    if settings.mixed_precision is None:
        settings = replace(settings, mixed_precision=has_fast_bfloat16(models.device.type))
    if not models.encoder.takes_conditions:
        for asked, fact in ((settings.up, "the camera's tilt"), (settings.body, "the body's proportions")):
            if asked not in (None, "auto"):
                raise InvalidInput(f"the weights of {models.encoder.title} were trained without {fact}")
        return replace(settings, up=None, body=None)
    if isinstance(settings.up, str):
        tilt = estimate_tilt(clip, models)
        known = tilt.steady or settings.up == "estimate"
        settings = replace(settings, up=tilt.up_cam if known else None, up_std=tilt.std if known else settings.up_std)
    if isinstance(settings.body, str):
        body = estimate_body(clip, models, replace(settings, body=None).facts)
        settings = replace(settings, body=body, body_std=settings.body_std if body is None else BODY_STD)
    return settings


def encode_clip(
    clip: PoseClip2D,
    models: Models,
    frames: Sequence[int] | np.ndarray | None = None,
    settings: LiftSettings | None = None,
) -> EncodedFrames:
    """Encode frames of a clip, draw from their H_K and fit their GMMs.

    A frame's result does not depend on the other frames asked for.

    Args:
        clip: in 2D.
        models: loaded weights.
        frames: (F,) numbers of the frames, all by default.
        settings: seed, uncertainty and direction up are used here; precision is decided for the reverse process.

    Raises:
        InvalidInput: a frame lies outside the clip, or there are no weights for a known tilt.
    """
    numbers = frame_numbers(clip, frames)
    return encode_frames(clip, models, numbers, decide_settings(settings or LiftSettings(), clip, models))


@torch.inference_mode()
def encode_frames(clip: PoseClip2D, models: Models, numbers: np.ndarray, settings: LiftSettings) -> EncodedFrames:
    """`encode_clip` for checked frame numbers, (F,), and decided settings."""
    if models.encoder.receptive_field == 1:
        return _encode_alone(clip, models, numbers, settings)
    offsets = np.arange(-_SMOOTHING_FRAMES, _SMOOTHING_FRAMES + 1)
    near = held(np.clip(numbers[:, None] + window_step(clip) * offsets, 0, len(clip) - 1), numbers, people_of(clip))
    each_once = np.unique(near)
    around = _encode_alone(clip, models, each_once, settings)
    weights = torch.from_numpy(np.exp(-0.5 * np.square(offsets / (SMOOTHING_S * VIDEO_FPS)))).float()
    rows = np.searchsorted(each_once, near)
    # The draws of ten neighbours for each frame would be most of all the memory, and nothing reads them.
    neighbours = Neighbours(
        replace(around, samples_view=around.samples_view.new_empty(len(around), 0, NUM_JOINTS, 3)),
        torch.from_numpy(rows).to(models.device),
        (weights / weights.sum()).to(models.device),
    )
    own = around._picked(neighbours.own, numbers, around.mixture.frames(rows[:, _SMOOTHING_FRAMES]))
    return replace(own, neighbours=neighbours)


def _encode_alone(clip: PoseClip2D, models: Models, numbers: np.ndarray, settings: LiftSettings) -> EncodedFrames:
    """Encoded frames without their neighbours."""
    found = encode_contexts(clip, models.encoder, numbers, settings.facts)
    samples, gmm = _draw_and_fit(models, found.view, found.context, settings)
    return EncodedFrames(
        clip, numbers, found.mixture, found.view, found.context, found.reconciled, gmm, samples, settings, found.told
    )  # fmt: skip


def _draw_and_fit(models: Models, view: View, context: Context, settings: LiftSettings) -> tuple[Tensor, PoseGMM]:
    """Draws of H_K, (F, N, J, 3), and the GMM fitted to them, view frame."""
    generator = seeded("cpu", settings.seed, FIT_STREAM)
    return models.encoder.indeterminate(view, context, settings.uncertainty, generator, shared_noise=True)


@torch.inference_mode()
def as_detected(encoded: EncodedFrames, models: Models) -> EncodedFrames:
    """The same frames with H_K as wide as the detector reports, for looking at them.

    Networks are given spreads at one level (`View.levelled`) instead. Joints stay at their places.
    """
    view = mixture_view(encoded.mixture, encoded.clip.intrinsics).to(models.device)
    samples, gmm = _draw_and_fit(models, view, encoded.context, encoded.settings)
    return replace(encoded, view=view, gmm=gmm, samples_view=samples, neighbours=None)

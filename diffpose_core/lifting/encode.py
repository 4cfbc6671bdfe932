"""Encodes frames of a clip, draws from their indeterminate distribution H_K and fits their GMMs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffpose_core.config import UncertaintyConfig
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.tilt import Up, resolve_up, upright_of
from diffpose_core.lifting.view import clip_view, frame_numbers, window_step
from diffpose_core.models.context import Context, ContextEncoder
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.fast.bfloat16 import has_fast_bfloat16
from diffpose_core.models.windows import VIDEO_FPS, cut_windows
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.pose_gmm import PoseGMM
from diffpose_core.uncertainty.view import View

#: In video, what a reverse process ends at is averaged over neighbouring frames: standard deviation of their weights,
#: seconds, and how many frames to each side count. Chosen on validation clips.
SMOOTHING_S = 0.08
_SMOOTHING_FRAMES = 5
_FIT = 1


@dataclass(frozen=True)
class Neighbours:
    """The frames around some frames of a video.

    encoded: N of them, each once. rows: (F, 2 R + 1), where each frame's neighbours stand among them; at a clip's ends
    its first or last frame is repeated. weights: (2 R + 1,), summing to 1.
    """

    encoded: EncodedFrames
    rows: Tensor
    weights: Tensor

    @property
    def own(self) -> Tensor:
        """Where the frames themselves stand, (F,)."""
        return self.rows[:, self.rows.shape[1] // 2]


@dataclass(frozen=True)
class EncodedFrames:
    """Frames of a clip with all that a reverse process starts from.

    frames: (F,) their numbers in the clip. view, context: in the view frame; context is of the detected 2D pose,
    reconciled of the one that the heatmaps and the encoder agree on. gmm: fitted to H_K, leading axis F, view
    frame. samples_view: (F, N, J, 3), the draws of H_K that it was fitted to. seed: of every random number.
    mixed_precision: bfloat16 inside g, and nowhere else: the encoder, which reads coordinates, would lose 0.2 mm by it.
    neighbours: in video, the frames around them, which their reverse processes end in agreement with. up_cam: (3,),
    which way is up in the camera's frame, where that was given: contexts' poses are what they are for a camera of
    that tilt.
    """

    clip: PoseClip2D
    frames: np.ndarray
    view: View
    context: Context
    reconciled: Context
    gmm: PoseGMM
    samples_view: Tensor
    seed: int
    mixed_precision: bool = False
    neighbours: Neighbours | None = None
    up_cam: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice) -> EncodedFrames:
        """Some of the frames."""
        near = self.neighbours
        return replace(
            self,
            frames=self.frames[rows],
            view=self.view[rows],
            context=self.context[rows],
            reconciled=self.reconciled[rows],
            gmm=self.gmm[rows],
            samples_view=self.samples_view[rows],
            neighbours=None if near is None else replace(near, rows=near.rows[rows]),
        )

    @property
    def baseline(self) -> np.ndarray:
        """The context encoder alone, (F, J, 3) metres, root-relative, camera frame."""
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
        """The exact pose in the view frame, (F, J, 3), where the clip has it."""
        if self.clip.pose3d_cam is None:
            return None
        exact_cam = torch.from_numpy(self.clip.pose3d_cam[self.frames].astype(np.float32))
        return self.view.to_view(exact_cam.to(self.view.rotation.device))


@torch.inference_mode()
def encode_clip(
    clip: PoseClip2D,
    models: Models,
    frames: Sequence[int] | np.ndarray | None = None,
    uncertainty: UncertaintyConfig | None = None,
    seed: int = 0,
    mixed_precision: bool | None = None,
    up: Up | None = None,
) -> EncodedFrames:
    """Encode frames of a clip, draw from their H_K and fit their GMMs.

    frames: numbers of the frames, all by default. The result of a frame does not depend on the other ones asked for.
    mixed_precision: see `EncodedFrames`; None takes it where the processor is fast at it. up: which way is up in the
    camera's frame, (3,), of any length; "estimate" asks `estimate_up`; None where nobody knows.
    Raises InvalidInput on frame numbers outside the clip, an `up` that is no direction, and where there are no weights
    to make use of it.
    """
    numbers = frame_numbers(clip, frames)
    mixed = has_fast_bfloat16(models.device.type) if mixed_precision is None else mixed_precision
    uncertainty = uncertainty or UncertaintyConfig()
    up_cam = resolve_up(clip, models, up)
    if models.encoder.receptive_field == 1:
        return _encode_frames(clip, models, numbers, uncertainty, seed, mixed, up_cam)
    offsets = np.arange(-_SMOOTHING_FRAMES, _SMOOTHING_FRAMES + 1)
    near = np.clip(numbers[:, None] + window_step(clip) * offsets, 0, len(clip) - 1)
    all_of_them = np.unique(near)
    around = _encode_frames(clip, models, all_of_them, uncertainty, seed, mixed)
    weights = torch.from_numpy(np.exp(-0.5 * np.square(offsets / (SMOOTHING_S * VIDEO_FPS)))).float()
    rows = torch.from_numpy(np.searchsorted(all_of_them, near))
    neighbours = Neighbours(around, rows.to(models.device), (weights / weights.sum()).to(models.device))
    own = neighbours.own
    return replace(
        around,
        frames=numbers,
        view=around.view[own],
        context=around.context[own],
        reconciled=around.reconciled[own],
        gmm=around.gmm[own],
        samples_view=around.samples_view[own],
        neighbours=neighbours,
    )


def _encode_frames(
    clip: PoseClip2D,
    models: Models,
    numbers: np.ndarray,
    uncertainty: UncertaintyConfig,
    seed: int,
    mixed_precision: bool,
    up_cam: np.ndarray | None = None,
) -> EncodedFrames:
    view, context, reconciled = _encode(clip, models.encoder, numbers)
    if up_cam is not None:
        upright = upright_of(models)
        up = torch.from_numpy(up_cam).to(view.rotation).expand(len(view), 3)
        up_view = view.to_view(up[:, None])[:, 0]
        context, reconciled = (replace(c, pose_view=upright(c.pose_view, up_view)) for c in (context, reconciled))
    samples, gmm = _draw_and_fit(models, view, context, uncertainty, seed)
    return EncodedFrames(clip, numbers, view, context, reconciled, gmm, samples, seed, mixed_precision, up_cam=up_cam)


def _encode(clip: PoseClip2D, encoder: ContextEncoder, numbers: np.ndarray) -> tuple[View, Context, Context]:
    """What the encoder makes of a clip's frames, of the detected and of the reconciled 2D pose."""
    if encoder.receptive_field == 1:
        view = clip_view(clip, numbers).to(encoder.device)
        context = encoder.encode(view)
        return view, context, encoder.encode_reconciled(view, context)
    windows = cut_windows(numbers, len(clip), encoder.receptive_field, window_step(clip))
    read, place = np.unique(windows.frames, return_inverse=True)
    around = clip_view(clip, read).to(encoder.device)
    context, reconciled = encoder.encode_frames(around, replace(windows, frames=place.reshape(windows.frames.shape)))
    return around[torch.from_numpy(np.searchsorted(read, numbers))], context, reconciled


def _draw_and_fit(
    models: Models, view: View, context: Context, uncertainty: UncertaintyConfig, seed: int
) -> tuple[Tensor, PoseGMM]:
    return models.encoder.indeterminate(view, context, uncertainty, seeded("cpu", seed, _FIT), shared_noise=True)


@torch.inference_mode()
def as_detected(encoded: EncodedFrames, models: Models, uncertainty: UncertaintyConfig | None = None) -> EncodedFrames:
    """EncodedFrames frames with H_K as wide as the detector says: to be looked at rather than lifted from.

    Networks are told of spreads at one level (`View.levelled`); where joints are does not change.
    """
    view = clip_view(encoded.clip, encoded.frames, levelled=False).to(models.device)
    samples, gmm = _draw_and_fit(models, view, encoded.context, uncertainty or UncertaintyConfig(), encoded.seed)
    return replace(encoded, view=view, gmm=gmm, samples_view=samples, neighbours=None)


def context_for(encoded: EncodedFrames, network: Denoiser) -> Context:
    """The encoder's features and pose that a network is given: of the detected 2D pose or of the reconciled one."""
    return encoded.reconciled if network.config.context_input == "reconciled" else encoded.context

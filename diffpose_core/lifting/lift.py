"""Lifts a 2D clip to 3D: `lift` is the whole way in one call.

Its stages are `encode.encode_clip` and `sampling.sample_hypotheses`. Results are in metres, root-relative, in the
camera's frame (x right, y down, z forward); inside, poses are in the view frame (`uncertainty.view`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from diffpose_core.lifting.encode import EncodedFrames, decide_settings, encode_frames
from diffpose_core.lifting.expected_error import expected_error
from diffpose_core.lifting.hip_path import hip_path
from diffpose_core.lifting.mirror import averaged, mirrored_clip, mirrored_settings
from diffpose_core.lifting.model_shelf import ModelShelf
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.plausibility import warnings_of
from diffpose_core.lifting.provenance import lift_provenance
from diffpose_core.lifting.sampling import reverse_trace, sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.lifting.view import frame_numbers
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.skeleton import NUM_JOINTS, constant_bones
from diffpose_core.structures import Cancelled, DiffusionTrace, InvalidInput, LiftResult, PoseClip2D
from diffpose_core.uncertainty.expected_error import Calibration
from diffpose_core.uncertainty.identity import own_frames, passers_by, people_of

#: Called with the frames done and the frames in all; False stops the lift.
Progress = Callable[[int, int], bool | None]
#: Largest array of hypotheses or states that is returned.
MAX_KEPT_BYTES = 2_000_000_000


def lift(
    clip: PoseClip2D,
    models: Models | None = None,
    settings: LiftSettings | None = None,
    *,
    frames: Sequence[int] | np.ndarray | None = None,
    trace: bool = False,
    keep_hypotheses: bool = True,
    window: int | None = None,
    progress: Progress | None = None,
) -> LiftResult:
    """Lift a 2D clip to 3D.

    Frames depend on each other by the bones' lengths and by what is estimated of tilt and body, and in video by f_ST.

    Args:
        clip: in 2D.
        models: loaded weights; by default the bundled ones that suit the clip (`model_shelf`).
        settings: how it is lifted.
        frames: numbers of the frames to lift, all by default.
        trace: return every state of the reverse process.
        keep_hypotheses: return the hypotheses; a long clip without them takes (F, J, 3) for each kind of pose.
        window: frames of a block, `Models.block_frames` by default. It decides memory and nothing else.
        progress: called whenever more frames are done, also in the middle of a block.

    Returns:
        Metres, root-relative, camera frame; with intrinsics also the hip's path.

    Raises:
        InvalidInput: there are no such weights or frames, or the arrays to return would exceed MAX_KEPT_BYTES.
        Cancelled: progress returned False.

    Source: main paper, section 4.3.
    """
    asked = settings or LiftSettings()
    models = models or ModelShelf().for_clip(clip, asked)
    name, network = models.pick(asked.context, asked.diffusion, asked.schedule)
    numbers, settings = frame_numbers(clip, frames), decide_settings(asked, clip, models)
    window = models.block_frames if window is None else window
    if window < 1:
        raise InvalidInput(f"a window needs at least one frame, found {window}")
    _check_sizes(len(numbers), settings, settings.timesteps(network.config.num_steps), trace, keep_hypotheses)
    calibration = models.calibration(name, settings)
    lifted = _Lifted.empty(len(numbers), settings.hypotheses if keep_hypotheses else 0, calibration is not None)
    done = _FramesDone(len(numbers), progress)
    for begin in range(0, len(numbers), window):
        rows = slice(begin, min(begin + window, len(numbers)))
        encoded = encode_frames(clip, models, numbers[rows], settings)
        if trace:
            lifted.traces.append(reverse_trace(encoded, network, settings))
            hypotheses = torch.from_numpy(lifted.traces[-1].samples[:, -1])
        else:
            final = sample_hypotheses(encoded, network, settings, done.in_block(rows))
            hypotheses = encoded.view.to_cam(final).cpu()
        found = _mirrored(encoded, models, network, hypotheses) if settings.mirror else (hypotheses, encoded.baseline)
        lifted.write(rows, encoded, network, *found, calibration)
        done.tell(rows.stop)
    provenance = lift_provenance(clip, models, name, settings, asked)
    result = lifted.result(clip, numbers, settings, provenance)
    return replace(result, provenance={**provenance, "warnings": warnings_of(result, clip.frames(numbers))})


def _mirrored(
    encoded: EncodedFrames, models: Models, network: Denoiser, hypotheses_cam: Tensor
) -> tuple[Tensor, np.ndarray]:
    """Hypotheses whose mean is the average with the mirrored clip's, and the averaged baseline.

    Args:
        encoded: F frames.
        models: of the lift.
        network: the denoiser.
        hypotheses_cam: (F, H, J, 3) metres, camera frame.
    """
    settings = mirrored_settings(encoded.settings)
    other = encode_frames(mirrored_clip(encoded.clip), models, encoded.frames, settings)
    final = other.view.to_cam(sample_hypotheses(other, network, settings)).cpu().numpy()
    mean = hypotheses_cam.mean(1)
    moved = hypotheses_cam + (torch.from_numpy(averaged(mean.numpy(), final.mean(1))) - mean)[:, None]
    return moved, averaged(encoded.baseline, other.baseline)


def _check_sizes(
    frames: int, settings: LiftSettings, timesteps: Sequence[int], trace: bool, keep_hypotheses: bool
) -> None:
    """Refuse a result that would not fit in memory, before the work is done."""
    if keep_hypotheses:
        shape: tuple[int, ...] = (frames, settings.hypotheses, NUM_JOINTS, 3)
        _check_size("the hypotheses", shape, "lift without keeping them, or fewer of them")
    if trace:
        shape = (frames, len(timesteps), 2 * settings.hypotheses, NUM_JOINTS, 3)
        _check_size("the states", shape, "ask for the trace of fewer frames")


def _check_size(name: str, shape: tuple[int, ...], way_out: str) -> None:
    size = 4 * math.prod(shape)
    if size > MAX_KEPT_BYTES:
        limit = f"the limit is {MAX_KEPT_BYTES / 1e9:.0f} GB"
        raise InvalidInput(f"{name} of {shape[0]:,} frames take {size / 1e9:.1f} GB; {limit}: {way_out}")


class _FramesDone:
    """Reports how many frames are done, every number once."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total = total
        self.progress = progress
        self.done = 0

    def tell(self, done: int) -> None:
        """Report frames that are done. Raises Cancelled where the callback asks for a stop."""
        if self.progress is None or done <= self.done:
            return
        self.done = done
        if self.progress(done, self.total) is False:
            raise Cancelled(f"stopped after {done} of {self.total} frames")

    def in_block(self, rows: slice) -> Callable[[float], None]:
        """Callback for the share of a block that is done; its last frame is done when the block is."""
        frames = rows.stop - rows.start
        return lambda share: self.tell(rows.start + min(int(share * frames), frames - 1))


@dataclass
class _Lifted:
    """Arrays of a result, filled block by block.

    Attributes:
        pose, baseline: (F, J, 3) metres, root-relative, camera frame.
        hypotheses: (F, H, J, 3), H = 0 where they are not kept.
        joint_std: (F, J) metres.
        expected: (F, J) metres, or None without a calibration.
        unlike: (F,) bool, frames that are unlike the calibration's motions, or None without one.
        points_px: (F, J, 2), the detected joints.
        points_std_px: (F, J), their spreads.
        traces: of the blocks, where they are kept.
    """

    pose: np.ndarray
    baseline: np.ndarray
    hypotheses: np.ndarray
    joint_std: np.ndarray
    expected: np.ndarray | None
    unlike: np.ndarray | None
    points_px: np.ndarray
    points_std_px: np.ndarray
    traces: list[DiffusionTrace] = field(default_factory=list)

    @classmethod
    def empty(cls, frames: int, kept: int, calibrated: bool) -> _Lifted:
        """Arrays to fill. kept: hypotheses of a frame to keep."""
        poses, joints = (frames, NUM_JOINTS, 3), (frames, NUM_JOINTS)
        return cls(
            pose=np.empty(poses, np.float32),
            baseline=np.empty(poses, np.float32),
            hypotheses=np.empty((frames, kept, NUM_JOINTS, 3), np.float32),
            joint_std=np.empty(joints, np.float32),
            expected=np.empty(joints, np.float32) if calibrated else None,
            unlike=np.empty(frames, bool) if calibrated else None,
            points_px=np.empty((*joints, 2)),
            points_std_px=np.empty(joints, np.float32),
        )

    def write(
        self,
        rows: slice,
        encoded: EncodedFrames,
        network: Denoiser,
        hypotheses_cam: Tensor,
        baseline: np.ndarray,
        calibration: Calibration | None,
    ) -> None:
        """Fill the rows of a block. hypotheses_cam: (F, H, J, 3) metres, root-relative; baseline: (F, J, 3)."""
        mean = hypotheses_cam.mean(1, keepdim=True)
        if self.hypotheses.shape[1]:
            self.hypotheses[rows] = hypotheses_cam.numpy()
        self.pose[rows] = mean[:, 0].numpy()
        self.joint_std[rows] = (hypotheses_cam - mean).square().sum(-1).mean(1).sqrt().numpy()
        if self.expected is not None and self.unlike is not None and calibration is not None:
            found = expected_error(encoded, network, calibration, hypotheses_cam.numpy())
            self.expected[rows], self.unlike[rows] = found.error, found.unlike
        self.baseline[rows] = baseline
        self.points_px[rows] = encoded.mixture.argmax_px
        self.points_std_px[rows] = np.sqrt(np.square(encoded.mixture.std_px).mean(-1))

    def result(
        self, clip: PoseClip2D, numbers: np.ndarray, settings: LiftSettings, provenance: dict[str, object]
    ) -> LiftResult:
        """The result of all frames."""
        pose, baseline = self.pose, self.baseline
        other_person = passers_by(people_of(clip))[numbers]
        if settings.rigid_bones:
            own = own_frames(other_person)
            pose, baseline = (constant_bones(poses, like=poses[own]) for poses in (pose, baseline))
        path = None
        if clip.intrinsics is not None:
            path = hip_path(pose, self.points_px, self.points_std_px, clip.intrinsics)
        return LiftResult(
            pose3d=pose,
            hypotheses=self.hypotheses,
            joint_std=self.joint_std,
            expected_error=self.expected,
            unlike=self.unlike,
            guessed=clip.guessed[numbers],
            other_person=other_person,
            baseline=baseline,
            fps=clip.fps,
            provenance=provenance,
            root_cam=None if path is None else path[0],
            root_error_px=None if path is None else path[1],
            trace=self._trace(),
        )

    def _trace(self) -> DiffusionTrace | None:
        """The trace of all blocks."""
        if not self.traces:
            return None
        predicted = [part.pred_x_start for part in self.traces if part.pred_x_start is not None]
        samples = np.concatenate([part.samples for part in self.traces])
        return DiffusionTrace(self.traces[0].k, samples, np.concatenate(predicted))

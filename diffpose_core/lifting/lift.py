"""Lifts a 2D clip to 3D."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch

from diffpose_core.config import UncertaintyConfig, to_dict
from diffpose_core.diffusion.schedule import ScheduleName
from diffpose_core.io.checkpoints import encoder_tensors, fingerprint
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.expected_error import expected_error
from diffpose_core.lifting.hip_path import hip_path
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.lifting.provenance import clip_hash, version
from diffpose_core.lifting.sampling import check_hypotheses, reverse_trace, sample_hypotheses
from diffpose_core.lifting.tilt import Up, resolve_up
from diffpose_core.lifting.view import frame_numbers
from diffpose_core.models.fast.bfloat16 import has_fast_bfloat16
from diffpose_core.skeleton import NUM_JOINTS, constant_bones
from diffpose_core.structures import Cancelled, DiffusionTrace, InvalidInput, LiftResult, PoseClip2D
from diffpose_core.uncertainty.mixtures import clip_mixture

#: Largest array of hypotheses or states that `lift` returns.
MAX_KEPT_BYTES = 2_000_000_000


def _check_size(what: str, shape: tuple[int, ...], way_out: str) -> None:
    size = 4 * math.prod(shape)
    if size > MAX_KEPT_BYTES:
        limit = f"the limit is {MAX_KEPT_BYTES / 1e9:.0f} GB"
        raise InvalidInput(f"{what} of {shape[0]:,} frames take {size / 1e9:.1f} GB; {limit}: {way_out}")


def lift(
    clip: PoseClip2D,
    *,
    models: Models | None = None,
    steps: int = 5,
    hypotheses: int = 5,
    seed: int = 0,
    context: bool = True,
    diffusion: Literal["gmm", "standard"] = "gmm",
    schedule: ScheduleName = "converging",
    eta: float = 0.0,
    trace: bool = False,
    rigid_bones: bool = True,
    uncertainty: UncertaintyConfig | None = None,
    frames: Sequence[int] | np.ndarray | None = None,
    keep_hypotheses: bool = True,
    window: int | None = None,
    mixed_precision: bool | None = None,
    up: Up | None = None,
    progress: Callable[[int, int], bool | None] | None = None,
) -> LiftResult:
    """Lift a 2D clip to 3D.

    models: loaded weights, the bundled ones by default. steps: DDIM steps, 1 to 50. hypotheses: N poses drawn from
    H_K, whose mean is the prediction. seed: decides every random number. context: with f_ST or without. eta: 0 is
    deterministic, 1 ancestral sampling. trace: also return every state. rigid_bones: give the prediction and
    the baseline bones that keep their lengths over the clip (`skeleton.constant_bones`); hypotheses and trace stay as
    the network made them. frames: numbers of the frames to lift, all by default. keep_hypotheses: return them;
    without, a long clip costs (F, 17, 3) a kind of pose and no more. window: frames that are worked on at a time, by
    default `Models.block_frames`, which decides memory and nothing else. mixed_precision, up:
    see `encode_clip`. progress: called with (frames done, frames in all) whenever there are more of them, also in the
    middle of a window; if it returns False, lifting stops.

    Returns a LiftResult in metres, root-relative, camera frame; with intrinsics also the hip's path (`place_root`).
    But for the bones' lengths a frame's result depends on no other frame. Raises InvalidInput on settings out of range,
    or where what is to be kept would take more than MAX_KEPT_BYTES; Cancelled when `progress` says stop. Source: main
    paper, section 4.3.
    """
    loaded = models or load_models()
    name, network = loaded.pick(context, diffusion, schedule)
    uncertainty = uncertainty or UncertaintyConfig()
    mixed = has_fast_bfloat16(loaded.device.type) if mixed_precision is None else mixed_precision
    numbers, up_cam = frame_numbers(clip, frames), resolve_up(clip, loaded, up)
    count, pose_shape = len(numbers), (NUM_JOINTS, 3)
    check_hypotheses(hypotheses)
    window = loaded.block_frames if window is None else window
    if window < 1:
        raise InvalidInput(f"a window needs at least one frame, found {window}")
    if keep_hypotheses:
        _check_size("the hypotheses", (count, hypotheses, *pose_shape), "lift without keeping them, or fewer of them")
    if trace:
        _check_size("the states", (count, steps + 1, 2 * hypotheses, *pose_shape), "ask for the trace of fewer frames")
    pose, baseline = (np.empty((count, *pose_shape), dtype=np.float32) for _ in range(2))
    kept = np.empty((count, hypotheses if keep_hypotheses else 0, *pose_shape), dtype=np.float32)
    joint_std, expected, points_std_px = (np.empty((count, NUM_JOINTS), dtype=np.float32) for _ in range(3))
    calibration = loaded.calibration(name, hypotheses, up_cam)
    points_px = np.empty((count, NUM_JOINTS, 2))
    traces: list[DiffusionTrace] = []
    done = 0

    def tell(now: int) -> None:
        nonlocal done
        if progress is None or now <= done:
            return
        done = now
        if progress(done, count) is False:
            raise Cancelled(f"stopped after {done} of {count} frames")

    for begin in range(0, count, window):
        block = numbers[begin : begin + window]
        rows = slice(begin, begin + len(block))
        encoded = encode_clip(clip, loaded, block, uncertainty, seed, mixed, up_cam)
        if trace:
            traces.append(reverse_trace(encoded, network, steps, hypotheses, eta, seed))
            final = torch.from_numpy(traces[-1].samples[:, -1])
        else:

            def share_done(share: float, before: int = begin, frames: int = len(block)) -> None:
                tell(before + min(int(share * frames), frames - 1))

            end = sample_hypotheses(encoded, network, steps, hypotheses, eta, seed, share_done)
            final = encoded.view.to_cam(end).cpu()
        if keep_hypotheses:
            kept[rows] = final.numpy()
        pose[rows] = final.mean(1).numpy()
        joint_std[rows] = (final - final.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt().numpy()
        if calibration is not None:
            expected[rows] = expected_error(encoded, network, calibration, final.numpy())
        baseline[rows] = encoded.baseline
        mixture = clip_mixture(clip, block)
        points_px[rows], points_std_px[rows] = mixture.argmax_px, np.sqrt(np.square(mixture.std_px).mean(-1))
        tell(begin + len(block))
    whole = None
    if traces:
        predicted = [part.pred_x_start for part in traces if part.pred_x_start is not None]
        whole = DiffusionTrace(traces[0].k, np.concatenate([p.samples for p in traces]), np.concatenate(predicted))
    if rigid_bones:
        pose, baseline = constant_bones(pose), constant_bones(baseline)
    path = None if clip.intrinsics is None else hip_path(pose, points_px, points_std_px, clip.intrinsics)
    provenance = {
        "software": f"diffpose-studio {version()}, torch {torch.__version__}",
        "weights": name,
        "weights_sha256": fingerprint(dict(network.state_dict())),
        "encoder_sha256": fingerprint(encoder_tensors(loaded.encoder)),
        "baseline": loaded.encoder.title,
        "clip": clip.name,
        "clip_sha256": clip_hash(clip),
        "settings": {
            "steps": steps, "hypotheses": hypotheses, "seed": seed, "context": context, "diffusion": diffusion,
            "schedule": schedule, "eta": eta, "rigid_bones": rigid_bones, "mixed_precision": mixed,
            "device": loaded.device.type, "uncertainty": to_dict(uncertainty),
            "up": None if up_cam is None else [round(float(part), 6) for part in up_cam],
            "up_estimated": isinstance(up, str),
        },
        "frame_of_reference": "metres, root-relative, camera frame: x right, y down, z forward",
        "joint_order": "Human3.6M-17",
    }  # fmt: skip
    return LiftResult(
        pose3d=pose,
        hypotheses=kept,
        joint_std=joint_std,
        expected_error=None if calibration is None else expected,
        guessed=clip.guessed[numbers],
        baseline=baseline,
        fps=clip.fps,
        provenance=provenance,
        root_cam=None if path is None else path[0],
        root_error_px=None if path is None else path[1],
        trace=whole,
    )

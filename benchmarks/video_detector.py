"""BlazePose on real videos: its speed from file to 3D, and its statistics beside the simulated detector's.

The videos are the demo of Pose2Sim (four calibrated phones, one man; BSD-3-Clause), in the folder
`Pose2Sim/Demo_SinglePerson/videos` of its wheel. The cameras are in real_footage.npz.

    python -m benchmarks.video_detector --videos videos --footage real_footage.npz --simulated mocap17_val.npz \\
        --json benchmarks/results/video_detector.json --docs docs/video.md

A camera's truth is triangulated from the other three cameras' detections, where these agree within 8 cm. All lengths
are in units of the person's size, the root mean square distance of the joints from their centre.
"""

from __future__ import annotations

import argparse
import json
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import diffpose_core.environment  # noqa: F401
from benchmarks.report_files import write_report
from diffpose_core.camera import evaluation_cameras
from diffpose_core.datasets.detector import DetectorConfig
from diffpose_core.datasets.footage import load_footage
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.footage import BLOCK_FRAMES, LIMB_JOINTS, limb_errors
from diffpose_core.evaluation.views import evaluation_clips
from diffpose_core.io.detectors import DETECTORS
from diffpose_core.io.formats import to_clip
from diffpose_core.io.video import poses_of_video
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.model_shelf import ModelShelf
from diffpose_core.lifting.models import load_models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import MIRROR
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.mixtures import mixture_from_confidence, person_size_px

LIMBS = np.array(LIMB_JOINTS)
#: Every how many frames are lifted to compare heatmaps with confidences.
EVERY_FRAME = 5
#: Largest distance of a triangulated joint from the rays that it comes from, metres.
AGREE_M = 0.08
#: A frame whose limbs err by more than this on average is left out: either the detection or the truth is of another.
SOMEBODY_ELSE = 0.5
#: Every how many clips of the simulated detector's file are taken.
EVERY_CLIP = 15
ROWS = {
    "joints": "joints and frames",
    "beside_the_person": "frames off by half the size or more",
    "two_modes": "joints with more than one mode",
    "second_is_right": "... whose second mode is nearer to the truth",
    "spread": "spread of the main mode, median",
    "error": "error, median",
    "error_95": "error, 95th percentile",
    "wide_against_error": "rank correlation of spread and error",
    "confidence_against_error": "rank correlation of confidence and error",
    "swapped_ankles": "ankles exchanged, where they are apart",
    "lag": "correlation of errors 1/30 s apart",
}
PERCENT = ("beside_the_person", "two_modes", "second_is_right", "swapped_ankles")


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="folder of cam01.mp4 to cam04.mp4")
    parser.add_argument("--footage", type=Path, required=True, help="real_footage.npz, for its cameras")
    parser.add_argument("--simulated", type=Path, required=True, help="motions in Mocap-17 layout")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--docs", type=Path, help="page whose table is written anew")
    args = parser.parse_args()
    videos = sorted(args.videos.glob("cam0*.mp4"))
    spent = speed(videos[0])
    clips, seconds = zip(*(detected(path) for path in videos), strict=True)
    with np.load(args.footage) as cameras:
        truth = truths(clips, {name: cameras[name] for name in ("rotation", "centre_m", "intrinsics")})
    real = statistics(list(zip(clips, truth, strict=True)), step=2)
    simulated = statistics(simulated_clips(args.simulated), step=1)
    blunt = statistics(simulated_clips(args.simulated, DetectorConfig(blunt_share=1.0)), step=1)
    report = {
        "videos": [path.name for path in videos], "data": args.simulated.name, "real": real, "simulated": simulated,
        "blunt": blunt,
        "heatmaps": heatmaps_or_confidences(clips, args.footage),
        "speed": {**spent, "detection_ms_a_frame": [round(ms, 1) for ms in seconds]},
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    write_report(report, table(report), "detector", args.json, args.docs)


def table(report: dict[str, Any]) -> str:
    """The table of the page."""
    lines = [
        "| | BlazePose, real videos | simulated: blunt heatmaps | simulated: the benchmark's |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, words in ROWS.items():
        cells = []
        for column in ("real", "blunt", "simulated"):
            value = report[column][name]
            if name == "joints":
                cells.append(f"{value:,}")
            elif name in PERCENT:
                cells.append(f"{100 * value:.1f} %")
            else:
                cells.append(f"{value:.2f}" if "against" in name or name == "lag" else f"{value:.3f}")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    lines += ["", *textwrap.wrap(_sentences(report), 120)]
    return "\n".join(lines)


def _sentences(report: dict[str, Any]) -> str:
    """The other figures in words."""
    lifted, spent = report["heatmaps"], report["speed"]
    n, p = lifted["n_mpjpe_mm"], lifted["p_mpjpe_mm"]
    width, height = spent["size"]
    return (
        f"On {lifted['frames_and_views']} frames and views of these videos DiffPose errs by {n['heatmaps']} mm N-MPJPE "
        f"with the heatmaps' mixtures and by {n['confidences']} mm with those that confidences alone give: a change of "
        f"{n['change']:+.1f} mm, 95 % interval {n['change_95'][0]:+.1f} to {n['change_95'][1]:+.1f}; in P-MPJPE "
        f"{p['change']:+.1f} mm, {p['change_95'][0]:+.1f} to {p['change_95'][1]:+.1f}. {spent['frames']} frames of "
        f"{width} x {height} pixels took {spent['people_found_s']} s by the clock on two cores until the people "
        f"were found, {spent['first_3d_s']} s until the first frame was in 3D (read as video), and "
        f"{spent['whole_s']} s for all frames."
    )


def detected(path: Path) -> tuple[PoseClip2D, float]:
    """The clip of a video, and milliseconds of processor time a frame, decoding included."""
    detector = DETECTORS["blazepose"].load()
    start = time.process_time()
    poses = poses_of_video(path, path.name, detector)
    spent = time.process_time() - start
    return to_clip(poses).clip, 1000 * spent / poses.clip().num_frames


def speed(path: Path) -> dict[str, Any]:
    """Seconds by the clock from a video to the first lifted frame and to all; no network is loaded before."""
    start = time.monotonic()
    clip = to_clip(poses_of_video(path, path.name, DETECTORS["blazepose"].load())).clip
    found = time.monotonic() - start
    models = ModelShelf().for_clip(clip)
    lift(clip, models, LiftSettings(), frames=range(1))
    first = time.monotonic() - start
    lift(clip, models, LiftSettings())
    whole = time.monotonic() - start
    names = ("people_found_s", "first_3d_s", "whole_s")
    times = {name: round(value, 2) for name, value in zip(names, (found, first, whole), strict=True)}
    return {"frames": len(clip), "size": [clip.width, clip.height], **times}


def heatmaps_or_confidences(clips: tuple[PoseClip2D, ...], path: Path) -> dict[str, Any]:
    """DiffPose's errors on the same frames with the heatmaps' mixtures, and with those that confidences alone give.

    The truth is that of real_footage.npz. Blocks of ten frames are resampled, the same of all cameras.
    """
    footage, models = load_footage(path), load_models()
    settings = LiftSettings(up="estimate", rigid_bones=False)
    blocks = 1 + (footage.num_frames - 1) // BLOCK_FRAMES
    total, count = np.zeros((blocks, 2, 3)), np.zeros((blocks, 1, 1))
    for number, clip in enumerate(clips):
        recording = footage.recording(number)
        truth, frames = recording.views[0].pose3d_cam, recording.frames[recording.frames % EVERY_FRAME == 0]
        assert truth is not None
        alone = replace(clip, mixture=mixture_from_confidence(clip.keypoints_px, clip.confidence))
        for column, one in enumerate((clip, alone)):
            errors = limb_errors(lift(one.frames(frames), models, settings).pose3d, truth[frames])
            np.add.at(total[:, column], frames // BLOCK_FRAMES, errors)
        np.add.at(count, frames // BLOCK_FRAMES, 1.0)
    means = resampled_means(total, count)
    found: dict[str, Any] = {"frames_and_views": int(count.sum())}
    for metric, name in enumerate(("n_mpjpe_mm", "p_mpjpe_mm")):
        change = means[:, 0, metric] - means[:, 1, metric]
        found[name] = {
            "heatmaps": round(float(means[0, 0, metric]), 1),
            "confidences": round(float(means[0, 1, metric]), 1),
            "change": round(float(change[0]), 1),
            "change_95": [round(float(end), 1) for end in interval(change)],
        }
    return found


def truths(clips: tuple[PoseClip2D, ...], cameras: dict[str, np.ndarray]) -> list[np.ndarray]:
    """For each camera the limbs' places by the other cameras, (F, 17, 2) pixels; NaN where these disagree."""
    rays = []
    for clip, turn, (fx, fy, cx, cy) in zip(clips, cameras["rotation"], cameras["intrinsics"], strict=True):
        u, v = clip.keypoints_px[..., 0], clip.keypoints_px[..., 1]
        ray = np.stack(((u - cx) / fx, (v - cy) / fy, np.ones_like(u)), -1) @ turn
        rays.append(ray / np.linalg.norm(ray, axis=-1, keepdims=True))
    found = []
    for own in range(len(clips)):
        # Of three cameras one may follow somebody else: the pairs that agree best count.
        others = [n for n in range(len(clips)) if n != own]
        place, off = meeting([rays[n] for n in others], [cameras["centre_m"][n] for n in others])
        cam = (place - cameras["centre_m"][own]) @ cameras["rotation"][own].T
        fx, fy, cx, cy = cameras["intrinsics"][own]
        px = cam[..., :2] / cam[..., 2:] * (fx, fy) + (cx, cy)
        px[off > AGREE_M] = np.nan
        found.append(px)
    return found


def meeting(rays: list[np.ndarray], centres: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The points nearest to rays (F, J, 3), and the largest distance of each from a ray, (F, J)."""
    across = [np.eye(3) - ray[..., :, None] * ray[..., None, :] for ray in rays]
    place = np.linalg.solve(sum(across), sum(a @ c for a, c in zip(across, centres, strict=True))[..., None])[..., 0]
    away = [np.linalg.norm((a @ (place - c)[..., None])[..., 0], axis=-1) for a, c in zip(across, centres, strict=True)]
    return place, np.max(away, axis=0)


def simulated_clips(data: Path, detector: DetectorConfig | None = None) -> list[tuple[PoseClip2D, np.ndarray]]:
    """Clips of the simulated detector, the benchmark's by default, with their exact 2D poses."""
    motions, found = load_mocap17(data), []
    for number in range(0, len(motions), EVERY_CLIP):
        joints = motions.clip_world(number)
        cameras = evaluation_cameras(joints[:, 0])
        for clip, camera in zip(evaluation_clips(motions, number, detector), cameras, strict=True):
            found.append((clip, camera.project(camera.to_cam(joints.astype(np.float64)))))
    return found


def statistics(clips: list[tuple[PoseClip2D, np.ndarray]], step: int) -> dict[str, Any]:
    """The rows of the table. clips: with the true places, (F, 17, 2), NaN where unknown. step: frames in 1/30 s."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("error", "spread", "sure", "modes", "second", "else")}
    swapped, lagged = [], []
    for clip, truth in clips:
        size = person_size_px(clip.keypoints_px)[:, None]
        offset = (clip.keypoints_px - truth) / size[..., None]
        error = np.linalg.norm(offset, axis=-1)[:, LIMBS]
        beside = np.nanmean(np.where(np.isfinite(error).any(1)[:, None], error, np.inf), axis=1) > SOMEBODY_ELSE
        known = np.isfinite(error).any(1)
        columns["else"].append(beside[known])
        kept = np.isfinite(error) & ~beside[:, None]
        assert clip.mixture is not None
        weights, means = clip.mixture.weights[:, LIMBS], clip.mixture.means_px[:, LIMBS]
        stds = np.sqrt(clip.mixture.variances_px2[:, LIMBS, 0].mean(-1)) / size
        apart = np.linalg.norm(means - truth[:, LIMBS, None], axis=-1)
        nearest = np.where(weights > 0, apart, np.inf).argmin(-1)
        several = (weights > 0).sum(-1) > 1
        columns["error"].append(error[kept])
        columns["spread"].append(stds[kept])
        columns["sure"].append(clip.confidence[:, LIMBS][kept])
        columns["modes"].append(several[kept])
        columns["second"].append((nearest > 0)[kept & several])
        swapped.append(exchanged(clip.keypoints_px[~beside], truth[~beside], size[~beside]))
        both = kept[step:] & kept[:-step]
        limbs = offset[:, LIMBS]
        lagged.append(np.stack((limbs[step:][both], limbs[:-step][both])).reshape(2, -1))
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    pairs = np.concatenate(lagged, axis=1)
    numbers = {
        "joints": len(whole["error"]),
        "beside_the_person": float(whole["else"].mean()),
        "two_modes": float(whole["modes"].mean()),
        "second_is_right": float(whole["second"].mean()),
        "spread": float(np.median(whole["spread"])),
        "error": float(np.median(whole["error"])),
        "error_95": float(np.percentile(whole["error"], 95)),
        "wide_against_error": ranked(whole["spread"], whole["error"]),
        "confidence_against_error": ranked(whole["sure"], whole["error"]),
        "swapped_ankles": float(np.concatenate(swapped).mean()),
        "lag": float(np.corrcoef(pairs)[0, 1]),
    }
    return {name: round(value, 4) for name, value in numbers.items()}


def exchanged(points: np.ndarray, truth: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Whether left and right ankle are exchanged, in frames in which they are further apart than 0.3 of the size."""
    ankles = [3, MIRROR[3]]
    stay = np.linalg.norm(points[:, ankles] - truth[:, ankles], axis=-1).sum(1)
    change = np.linalg.norm(points[:, ankles[::-1]] - truth[:, ankles], axis=-1).sum(1)
    apart = np.linalg.norm(truth[:, 3] - truth[:, MIRROR[3]], axis=-1) > 0.3 * size[:, 0]
    return np.asarray((change < 0.5 * stay)[apart])


def ranked(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


if __name__ == "__main__":
    main()

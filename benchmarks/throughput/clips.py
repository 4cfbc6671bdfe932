"""Times of whole clips: encoders and videos, opening a file, growth with the size, and memory of a long clip."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.throughput.bundled import CLIP, HYPOTHESES, ROOT, STEPS, looped
from benchmarks.throughput.timing import MACHINE, least
from diffpose_core.io.clips import load_clip, save_clip
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.lifting.sampling import reverse_steps, reverse_traces
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.context import ContextEncoder
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import PoseClip2D


@torch.inference_mode()
def encoders(clip: PoseClip2D, models: Models, video: Models, frames: int, seconds: float) -> dict[str, float]:
    """Poses a second of the baselines, which are the context encoders, alone, and frames a second of lifting a video,
    whose windows overlap and whose frames are read with those around them.
    """
    window = video.encoder.receptive_field

    def rate(encoder: ContextEncoder, poses: int) -> float:
        place = 0.5 * torch.randn(poses, NUM_JOINTS, 2, device=MACHINE.device)
        return poses / least(lambda: encoder.network(place), seconds)

    found = {f"{models.encoder.title} at batch {batch}": rate(models.encoder, batch) for batch in (64, 1024)}
    found[f"{video.encoder.title} in 8 windows of {window} frames"] = rate(video.encoder, 8 * window)
    long = looped(clip, frames)
    found[f"a video of {frames} frames through `lift`"] = frames / least(lambda: lift(long, video), seconds)
    return found


def growth(clip: PoseClip2D, models: Models, seconds: float) -> dict[str, list[tuple[int, float]]]:
    """Seconds of lifting against the number of frames, and of the reverse process against hypotheses and steps."""
    network = models.pick()[1]
    ready = encode_clip(clip, models, list(range(16)))

    def reverse(steps: int, hypotheses: int) -> None:
        for _ in reverse_steps(ready, network, LiftSettings(steps=steps, hypotheses=hypotheses)):
            pass

    return {
        "frames": [(n, least(lambda n=n: lift(looped(clip, n), models), seconds / 4)) for n in (64, 128, 256, 512)],
        "hypotheses": [(n, least(lambda n=n: reverse(STEPS, n), seconds / 4)) for n in (1, 5, 10, 20, 40)],
        "steps": [(n, least(lambda n=n: reverse(n, HYPOTHESES), seconds / 4)) for n in (1, 5, 10, 25, 50)],
    }


def opening(models: Models, frames: int, seconds: float) -> dict[str, float]:
    """Seconds from a file to the poses of the first 3D picture, and to whole reverse traces with and without f_ST."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.npz"
        save_clip(looped(load_clip(CLIP), frames), path)

        def first() -> None:
            reverse_traces(
                encode_clip(load_clip(path), models, [0]), models, LiftSettings(steps=STEPS, hypotheses=HYPOTHESES)
            )

        def whole() -> None:
            reverse_traces(
                encode_clip(load_clip(path), models), models, LiftSettings(steps=STEPS, hypotheses=HYPOTHESES)
            )

        return {"frames": frames, "first picture": least(first, seconds), "whole traces": least(whole, seconds)}


def long_clip(frames: int, threads: int) -> dict[str, float]:
    """Peak memory and time of lifting a long clip, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.throughput", "--lift-only", str(frames), "--threads", str(threads)]
    command += ["--cpu-time"] * (MACHINE.cpu_time) + ["--device", MACHINE.device.type]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _peak_bytes() -> int:
    """Peak memory of this process, bytes. `ru_maxrss` begins with the memory of the process that started it."""
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def print_long_clip(frames: int) -> None:
    """Lift a long clip in this process and print its time and memory as JSON."""
    clip, models = looped(load_clip(CLIP), frames), load_models().to(MACHINE.device)
    begin = MACHINE.clock()
    lift(clip, models, keep_hypotheses=False)
    seconds = MACHINE.clock() - begin
    peak = _peak_bytes()
    print(json.dumps({"frames": frames, "seconds": seconds, "peak_gb": peak / 1e9}))

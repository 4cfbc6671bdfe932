"""Speed of the core, as rates and as ratios within one run: `python -m benchmarks.throughput`.

Checks that the fast paths answer as the plain ones do. Times the stages of `lift`, the networks against a large matrix
product, the batched GMM fit against scikit-learn's, lifting and a training step against networks of the released
code's form, and how time and memory grow. Every time is the least of several, so that other work of the
machine matters little. With --json and --docs it writes its report, and the table and the plot of docs/speed.md. With
`--device cuda` the same is measured on a GPU, and the duration of the supplement's training there and on the
paper's card.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks import released_form
from benchmarks.released_form import ReleasedForm
from benchmarks.training_cost import PEAK_FLOPS
from diffpose_core import onednn
from diffpose_core.config import UncertaintyConfig
from diffpose_core.io.clips import load_clip, save_clip
from diffpose_core.lifting.encode import EncodedFrames, encode_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.lifting.sampling import reverse_steps, reverse_traces
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Conditioning, Denoiser
from diffpose_core.models.fast.bfloat16 import has_fast_bfloat16
from diffpose_core.models.fast.denoiser_cache import FastDenoiser, fast_denoiser
from diffpose_core.models.layers import root_relative
from diffpose_core.presets import PAPER_TRAINING
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput, PoseClip2D
from diffpose_core.training.losses import mean_joint_distance
from diffpose_core.uncertainty.fit_gmm import fit_gmm, fit_gmm_batch
from diffpose_core.uncertainty.indeterminate import sample_indeterminate
from diffpose_core.uncertainty.reconcile import centred_and_scaled

ROOT = Path(__file__).resolve().parent.parent
CLIPS = ROOT / "assets" / "clips"
CLIP = CLIPS / "walk-from-the-side.npz"
BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"
#: The paper's setting.
STEPS, HYPOTHESES = 5, 5
RELEASED = "released form, without a fit"
#: How far an answer of a fast path may be from the plain one's, metres (f_ST: of its own unit).
TOLERANCE = 1e-4
#: Kinds of torch operations in inference.
KINDS = {
    "products with weights": ("addmm", "mm", "_linear_pointwise", "linear"),
    "batched products (joints mixed, heads)": ("bmm", "baddbmm"),
    "fused attention": ("_scaled_dot_product_flash_attention_for_cpu",),
    "layer norms": ("native_layer_norm",),
    "GELU": ("gelu",),
    "copies": ("copy_", "cat", "clone"),
    "sums and scalings": ("add", "add_", "mul", "mul_", "sub", "div"),
}


#: Wall time, or with --cpu-time the processor's.
CLOCKS = [time.perf_counter]
#: Where it is measured, by --device.
DEVICES = [torch.device("cpu")]
#: Dense rates of cards in float32 and, with sums in float32, in bfloat16, TFLOP/s: NVIDIA's data sheets, whitepapers.
PEAKS = {
    "RTX 3090": (PEAK_FLOPS / 1e12, 71.0),
    "RTX 4090": (82.6, 165.2),
    "A100": (19.5, 312.0),
    "H100": (66.9, 989.4),
    "H200": (66.9, 989.4),
}
#: The card of the paper.
PAPERS_CARD = "RTX 3090"
_PRECISIONS = ("float32", "bfloat16")


def least(run: Callable[[], object], seconds: float) -> float:
    """The shortest time of a call, of all that fit into `seconds` and at least three, after one not counted."""
    run()
    wait()
    clock = CLOCKS[-1]
    best, end, count = float("inf"), time.perf_counter() + seconds, 0
    while count < 3 or time.perf_counter() < end:
        begin = clock()
        run()
        wait()
        best, count = min(best, clock() - begin), count + 1
    return best


def least_of_each(runs: dict[str, Callable[[], object]], seconds: float, rounds: int = 8) -> dict[str, float]:
    """`least` of several calls that take turns, so that other work of the machine hits all of them alike."""
    found = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            found[name] = min(found[name], least(run, seconds / rounds))
    return found


def wait() -> None:
    """Wait until a GPU has finished its work."""
    if DEVICES[-1].type == "cuda":
        torch.cuda.synchronize()


def matmul_rate(dtype: torch.dtype, seconds: float) -> float:
    """Operations a second of a product of two square matrices, of 2048 rows or as many as keep a GPU busy, by the
    library that is faster at it.
    """
    size = 8192 if DEVICES[-1].type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=DEVICES[-1]).to(dtype) for _ in range(2))
    multiply = onednn.linear if onednn.preferred_for(a) else torch.matmul
    with torch.no_grad():
        return 2 * size**3 / least(lambda: multiply(a, b), seconds)


def peak_flops(precision: str, card: str | None = None) -> float | None:
    """A card's own rate, operations a second, by default that of the GPU in use; None where it is not known."""
    if card is None and DEVICES[-1].type != "cuda":
        return None
    name = card or torch.cuda.get_device_name()
    found = next((rates for known, rates in PEAKS.items() if known in name), None)
    return None if found is None else 1e12 * found[_PRECISIONS.index(precision)]


def multiply_adds(network: nn.Module) -> int:
    """Multiply-adds of a pose in the linear layers of a network's blocks and heads."""
    return sum(NUM_JOINTS * m.in_features * m.out_features for m in network.modules() if isinstance(m, nn.Linear))


def per_step(network: Denoiser) -> int:
    """Multiply-adds of one noisy pose at one step: the blocks and the output layer."""
    return multiply_adds(network.blocks) + multiply_adds(network.head)


def looped(clip: PoseClip2D, frames: int) -> PoseClip2D:
    """The clip's frames over and over."""
    order = np.arange(frames) % len(clip)
    return replace(clip.frames(order), provenance={})


def exactness(clip: PoseClip2D, models: Models, frames: int) -> dict[str, float]:
    """The largest difference between the answers of the fast paths and those of the plain ones, which training takes.

    g over 50 steps of the frames' own reverse process, and the context encoder; in float32, and for comparison g in
    bfloat16, which is not held to the tolerance.
    """
    ready = encode_clip(clip, models, list(range(frames)), LiftSettings(mixed_precision=False, up=None))
    network, encoder = models.pick()[1], models.encoder.network

    def conditioning_itself(_: FastDenoiser, conditioning: Conditioning, steps: object = ()) -> Conditioning:
        return conditioning

    def forward(_: FastDenoiser, x: Tensor, k: Tensor | int, conditioning: Conditioning) -> Tensor:
        # With gradients the networks take the plain path.
        with torch.enable_grad():
            return network(x, k, conditioning).detach()

    def plain(encoded: EncodedFrames) -> list[Tensor]:
        with mock.patch.multiple(FastDenoiser, cache_conditioning=conditioning_itself, predict=forward):
            return fast(encoded)

    def fast(encoded: EncodedFrames) -> list[Tensor]:
        return [
            state.pred_x_start
            for state in reverse_steps(encoded, network, LiftSettings(steps=50, hypotheses=HYPOTHESES))
        ]

    def apart(found: list[Tensor], right: list[Tensor]) -> float:
        return max(float((a - b).abs().max()) for a, b in zip(found, right, strict=True))

    right = plain(ready)
    place = centred_and_scaled(ready.view.pose_norm, ready.view.size, encoder.receptive_field)
    with torch.enable_grad():
        features = encoder.features(place).detach()
        pose = encoder.pose(features).detach()
    found = {
        "g, float32, 50 steps": apart(fast(ready), right),
        "context encoder's pose": apart([ready.context.pose_view], [pose]),
        "f_ST": apart([ready.context.features], [features]),
    }
    worst = max(found, key=lambda name: found[name])
    if not found[worst] <= TOLERANCE:
        raise SystemExit(f"{worst}: {found[worst]:.2g} from the plain path's answer, the limit is {TOLERANCE}")
    mixed = replace(ready, settings=replace(ready.settings, mixed_precision=True))
    found["g, bfloat16, 50 steps"] = apart(fast(mixed), right)
    return found


def stages(clip: PoseClip2D, models: Models, frames: int, seconds: float) -> dict[str, float]:
    """Seconds of every stage of lifting `frames` frames together."""
    config, numbers = UncertaintyConfig(), list(range(frames))
    ready = encode_clip(clip, models, numbers, LiftSettings(mixed_precision=False, up=None))
    encoder, view, network = models.encoder, ready.view, models.pick()[1]

    def reverse(mixed_precision: bool) -> None:
        settings = LiftSettings(steps=STEPS, hypotheses=HYPOTHESES, mixed_precision=mixed_precision)
        for _ in reverse_steps(ready, network, settings):
            pass

    def draw() -> Tensor:
        pose = ready.context.pose_view
        return sample_indeterminate(view, pose, encoder.depth, config.num_samples, seeded("cpu", 0), True)

    released, released_encoder = ReleasedForm(), ReleasedForm(in_channels=2, out_channels=3)
    for module in (released, released_encoder):
        module.to(DEVICES[-1]).eval()
    place = view.pose_norm
    runs: dict[str, Callable[[], object]] = {
        "encode": lambda: encoder.encode(view),
        "reconcile and encode": lambda: encoder.encode_reconciled(view, ready.context),
        "draw H_K": draw,
        "draw H_K and fit": lambda: encoder.indeterminate(
            view, ready.context, config, seeded("cpu", 0), shared_noise=True
        ),
        "prepare, all of the above": lambda: encode_clip(clip, models, numbers),
        "reverse, float32": lambda: reverse(False),
        "reverse, bfloat16": lambda: reverse(True),
        RELEASED: lambda: released_form.lift(released_encoder, released, place, STEPS, HYPOTHESES),
    }
    return least_of_each(runs, seconds)


def with_sums(found: dict[str, float]) -> dict[str, float]:
    """`stages` with their sums."""
    usual = found["reverse, bfloat16" if has_fast_bfloat16(DEVICES[-1].type) else "reverse, float32"]
    whole = found["prepare, all of the above"] + usual
    return {**found, "end to end": whole, "without the fit": whole - found["draw H_K and fit"]}


def random_conditioning(network: Denoiser, poses: int) -> tuple[Tensor, Conditioning]:
    """A noisy pose and conditions of the right shapes: speed does not depend on their values."""
    device = DEVICES[-1]
    pose = root_relative(0.3 * torch.randn(poses, NUM_JOINTS, 3, device=device))
    gmm = 0.1 * torch.rand(poses, NUM_JOINTS, 12, device=device)
    heatmaps = torch.randn(poses, NUM_JOINTS, 12, device=device)
    features = torch.randn(poses, NUM_JOINTS, network.config.context_channels, device=device)
    return pose + 0.05 * torch.randn_like(pose), Conditioning(features, pose, gmm, heatmaps)


@torch.no_grad()
def denoiser_shares(network: Denoiser, batches: list[int], seconds: float) -> dict[str, Any]:
    """The share of the matmul rate that g reaches, by precision and batch, and of a GPU's peak; and where the rest of
    its time goes on a processor.
    """
    report: dict[str, Any] = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        g = fast_denoiser(network, dtype == torch.bfloat16)
        rows = {}
        for batch in batches:
            x, conditioning = random_conditioning(network, batch)
            cached = g.cache_conditioning(conditioning)
            rate = matmul_rate(dtype, seconds / 4)
            taken = least(lambda g=g, x=x, cached=cached: g.predict(x, 25, cached), seconds)
            rate = max(rate, matmul_rate(dtype, seconds / 4))
            done = 2 * per_step(network) * batch / taken
            peak = peak_flops(name)
            rows[str(batch)] = {
                "gflops": done / 1e9, "share": done / rate, "matmul_gflops": rate / 1e9, "ms": 1e3 * taken,
                "share_of_peak": None if peak is None else done / peak,
            }  # fmt: skip
        x, conditioning = random_conditioning(network, 320)
        cached = g.cache_conditioning(conditioning)
        on_cpu = DEVICES[-1].type == "cpu"
        taken_by = breakdown(lambda g=g, x=x, cached=cached: g.predict(x, 25, cached)) if on_cpu else {}
        report[name] = {"batches": rows, "time": taken_by}
    return report


def breakdown(run: Callable[[], object], repeats: int = 10) -> dict[str, float]:
    """Share of a call's time by kind of operation: the least self time of each operation over several calls."""
    run()
    best: list[tuple[str, float]] = []
    for _ in range(repeats):
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            run()
        events = sorted(profiler.events(), key=lambda event: event.time_range.start)
        row = [(event.name.split("::")[-1], float(event.self_cpu_time_total)) for event in events if "::" in event.name]
        best = (
            row
            if len(row) != len(best)
            else [min(pair, key=lambda item: item[1]) for pair in zip(best, row, strict=True)]
        )
    sums: Counter[str] = Counter()
    for name, taken in best:
        sums[next((kind for kind, names in KINDS.items() if name in names), "everything else")] += taken
    return {kind: value / sums.total() for kind, value in sums.most_common()}


def mixtures(clip: PoseClip2D, models: Models, seconds: float, seeds: int) -> dict[str, Any]:
    """The batched fit against scikit-learn's on the same samples: time a pose, and mean log-likelihood over seeds and
    four frames of every bundled clip, of the samples and of new draws of the same H_K.
    """
    config = UncertaintyConfig()
    samples = encode_clip(clip, models, list(range(64))).samples_view.flatten(-2)
    bundled = [load_clip(path) for path in sorted(CLIPS.glob("*.npz"))]

    def draws(seed: int) -> Tensor:
        of_clips = (
            encode_clip(c, models, np.linspace(0, len(c) - 1, 4).astype(int), LiftSettings(seed=seed)) for c in bundled
        )
        return torch.cat([ready.samples_view for ready in of_clips]).flatten(-2).double()

    few, unseen = draws(0), draws(1)

    def batched(poses: Tensor, seed: int, iterations: int, tol: float, **how: float) -> Any:
        generator = seeded("cpu", seed)
        return fit_gmm_batch(poses, config.num_components, generator, iterations, tol, config.reg_covar, **how)

    ways: dict[str, Callable[[Tensor, int], Any]] = {
        f"batched, {config.fit_iterations} steps, overrelaxed": lambda x, s: batched(
            x, s, config.fit_iterations, 0.0, overrelaxation=config.overrelaxation
        ),
        f"batched, {config.fit_iterations} plain steps": lambda x, s: batched(x, s, config.fit_iterations, 0.0),
        "batched, to the end": lambda x, s: batched(x, s, 100, 1e-3),
    }
    taken = {name: 1e3 * least(lambda way=way: way(samples, 0), seconds) / len(samples) for name, way in ways.items()}
    taken["scikit-learn"] = 1e3 * least(lambda: fit_gmm(samples[0].cpu().contiguous(), config.num_components), seconds)

    def fits(name: str, seed: int) -> list[Any]:
        if name == "scikit-learn":
            return [fit_gmm(poses, config.num_components, seed).to(few.device) for poses in few]
        return list(ways[name](few.float(), seed).to(dtype=torch.float64))

    report: dict[str, Any] = {}
    for name, milliseconds in taken.items():
        rows = [
            [
                (gmm.log_prob(seen).mean(), gmm.log_prob(other).mean())
                for gmm, seen, other in zip(fits(name, seed), few, unseen, strict=True)
            ]
            for seed in range(seeds)
        ]
        by_seed = torch.tensor(rows).mean(1)
        report[name] = {
            "ms_a_pose": milliseconds,
            "times_as_fast": taken["scikit-learn"] / milliseconds,
            "log_likelihood_nats": float(by_seed[:, 0].mean()),
            "log_likelihood_by_seed": by_seed[:, 0].tolist(),
            "log_likelihood_of_new_draws": float(by_seed[:, 1].mean()),
        }
    return report


def training(batch: int, seconds: float) -> dict[str, Any]:
    """Rates of a training step, in poses a second: of g, and of a network of the released form and g's size.

    Has the hours of the supplement's training at g's rate too; on a GPU also those on the paper's card, by their peaks.
    """
    network = Denoiser(load_models().pick()[1].config).to(DEVICES[-1]).train()
    ours = multiply_adds(network.blocks)
    channels = released_form.channels_of(ours)
    released = ReleasedForm(channels, 3, 3).to(DEVICES[-1]).train()
    x, conditioning = random_conditioning(network, batch)
    target, k = torch.zeros_like(x), torch.randint(1, 51, (batch,), device=x.device)

    def step(module: nn.Module, forward: Callable[[], Tensor], mixed: bool) -> Callable[[], None]:
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-4)

        def run() -> None:
            optimizer.zero_grad()
            with torch.autocast(x.device.type, torch.bfloat16, enabled=mixed):
                loss = mean_joint_distance(forward().float(), target)
            loss.backward()
            optimizer.step()

        return run

    rate = matmul_rate(torch.float32, seconds / 4)
    taken = {
        "g, float32": least(step(network, lambda: network(x, k, conditioning), False), seconds),
        "g, bfloat16": least(step(network, lambda: network(x, k, conditioning), True), seconds),
        "released form, float32": least(step(released, lambda: released(x, k), False), seconds),
    }
    return {
        "batch": batch,
        "multiply_adds": {"g": ours, "released form": released_form.multiply_adds(channels)},
        "poses_a_second": {name: batch / value for name, value in taken.items()},
        "times_as_fast": {name: taken["released form, float32"] / value for name, value in taken.items()},
        "share_of_matmul_float32": 6 * ours * batch / taken["g, float32"] / rate,
        "hours_of_the_supplement": {
            precision: _hours(taken[f"g, {precision}"] / batch, precision) for precision in _PRECISIONS
        },
    }


def _hours(seconds_a_pose: float, precision: str) -> dict[str, float | None]:
    """Hours of the supplement's training at a rate, here and on the paper's card at the same share of its peak.

    Args:
        seconds_a_pose: Time of a training step over its batch size, seconds.
        precision: Name of the precision, for the cards' peaks.

    Returns:
        "here" and the paper's card -> hours; None for a card where a peak is not known.
    """
    here = PAPER_TRAINING.samples_per_epoch * PAPER_TRAINING.epochs * seconds_a_pose / 3600
    peak, papers = peak_flops(precision), peak_flops(precision, PAPERS_CARD)
    return {"here": here, PAPERS_CARD: None if peak is None or papers is None else here * peak / papers}


@torch.inference_mode()
def encoders(clip: PoseClip2D, models: Models, frames: int, seconds: float) -> dict[str, float]:
    """Poses a second of the baselines, which are the context encoders, alone, and frames a second of lifting a video,
    whose windows overlap and whose frames are read with those around them.
    """
    video = load_models(setting="video").to(DEVICES[-1])
    window = video.encoder.receptive_field

    def rate(encoder: ContextEncoder, poses: int) -> float:
        place = 0.5 * torch.randn(poses, NUM_JOINTS, 2, device=DEVICES[-1])
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
    command += ["--cpu-time"] * (len(CLOCKS) > 1) + ["--device", DEVICES[-1].type]
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


def _lift_only(frames: int) -> None:
    clip, models = looped(load_clip(CLIP), frames), load_models().to(DEVICES[-1])
    begin = CLOCKS[-1]()
    lift(clip, models, keep_hypotheses=False)
    seconds = CLOCKS[-1]() - begin
    peak = _peak_bytes()
    print(json.dumps({"frames": frames, "seconds": seconds, "peak_gb": peak / 1e9}))


def machine(threads: int) -> dict[str, str]:
    """Processor, torch, commit and command."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        pairs = (line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        said = {key.strip(): value.strip() for key, value in pairs}
        name = said.get("model name", name)
        # A virtual machine's processors share a name across generations.
        if "cpu family" in said and "model" in said:
            name += f" (family {said['cpu family']}, model {said['model']})"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return {
        "processor": f"{name}, {threads} thread{'s' * (threads > 1)}"
        f"{', AMX' if torch.cpu._is_amx_tile_supported() else ''}{', processor time' if len(CLOCKS) > 1 else ''}"
        f"{f', {torch.cuda.get_device_name()}' if DEVICES[-1].type == 'cuda' else ''}",
        "torch": torch.__version__,
        "commit": commit.stdout.strip() or "unknown",
        "command": " ".join(["python -m benchmarks.throughput", *sys.argv[1:]]),
    }


def _stages_table(found: dict[str, dict[str, float]]) -> list[str]:
    batches = list(found)
    lines = ["| milliseconds | " + " | ".join(f"batch {batch}" for batch in batches) + " |"]
    lines.append("| --- |" + " ---: |" * len(batches))
    for stage in found[batches[0]]:
        cells = (f"{1e3 * found[batch][stage]:.1f}" for batch in batches)
        lines.append(f"| {stage} | " + " | ".join(cells) + " |")
    for stage in ("end to end", "without the fit", RELEASED):
        cells = (f"**{int(batch) / found[batch][stage]:.0f}**" for batch in batches)
        lines.append(f"| poses a second, {stage} | " + " | ".join(cells) + " |")
    return lines


def _denoiser_text(found: dict[str, Any]) -> list[str]:
    lines = ["| g | GFLOP/s | a matmul's | share |", "| --- | ---: | ---: | ---: |"]
    for name, part in found.items():
        for batch, row in part["batches"].items():
            cells = f"{row['gflops']:.0f} | {row['matmul_gflops']:.0f} | {row['share']:.0%}"
            if row["share_of_peak"] is not None:
                cells += f", {row['share_of_peak']:.0%} of the card's peak"
            lines.append(f"| {name}, {batch} noisy poses | {cells} |")
    for name, part in ((name, part) for name, part in found.items() if part["time"]):
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in part["time"].items())
        lines += ["", f"Where g's time goes in {name}, at 320 noisy poses: {shares}."]
    return lines


def _gmm_text(found: dict[str, Any]) -> list[str]:
    right = found["scikit-learn"]["log_likelihood_nats"]
    lines = [
        "| GMM fit | ms a pose | times as fast | log-likelihood, nats | against scikit-learn | of new draws |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found.items():
        score, new = row["log_likelihood_nats"], row["log_likelihood_of_new_draws"]
        speed = f"{row['ms_a_pose']:.2f} | {row['times_as_fast']:.1f}"
        lines.append(f"| {name} | {speed} | {score:.2f} | {score / right - 1:+.2%} | {new:.2f} |")
    return lines


def _training_text(found: dict[str, Any]) -> list[str]:
    rates, times, sizes = found["poses_a_second"], found["times_as_fast"], found["multiply_adds"]
    listed = ", ".join(f"{name} {rate:.0f} ({times[name]:.1f})" for name, rate in rates.items())
    hours = []
    for precision, of in found["hours_of_the_supplement"].items():
        papers = of[PAPERS_CARD]
        more = "" if papers is None else f" ({papers:.1f} on an {PAPERS_CARD} that reaches the same share of its peak)"
        hours.append(f"{of['here']:.1f} in {precision}{more}")
    return [
        f"Training step at batch {found['batch']}, poses a second: {listed}. In brackets: times the released form's, "
        f"whose layers have {sizes['released form']:,} multiply-adds a pose against {sizes['g']:,}. In float32 g "
        f"reaches {found['share_of_matmul_float32']:.0%} of the matmul rate. The supplement's "
        f"{PAPER_TRAINING.samples_per_epoch * PAPER_TRAINING.epochs:,} poses would take hours, at these rates: "
        f"{', '.join(hours)}."
    ]


def _exactness_text(found: dict[str, float]) -> list[str]:
    listed = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
    return [f"Largest difference from the plain path's answers, metres (f_ST: its own unit): {listed}."]


def _growth_text(curves: dict[str, list[tuple[int, float]]]) -> list[str]:
    parts = []
    for name, points in curves.items():
        n, taken = np.array(points).T
        slope, start = np.polyfit(n, taken, 1)
        off = float(np.abs(slope * n + start - taken).max() / taken.max())
        parts.append(f"{name} {1e3 * slope:.2f} ms each after {1e3 * start:.0f} ms ({off:.1%})")
    return [
        "Time grows on straight lines (in brackets: the largest distance from one, of the longest time): "
        f"{'; '.join(parts)}."
    ]


def _encoders_text(found: dict[str, float]) -> list[str]:
    return [f"Poses a second: {', '.join(f'{name} {rate:,.0f}' for name, rate in found.items())}."]


def _opening_text(found: dict[str, float]) -> list[str]:
    return [
        f"A clip of {found['frames']} frames: {found['first picture']:.2f} s from the file to what the first 3D "
        f"picture needs, {found['whole traces']:.2f} s to whole reverse traces with and without f_ST."
    ]


def _long_text(found: dict[str, float]) -> list[str]:
    return [
        f"A clip of {found['frames']:,} frames through `lift`: {found['seconds']:.0f} s, "
        f"{found['peak_gb']:.2f} GB at most."
    ]


def tables(report: dict[str, Any]) -> list[str]:
    """The report for people, Markdown."""
    m = report["machine"]
    lines = [f"{m['processor']}, torch {m['torch']}, commit {m['commit']}, `{m['command']}`."]
    texts = {
        "exactness": _exactness_text, "stages": _stages_table, "denoiser": _denoiser_text, "gmm": _gmm_text,
        "training": _training_text, "encoders": _encoders_text, "opening": _opening_text, "growth": _growth_text,
        "long": _long_text,
    }  # fmt: skip
    for name, text in texts.items():
        if name in report:
            lines += ["", *text(report[name])]
    return lines


def plot(curves: dict[str, list[tuple[int, float]]]) -> str:
    """Time against frames, hypotheses and steps side by side, an SVG picture."""
    width, height, left, bottom = 240, 150, 50, 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * (width + 20)} {height + 20}" '
             'font-family="sans-serif" font-size="11" fill="#777">']  # fmt: skip
    for number, (name, points) in enumerate(curves.items()):
        x0, y0 = number * (width + 20) + left, height - bottom
        right, top = max(n for n, _ in points), max(s for _, s in points)
        places = [(x0 + (width - left) * n / right, y0 - (y0 - 20) * s / top) for n, s in points]
        parts.append(f'<path d="M{x0} 20V{y0}H{x0 + width - left}" fill="none" stroke="#999"/>')
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in [(x0, y0), *places])
        parts.append(f'<path d="M{path}" fill="none" stroke="#2f7ed8" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2f7ed8"/>' for x, y in places]
        parts += [f'<text x="{x:.1f}" y="{y0 + 14}" text-anchor="middle">{n}</text>'
                  for (x, _), (n, _) in zip(places[-3:], points[-3:], strict=True)]  # fmt: skip
        parts.append(f'<text x="{x0 + (width - left) / 2}" y="{y0 + 28}" text-anchor="middle">{name}</text>')
        parts.append(f'<text x="{x0 - 4}" y="24" text-anchor="end">{top:.2f} s</text>')
    return "\n".join([*parts, "</svg>", ""])


SECTIONS = ("exactness", "stages", "denoiser", "gmm", "training", "encoders", "opening", "growth", "long")


def main() -> None:
    """Measure, print, and write the report and the page that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="parts of the report")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64], help="frames together in the stages")
    parser.add_argument("--poses", type=int, nargs="+", default=[64, 320, 1024], help="noisy poses together in g")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=4.0, help="time for every figure")
    parser.add_argument("--frames", type=int, default=10_000, help="length of the long clip")
    parser.add_argument("--training-batch", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=5, help="of the mixture fits")
    parser.add_argument("--json", help="where to write the report")
    parser.add_argument("--docs", help="Markdown file whose marked part is replaced; the plot goes beside it")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="the processor's time, not the clock's: for one thread on a busy machine",
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="processor or GPU")
    parser.add_argument("--lift-only", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.cpu_time:
        CLOCKS.append(time.process_time)
    DEVICES.append(torch.device(args.device))
    if args.lift_only:
        _lift_only(args.lift_only)
        return
    torch.manual_seed(0)
    try:
        clip, models, seconds = load_clip(CLIP), load_models().to(args.device), args.seconds
    except InvalidInput as error:
        parser.error(str(error))
    network = models.pick()[1]

    def all_stages() -> dict[str, dict[str, float]]:
        return {str(batch): stages(looped(clip, batch), models, batch, seconds) for batch in args.batch}

    work: dict[str, Callable[[], Any]] = {
        "exactness": lambda: exactness(clip, models, 32),
        "stages": all_stages,
        "denoiser": lambda: denoiser_shares(network, args.poses, seconds),
        "gmm": lambda: mixtures(clip, models, seconds, args.seeds),
        "training": lambda: training(args.training_batch, seconds),
        "encoders": lambda: encoders(clip, models, 512, seconds),
        "opening": lambda: opening(models, 100, seconds),
        "growth": lambda: growth(clip, models, seconds),
        "long": lambda: long_clip(args.frames, args.threads),
    }
    report: dict[str, Any] = {"machine": machine(args.threads)}
    for name in SECTIONS:
        if name in args.only:
            begin = time.perf_counter()
            report[name] = work[name]()
            print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    if "stages" in report:
        # Again at the end: a slow minute should not decide the times of small operations.
        again = all_stages()
        report["stages"] = {
            batch: with_sums({name: min(taken, again[batch][name]) for name, taken in first.items()})
            for batch, first in report["stages"].items()
        }
    lines = tables(report)
    print("\n".join(lines))
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    if args.docs:
        page = Path(args.docs)
        if "growth" in report:
            page.with_suffix(".svg").write_text(plot(report["growth"]))
            lines += ["", f"![Time against frames, hypotheses and steps]({page.with_suffix('.svg').name})"]
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text("\n".join([before + BEGIN, *lines, END]) + rest.partition(END)[2])


if __name__ == "__main__":
    main()

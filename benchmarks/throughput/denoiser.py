"""Rates of g against a large matrix product, and where its time goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.throughput.timing import MACHINE, least, matmul_rate, peak_flops
from diffpose_core.models.denoiser import Conditioning, Denoiser
from diffpose_core.models.fast.denoiser_cache import fast_denoiser
from diffpose_core.models.layers import root_relative
from diffpose_core.skeleton import NUM_JOINTS

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


def multiply_adds(network: nn.Module) -> int:
    """Multiply-adds of a pose in the linear layers of a network's blocks and heads."""
    return sum(NUM_JOINTS * m.in_features * m.out_features for m in network.modules() if isinstance(m, nn.Linear))


def per_step(network: Denoiser) -> int:
    """Multiply-adds of one noisy pose at one step: the blocks and the output layer."""
    return multiply_adds(network.blocks) + multiply_adds(network.head)


def random_conditioning(network: Denoiser, poses: int) -> tuple[Tensor, Conditioning]:
    """A noisy pose and conditions of the right shapes: speed does not depend on their values."""
    device = MACHINE.device
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
        on_cpu = MACHINE.device.type == "cpu"
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

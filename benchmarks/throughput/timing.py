"""The clock, the device, and the rates of products and of cards that times are compared with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.training_cost import PEAK_FLOPS
from diffpose_core import onednn

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
PRECISIONS = ("float32", "bfloat16")


@dataclass
class Machine:
    """The machine that is measured.

    Attributes:
        device: Processor or GPU.
        cpu_time: Whether the processor's time is taken, not the wall's.
    """

    device: torch.device
    cpu_time: bool = False

    def clock(self) -> float:
        """The time now, seconds."""
        return time.process_time() if self.cpu_time else time.perf_counter()

    def wait(self) -> None:
        """Wait until a GPU has finished its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


#: Set by the command's options.
MACHINE = Machine(torch.device("cpu"))


def least(run: Callable[[], object], seconds: float) -> float:
    """The shortest time of a call, of all that fit into `seconds` and at least three, after one not counted."""
    run()
    MACHINE.wait()
    clock = MACHINE.clock
    best, end, count = float("inf"), time.perf_counter() + seconds, 0
    while count < 3 or time.perf_counter() < end:
        begin = clock()
        run()
        MACHINE.wait()
        best, count = min(best, clock() - begin), count + 1
    return best


def least_of_each(runs: dict[str, Callable[[], object]], seconds: float, rounds: int = 8) -> dict[str, float]:
    """`least` of several calls that take turns, so that other work of the machine hits all of them alike."""
    found = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            found[name] = min(found[name], least(run, seconds / rounds))
    return found


def matmul_rate(dtype: torch.dtype, seconds: float) -> float:
    """Operations a second of a product of two square matrices, of 2048 rows or as many as keep a GPU busy, by the
    library that is faster at it.
    """
    size = 8192 if MACHINE.device.type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=MACHINE.device).to(dtype) for _ in range(2))
    multiply = onednn.linear if onednn.preferred_for(a) else torch.matmul
    with torch.no_grad():
        return 2 * size**3 / least(lambda: multiply(a, b), seconds)


def peak_flops(precision: str, card: str | None = None) -> float | None:
    """A card's own rate, operations a second, by default that of the GPU in use; None where it is not known."""
    if card is None and MACHINE.device.type != "cuda":
        return None
    name = card or torch.cuda.get_device_name()
    found = next((rates for known, rates in PEAKS.items() if known in name), None)
    return None if found is None else 1e12 * found[PRECISIONS.index(precision)]

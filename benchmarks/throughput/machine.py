"""Description of the machine that a report was measured on."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.throughput.bundled import ROOT
from benchmarks.throughput.timing import MACHINE


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
        f"{', AMX' if torch.cpu._is_amx_tile_supported() else ''}{', processor time' if MACHINE.cpu_time else ''}"
        f"{f', {torch.cuda.get_device_name()}' if MACHINE.device.type == 'cuda' else ''}",
        "torch": torch.__version__,
        "commit": commit.stdout.strip() or "unknown",
        "command": " ".join(["python -m benchmarks.throughput", *sys.argv[1:]]),
    }

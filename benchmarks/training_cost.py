"""Memory and hours of training on Human3.6M with one GPU: `python benchmarks/training_cost.py`.

Measured here: a network's parameters, and the tensors that autograd keeps for the backward pass of a pose (counted one
by one, on the CPU, in float32). Measured too: the floating-point operations of a training step, and the share of a
large matrix product's rate that a step reaches. Extrapolated from that: memory at a batch size, exact
but for a GPU library's workspaces, and hours on a card of a stated peak rate, on the assumption that a step reaches the
same share of it there.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from diffpose_core.config import DenoiserConfig, GraformerConfig, MixSTEConfig, UncertaintyConfig
from diffpose_core.datasets.mocap17 import MotionSet
from diffpose_core.datasets.procedural import procedural_dataset
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Conditioning, Denoiser
from diffpose_core.models.encoders import build_encoder
from diffpose_core.models.graformer import Graformer
from diffpose_core.presets import PAPER_TRAINING, PRESETS
from diffpose_core.rng import seeded
from diffpose_core.training.bank import build_bank
from diffpose_core.uncertainty.indeterminate import DepthResidual

#: Dense float32 rate of the paper's card, GeForce RTX 3090 (24 GB), in operations a second: NVIDIA's GA102 whitepaper.
#: Its tensor cores do 71e12 in bfloat16.
PEAK_FLOPS = 35.6e12
#: Bytes a parameter: weight, gradient, Adam's two moments, the moving average.
BYTES_A_PARAMETER = 4 * 5


@dataclass(frozen=True)
class Step:
    """A network with a function that runs it forward on a number of poses and returns a loss."""

    network: torch.nn.Module
    run: Any
    smallest: int


def training_step(name: str) -> Step:
    """The network of a preset and its training step on random input."""
    config = PRESETS[name].network
    if isinstance(config, DenoiserConfig):
        denoiser = Denoiser(config)

        def denoise(poses: int) -> torch.Tensor:
            conditioning = Conditioning(torch.randn(poses, 17, config.context_channels), torch.randn(poses, 17, 3),
                          torch.randn(poses, 17, 12), torch.randn(poses, 17, 12))  # fmt: skip
            found = denoiser(torch.randn(poses, 17, 3), torch.full((poses,), 25), conditioning)
            return (found - torch.randn(poses, 17, 3)).norm(dim=-1).mean()

        return Step(denoiser, denoise, 1)
    encoder = build_encoder(config)

    def encode(poses: int) -> torch.Tensor:
        return (encoder(torch.randn(poses, 17, 2)) - torch.randn(poses, 17, 3)).norm(dim=-1).mean()

    return Step(encoder, encode, config.receptive_field if isinstance(config, MixSTEConfig) else 1)


def kept_bytes(step: Step, poses: int) -> int:
    """Bytes that the forward pass keeps for the backward pass, every storage once, parameters left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in step.network.parameters()}
    kept: dict[int, int] = {}
    alive = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # so that no later storage gets the same address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step.run(poses).backward()
    step.network.zero_grad()
    return sum(kept.values())


def measure(name: str, poses: int, repeats: int) -> dict[str, float]:
    """Figures of one preset. poses: of a timed step, rounded to whole windows."""
    torch.manual_seed(0)
    step = training_step(name)
    few = step.smallest * max(1, poses // 4 // step.smallest)
    many = 2 * few
    per_pose = (kept_bytes(step, many) - kept_bytes(step, few)) / (many - few)
    with FlopCounterMode(display=False) as counter:
        step.run(many).backward()
    flops = counter.get_total_flops() / many
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    shares = []
    for _ in range(repeats):
        begin = time.perf_counter()
        step.run(many).backward()
        middle = time.perf_counter()
        for _ in range(4):
            a @ b
        end = time.perf_counter()
        shares.append((flops * many / (middle - begin)) / (4 * 2 * 1024**3 / (end - middle)))
    share = sorted(shares)[len(shares) // 2]
    parameters = sum(p.numel() for p in step.network.parameters())
    return {
        "parameters": parameters,
        "state_mib": parameters * BYTES_A_PARAMETER / 2**20,
        "kept_kib_a_pose": per_pose / 2**10,
        "mflops_a_pose": flops / 1e6,
        "share_of_matmul_rate": share,
    }


def drawing(views: int) -> dict[str, float]:
    """Views a second of one CPU core: drawn for the encoder, and prepared for the denoisers."""
    sampler = PoseSampler(MotionSet(**procedural_dataset(num_clips=10, seed=0)), Variation())
    depth = DepthResidual(torch.eye(17), torch.full((17,), 0.003), torch.zeros(17))
    encoder = ContextEncoder(Graformer(GraformerConfig()).eval(), depth)
    sampler.draw(256, seeded("cpu", 0))
    begin = time.perf_counter()
    for block in range(views // 256):
        sampler.draw(256, seeded("cpu", block))
    middle = time.perf_counter()
    bank = build_bank(encoder, sampler.draw, 256, UncertaintyConfig(), 4, 0)
    end = time.perf_counter()
    size = sum(getattr(bank, name).nbytes for name in bank.__dataclass_fields__)
    return {
        "drawn_a_second": views / (middle - begin),
        "prepared_a_second": len(bank) / (end - middle),
        "bank_kib_a_view": size / len(bank) / 2**10,
    }


def main() -> None:
    """Print the figures of presets, and their sums at a batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=["graformer", "mixste", "diffpose"])
    parser.add_argument("--batch", type=int, default=PAPER_TRAINING.batch_size, help="poses a step on the GPU")
    parser.add_argument("--poses", type=int, default=216, help="of a step that is timed here")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    total = PAPER_TRAINING.samples_per_epoch * PAPER_TRAINING.epochs
    found: dict[str, Any] = {"drawing": drawing(1024)}
    for name in args.presets:
        row = measure(name, args.poses, args.repeats)
        row["gib_at_batch"] = row["state_mib"] / 2**10 + args.batch * row["kept_kib_a_pose"] / 2**20
        row["hours_at_peak_share"] = (
            total * row["mflops_a_pose"] * 1e6 / (PEAK_FLOPS * row["share_of_matmul_rate"]) / 3600
        )
        found[name] = row
    found["assumed"] = {"batch": args.batch, "poses": total, "peak_flops": PEAK_FLOPS, "torch": torch.__version__}
    if args.json:
        print(json.dumps(found, indent=1))
        return
    for name, row in found.items():
        print(name)
        for key, value in row.items():
            print(f"  {key:24s} {value if isinstance(value, str) else format(value, ',.2f')}")


if __name__ == "__main__":
    main()

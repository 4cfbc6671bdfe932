"""How fast the core is, as rates and as ratios within one run: `python benchmarks/throughput.py`.

Times the stages of `lift` on views of procedural motion, the batched GMM fit against scikit-learn's, and the networks
against a large matrix product. Random weights do: speed does not depend on their values.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable

import torch

from diffpose_core.config import DenoiserConfig, GraformerConfig, UncertaintyConfig
from diffpose_core.datasets.mocap17 import MotionSet
from diffpose_core.datasets.procedural import procedural_dataset
from diffpose_core.datasets.sampling import PoseSampler, seeded
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Denoiser, Given
from diffpose_core.models.graformer import Graformer
from diffpose_core.uncertainty.gmm import fit_gmm, fit_gmm_batch
from diffpose_core.uncertainty.indeterminate import DepthResidual, sample_indeterminate


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call after one call that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2]


def multiply_adds(network: torch.nn.Module, joints: int = 17) -> int:
    """Multiply-adds of a pose in the network's linear layers."""
    return sum(joints * m.in_features * m.out_features for m in network.modules() if isinstance(m, torch.nn.Linear))


@torch.no_grad()
def measure(batch: int, repeats: int, steps: int = 5, hypotheses: int = 5) -> dict[str, float]:
    """Poses a second of every stage at a batch size, at the paper's setting of 5 steps and 5 hypotheses."""
    torch.manual_seed(0)
    encoder = ContextEncoder(
        Graformer(GraformerConfig()).eval(), DepthResidual(torch.eye(17), torch.full((17,), 0.003), torch.zeros(17))
    )
    denoiser = Denoiser(DenoiserConfig()).eval()
    view = PoseSampler(procedural_dataset_motions(), 0.5).draw(batch, seeded("cpu", 0)).view
    context = encoder.encode(view)
    config = UncertaintyConfig()
    generator = seeded("cpu", 1)
    samples = sample_indeterminate(view, context.pose_view, encoder.depth, config.num_samples, generator)
    noisy = torch.randn(batch * hypotheses, 17, 3)
    given = Given(
        features=context.features.repeat_interleave(hypotheses, 0),
        pose=context.pose_view.repeat_interleave(hypotheses, 0),
        gmm=torch.randn(batch * hypotheses, 17, 12),
        heatmaps=view.heatmap_features().repeat_interleave(hypotheses, 0),
    )

    def denoise() -> None:
        for k in range(steps):
            denoiser(noisy, torch.tensor(k + 1), given)

    seconds = {
        "encoder": median_seconds(lambda: encoder.encode(view), repeats),
        "draw H_K": median_seconds(
            lambda: sample_indeterminate(view, context.pose_view, encoder.depth, config.num_samples, generator), repeats
        ),
        "fit GMM": median_seconds(
            lambda: fit_gmm_batch(
                samples.flatten(-2), config.num_components, generator, config.fit_iterations, reg_covar=config.reg_covar
            ),
            repeats,
        ),
        "denoise": median_seconds(denoise, repeats),
    }
    rates = {f"{stage}, poses/s": batch / value for stage, value in seconds.items()}
    rates["all, poses/s"] = batch / sum(seconds.values())
    one = samples[0].flatten(-2)
    reference = median_seconds(lambda: fit_gmm(one.numpy(), config.num_components, seed=0), 3)
    rates["GMM fit, times scikit-learn's rate"] = reference / (seconds["fit GMM"] / batch)
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    matmul = 2 * 2048**3 / median_seconds(lambda: a @ b, 5)
    work = 2.0 * multiply_adds(denoiser) * batch * hypotheses * steps
    rates["denoiser, share of the matmul rate"] = work / seconds["denoise"] / matmul
    return rates


def procedural_dataset_motions() -> MotionSet:
    """A small motion set that every clone can make."""
    return MotionSet(**procedural_dataset(num_clips=20, seed=0))


def main() -> None:
    """Print the rates at the given batch sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = {f"batch {size}": measure(size, args.repeats) for size in args.batch}
    machine = f"{platform.processor() or platform.machine()}, {args.threads} threads, torch {torch.__version__}"
    if args.json:
        print(json.dumps({"machine": machine, **results}, indent=1))
        return
    print(machine)
    for batch, rates in results.items():
        print(f"\n{batch}")
        for stage, value in rates.items():
            print(f"  {stage:38s} {value:10.2f}")


if __name__ == "__main__":
    main()

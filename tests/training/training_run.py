"""A training run of seconds, for tests that kill it or share it between processes: FOLDER DATA DEVICES."""

import sys
from pathlib import Path

import torch

from diffpose_core.config import GraformerConfig, TrainingConfig
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.rng import seeded
from diffpose_core.training.run import RunOptions, run_task
from diffpose_core.training.tasks import EncoderTask, encoder_batch

NETWORK = GraformerConfig(channels=16, num_blocks=1, num_heads=2)
CONFIG = TrainingConfig(
    samples_per_epoch=512, epochs=12, batch_size=32, learning_rate=1e-3, warmup_steps=2, ema_decay=0.9, seed=3
)


def train(folder: Path, data: Path, devices: int = 1) -> None:
    torch.manual_seed(5)
    sampler = PoseSampler(load_mocap17(data), Variation())
    task = EncoderTask(NETWORK, CONFIG)
    fixed = [encoder_batch(sampler.draw(64, seeded("cpu", number))) for number in range(2)]
    task.set_data(lambda size, generator: encoder_batch(sampler.draw(size, generator)), fixed)
    options = RunOptions(folder, accelerator="cpu", devices=devices, threads=1, progress=False, mixed_precision=False)
    run_task(task, CONFIG, options)
    if task.global_rank == 0:
        torch.save(task.network.state_dict(), folder / "network.pt")


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

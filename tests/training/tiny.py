"""Networks and a recipe of the size of a test."""

from diffpose_core.config import (
    DenoiserConfig,
    GraformerConfig,
    TrainingConfig,
)

ENCODER = GraformerConfig(channels=16, num_blocks=1, num_heads=2, joint_embedding=True)

DENOISER = DenoiserConfig(channels=32, context_channels=16, num_blocks=1, num_heads=2)

BRIEF = TrainingConfig(
    samples_per_epoch=64,
    epochs=2,
    batch_size=32,
    learning_rate=1e-3,
    muon_factor=5.0,
    warmup_steps=2,
    ema_decay=0.9,
    seed=3,
)

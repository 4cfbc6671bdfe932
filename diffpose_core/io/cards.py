"""Model cards: Markdown beside a checkpoint, generated from the checkpoint's own record."""

from __future__ import annotations

from pathlib import Path

from diffpose_core.io.atomic import write_whole
from diffpose_core.io.checkpoints import Record
from diffpose_core.presets import PRESETS


def card_text(record: Record, size_bytes: int) -> str:
    """The card of a checkpoint as Markdown. size_bytes: size of the checkpoint's file."""
    summary = PRESETS[record.name].summary if record.name in PRESETS else record.kind
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(record.metrics.items()))
    config = "\n".join(f"| {name} | {value} |" for name, value in sorted(record.config.items()))
    training = "\n".join(f"| {name} | {value} |" for name, value in sorted(record.training.items()))
    sources = "".join(
        f"\n- SHA-256 of {role.replace('_', ' ')}: `{source['sha256']}` ({source['name']})"
        for role, source in sorted(record.sources.items())
        if role != "encoder"
    )
    encoder = (
        f"\n- Context encoder: SHA-256 `{record.encoder_sha256}`; it must be the one at hand."
        if record.encoder_sha256
        else ""
    )
    return f"""# {record.name}

{summary[0].upper()}{summary[1:]}. Input and output: 17 joints in Human3.6M order; metres, root-relative.

- File: `{record.name}.safetensors`, {size_bytes / 1e6:.1f} MB, float32, the moving average of the weights.
- Data: {record.data}, seen through random cameras and the simulated detector.
- Command: `{record.command}` (seed {record.seed}){sources}
- Licence of the weights: {record.licence}{encoder}

## Measured at the end of training, on the validation split

Names ending in _m are metres; k1 and k50 are the error of the predicted h_0 at that step. The published figures are
those that `diffpose evaluate` prints for the test split.

| figure | value |
| --- | --- |
{rows}

## Network

| field | value |
| --- | --- |
{config}

## Training

| field | value |
| --- | --- |
{training}

## Limits

Trained on the motion of few people, put on bodies drawn from human measures, and on a simulated detector; one person,
no lens distortion, whole body in view. Not for identifying people or for medical or safety decisions.
"""


def write_card(checkpoint: str | Path, record: Record) -> Path:
    """Write the card of a checkpoint beside it and return its path."""
    path = Path(checkpoint)
    card = path.with_suffix(".md")
    write_whole(card, card_text(record, path.stat().st_size))
    return card

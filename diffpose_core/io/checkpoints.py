"""Checkpoints: a safetensors file of weights with a JSON record in its header, and a model card beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from diffpose_core.config import DenoiserConfig, from_dict, to_dict
from diffpose_core.io.atomic import write_whole
from diffpose_core.io.shipped import check_shipped
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.encoders import ENCODER_KINDS, build_encoder
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.indeterminate import DepthResidual
from diffpose_core.words import quoted, short

FORMAT = "diffpose-checkpoint/1"
MAX_BYTES = 20_000_000
_DEPTH = "depth_residual."
_RECORD_FIELDS = ("format", "kind", "name", "config", "training", "data", "command", "seed", "metrics", "licence")
#: Sizes that a network can have: a file that asks for more would fill the memory before its tensors are looked at.
_SIZES: dict[str, tuple[float, float]] = {
    "channels": (2, 1024),
    "context_channels": (1, 1024),
    "num_blocks": (0, 64),
    "num_heads": (1, 64),
    "cheb_order": (1, 16),
    "receptive_field": (2, 1000),
    "mlp_ratio": (1, 16),
    "num_steps": (1, 10_000),
    "dropout": (0.0, 1.0),
    "inner_dropout": (0.0, 1.0),
}

ConfigT = TypeVar("ConfigT")
NetworkT = TypeVar("NetworkT")
ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)


@dataclass(frozen=True)
class Record:
    """Description of a network, which its checkpoint holds.

    Attributes:
        kind: of an encoder (`models.encoders.ENCODER_KINDS`), or "denoiser".
        name: of the preset.
        config: of the network.
        training: the recipe.
        data: names of the data to train on and to choose by.
        command: that made it.
        seed: of the training.
        metrics: on the validation split; {} when not measured.
        licence: of the weights.
        encoder_sha256: fingerprint of the encoder that it was trained on, if any.
        sources: role, such as "data" -> name and SHA-256 of the content that it was made of; {} when not recorded.
        format: of the file.
    """

    kind: str
    name: str
    config: dict[str, Any]
    training: dict[str, Any]
    data: str
    command: str
    seed: int
    metrics: dict[str, Any]
    licence: str
    encoder_sha256: str | None = None
    sources: dict[str, Any] = field(default_factory=dict)
    format: str = field(default=FORMAT)


def fingerprint(tensors: dict[str, Tensor]) -> str:
    """The SHA-256 of named tensors, the same on any device and in any file."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        # As bytes: numpy knows no bfloat16. A scalar has no last axis to view so.
        digest.update(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def network_tensors(network: torch.nn.Module) -> dict[str, Tensor]:
    """All tensors of a network, on the CPU and contiguous, as in a file."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def encoder_tensors(encoder: ContextEncoder) -> dict[str, Tensor]:
    """All tensors of an encoder: its network's and its depth residual's."""
    tensors = network_tensors(encoder.network)
    for name in ("correlation", "base_var", "spread_gain"):
        tensors[_DEPTH + name] = getattr(encoder.depth, name).cpu().contiguous()
    return tensors


def save_checkpoint(path: str | Path, tensors: dict[str, Tensor], record: Record) -> None:
    """Write weights with their record, whole or not at all.

    Raises:
        InvalidInput: the file would be 20 MB or more, or can't be written.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if size >= MAX_BYTES:
        raise InvalidInput(
            f"{path}: weights of {size / 1e6:.1f} MB; a checkpoint must stay under {MAX_BYTES / 1e6:.0f} MB"
        )
    write_whole(path, save(tensors, {"diffpose": json.dumps(to_dict(record), sort_keys=True)}))


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], Record]:
    """Read and check the tensors and the record of a file.

    Raises:
        InvalidInput: The file is no checkpoint, a damaged one, or not the one that was shipped; the message says found
            and expected.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInput(f"{path}: no such checkpoint")
    if path.stat().st_size >= MAX_BYTES * 1.1:
        raise InvalidInput(
            f"{path}: {path.stat().st_size / 1e6:.1f} MB; a checkpoint stays under {MAX_BYTES / 1e6:.0f} MB"
        )
    check_shipped(path)
    try:
        with safe_open(path, framework="pt") as archive:
            header = (archive.metadata() or {}).get("diffpose")
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InvalidInput(f"{path}: not a safetensors file ({short(error, 160)})") from error
    if header is None:
        raise InvalidInput(
            f"{path}: a safetensors file without a DiffPose record; expected one made by `diffpose train`"
        )
    try:
        values = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: the record is not JSON") from error
    missing = [name for name in _RECORD_FIELDS if not isinstance(values, dict) or name not in values]
    if missing:
        raise InvalidInput(f"{path}: the record misses {', '.join(missing)}")
    if values["format"] != FORMAT:
        raise InvalidInput(f"{path}: format {quoted(values['format'])} found, {FORMAT!r} expected")
    for name, tensor in tensors.items():
        # Of floats of 8 bits torch can't tell it.
        if tensor.is_floating_point() and tensor.dtype.itemsize == 1:
            raise InvalidInput(
                f"{path}: the tensor {short(name, 80)} holds {tensor.dtype}; expected floats of 16 or 32 bits"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise InvalidInput(f"{path}: the tensor {name} holds values that are not finite")
    known = {name: value for name, value in values.items() if name in Record.__dataclass_fields__}
    return tensors, from_dict_record(known, path)


def from_dict_record(values: dict[str, Any], path: Path) -> Record:
    """Build a Record from JSON values, checking the types of the fields in use."""
    for name in ("config", "training", "metrics"):
        if not isinstance(values[name], dict):
            raise InvalidInput(f"{path}: the record's {name} must be an object, found {quoted(values[name])}")
    if not isinstance(values.get("sources", {}), dict):
        raise InvalidInput(f"{path}: the record's sources must be an object, found {quoted(values['sources'])}")
    for name in ("kind", "name", "data", "command", "licence"):
        if not isinstance(values[name], str):
            raise InvalidInput(f"{path}: the record's {name} must be a text, found {quoted(values[name])}")
    return Record(**values)


def _fill(network: torch.nn.Module, tensors: dict[str, Tensor], path: str | Path) -> None:
    expected = network.state_dict()
    missing, extra = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or extra:
        raise InvalidInput(
            f"{path}: tensors don't fit the config; missing: {short(missing[:3], 200)}, "
            f"not expected: {short(extra[:3], 200)}"
        )
    for name, tensor in expected.items():
        if tensors[name].shape != tensor.shape or tensors[name].dtype != tensor.dtype:
            raise InvalidInput(
                f"{path}: {name} must be {tensor.dtype} {tuple(tensor.shape)}, "
                f"found {tensors[name].dtype} {tuple(tensors[name].shape)}"
            )
    network.load_state_dict(tensors)
    network.eval().requires_grad_(False)


def _expect_kind(record: Record, kinds: tuple[str, ...], path: str | Path) -> None:
    if record.kind not in kinds:
        expected = " or ".join(map(repr, kinds))
        raise InvalidInput(f"{path}: a {quoted(record.kind)} checkpoint found, a {expected} one expected")


def _build(network: Callable[[ConfigT], NetworkT], kind: type[ConfigT], record: Record, path: str | Path) -> NetworkT:
    """A network of the record's config. Sizes are checked before memory is allocated for them."""
    try:
        config = from_dict(kind, record.config)
        for name, value in to_dict(config).items():
            low, high = _SIZES.get(name, (None, None))
            if low is not None and high is not None and not low <= value <= high:
                raise InvalidInput(f"{kind.__name__}.{name} must lie between {low} and {high}, found {value}")
        _check_weight(config)
        return network(config)
    except (ValueError, RuntimeError) as error:
        raise InvalidInput(f"{path}: {error}") from error


def _check_weight(config: Any) -> None:
    """Refuse a network that could not be in a checkpoint: a block's attention alone has four squares of its width."""
    least = 4 * config.num_blocks * config.channels**2 * torch.float32.itemsize
    if least > MAX_BYTES:
        raise InvalidInput(
            f"a network of {config.channels} channels and {config.num_blocks} blocks takes at least "
            f"{least / 1e6:.0f} MB; a checkpoint stays under {MAX_BYTES / 1e6:.0f} MB"
        )


# Weights must not be inference tensors, even in inference mode: caches check their version counters, and inference
# tensors have none.
@torch.inference_mode(False)
def load_encoder(path: str | Path) -> tuple[ContextEncoder, Record]:
    """Load the context encoder (and baseline) of a file, in evaluation mode.

    Raises:
        InvalidInput: The file is no checkpoint of an encoder.
    """
    tensors, record = read_checkpoint(path)
    _expect_kind(record, tuple(ENCODER_KINDS), path)
    network = _build(build_encoder, ENCODER_KINDS[record.kind][0], record, path)
    depth = {name.removeprefix(_DEPTH): tensors.pop(name) for name in list(tensors) if name.startswith(_DEPTH)}
    if set(depth) != {"correlation", "base_var", "spread_gain"}:
        raise InvalidInput(f"{path}: the encoder's depth residual is missing or incomplete, found {sorted(depth)}")
    _fill(network, tensors, path)
    return ContextEncoder(network, DepthResidual(**depth)), record


def load_denoiser(path: str | Path, encoder: ContextEncoder | None = None) -> tuple[Denoiser, Record]:
    """Load the diffusion network of a file, in evaluation mode.

    Args:
        path: The file.
        encoder: The encoder that it must have been trained on; None accepts any.

    Raises:
        InvalidInput: The file is no checkpoint of a denoiser, or was trained on another encoder.
    """
    return _load_on_encoder(path, "denoiser", Denoiser, DenoiserConfig, encoder)


@torch.inference_mode(False)
def _load_on_encoder(
    path: str | Path,
    kind: str,
    network: Callable[[ConfigT], ModuleT],
    config: type[ConfigT],
    encoder: ContextEncoder | None,
) -> tuple[ModuleT, Record]:
    """Load a network of one kind that was trained on an encoder, or on any with None."""
    tensors, record = read_checkpoint(path)
    _expect_kind(record, (kind,), path)
    loaded = _build(network, config, record, path)
    _fill(loaded, tensors, path)
    if encoder is not None and record.encoder_sha256 != fingerprint(encoder_tensors(encoder)):
        raise InvalidInput(
            f"{path}: trained on another context encoder than the one at hand; train it again, or use its own"
        )
    return loaded, record

"""The bank that denoisers are trained on: views with the features of a frozen encoder and draws from their GMMs.

Fitting a GMM to a view costs about as much as a training step, and all denoisers of an encoder can share the fits. So
a bank of views is prepared first. Forward diffusion itself stays in training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.sampling import Batch
from diffpose_core.io.atomic import writing_whole
from diffpose_core.io.checkpoints import fingerprint
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.windows import cut_windows
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput
from diffpose_core.training.told import tell_batch
from diffpose_core.words import short

#: Types of the fields that are not stored in float16.
_STORED_AS = {"hidden": torch.bool, "context": torch.bfloat16, "reconciled": torch.bfloat16}
#: Views that are prepared at a time, each block from a seed of its own.
BLOCK_VIEWS = 256
#: Frames that are kept of a sequence drawn for a video encoder. They lie between the middles of two windows, so that
#: frames occur at every place in a window that inference reads them from.
_KEPT_OF_SEQUENCE = 8


def frames_of_sequence(receptive_field: int) -> int:
    """Consecutive frames that a bank draws at a time: 1, or two windows half a window apart."""
    return 3 * (receptive_field // 2) + 1


def _kept_frames(receptive_field: int) -> np.ndarray:
    """Numbers of the frames that are kept of a sequence."""
    half = receptive_field // 2
    return np.unique(half + np.linspace(0, max(half - 1, 0), _KEPT_OF_SEQUENCE).astype(np.int64))


@dataclass(frozen=True)
class ConditionBank:
    """N views with R draws of a component and a noise each. Poses in metres, root-relative, view frame.

    Attributes:
        context: (N, J, C) bfloat16, f_ST.
        x_start: (N, J, 3), the truth, h_0.
        component_mean: (N, R, J, 3), mu^G.
        component_std: (N, R, J, 3), the root of the diagonal of Sigma^G.
        noise: (N, R, J, 3), eps^G.
        mixture_mean: (N, J, 3), of the whole GMM.
        mixture_std: (N, J, 3), of the whole GMM.
        encoder_pose: (N, J, 3), the encoder's prediction.
        reconciled: like `context`, from the reconciled 2D pose.
        reconciled_pose: like `encoder_pose`, from the reconciled 2D pose.
        told: (N, 14), conditions that encoder and g are told (`models.conditions`).
        hidden: (N, J) bool, joints that the camera doesn't see.
        heatmaps: (N, J, 12), `View.heatmap_features`.
    """

    context: Tensor
    x_start: Tensor
    component_mean: Tensor
    component_std: Tensor
    noise: Tensor
    mixture_mean: Tensor
    mixture_std: Tensor
    encoder_pose: Tensor
    reconciled: Tensor
    reconciled_pose: Tensor
    told: Tensor
    hidden: Tensor
    heatmaps: Tensor

    def __len__(self) -> int:
        return int(self.x_start.shape[0])

    def tensors(self) -> dict[str, Tensor]:
        """The fields by name."""
        return {f.name: getattr(self, f.name).contiguous() for f in fields(self)}

    def sha256(self) -> str:
        """A hash of the content."""
        return fingerprint(self.tensors())

    def save(self, path: Path) -> None:
        """Write the bank and its hash, whole or not at all.

        Raises:
            InvalidInput: it can't be written.
        """
        with writing_whole(path) as unfinished:
            try:
                save_file(self.tensors(), unfinished, {"sha256": self.sha256()})
            except SafetensorError as error:
                raise OSError(str(error)) from error

    @classmethod
    def load(cls, path: Path) -> ConditionBank:
        """Read a bank and check its hash.

        Raises:
            InvalidInput: it is damaged.
        """
        try:
            with safe_open(path, framework="pt") as archive:
                sha256 = (archive.metadata() or {}).get("sha256")
                bank = cls(**{f.name: archive.get_tensor(f.name) for f in fields(cls)})
        except (SafetensorError, OSError) as error:
            raise InvalidInput(f"{path}: not a bank, or damaged ({short(error, 160)})") from error
        if bank.sha256() != sha256:
            raise InvalidInput(f"{path}: damaged, its content does not match its hash")
        return bank


def prepare_conditions(
    encoder: ContextEncoder, batch: Batch, uncertainty: UncertaintyConfig, draws: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """The fields of a `ConditionBank` for one batch of sequences.

    Args:
        encoder: frozen.
        batch: sequences of `frames_of_sequence` frames, one after another, of which some frames are kept.
        uncertainty: H_K and its GMM.
        draws: R, draws of a component and a noise a view.
        generator: of all draws.

    Returns:
        float32 tensors on the encoder's device.
    """
    field = encoder.receptive_field
    length, kept = frames_of_sequence(field), _kept_frames(field)
    batch = batch.to(encoder.device)
    clips = len(batch.view) // length
    told = tell_batch(batch, length, generator)
    context, reconciled = encoder.encode_frames(batch.view, cut_windows(kept, length, field), clips, told)
    rows = (torch.arange(clips)[:, None] * length + torch.from_numpy(kept)).flatten()
    batch, told = batch[rows], told[rows]
    _, gmm = encoder.indeterminate(batch.view, context, uncertainty, generator)
    components = gmm.draw_components(draws, generator)
    poses = (NUM_JOINTS, 3)
    variances = gmm.covariances.diagonal(dim1=-2, dim2=-1)
    chosen = components[..., None].expand(-1, -1, variances.shape[-1])
    return {
        "context": context.features,
        "x_start": batch.pose_view,
        "component_mean": gmm.mean_of(components).unflatten(-1, poses),
        "component_std": variances.gather(1, chosen).sqrt().unflatten(-1, poses),
        "noise": gmm.noise(components, generator).unflatten(-1, poses),
        "mixture_mean": gmm.mean.unflatten(-1, poses),
        "mixture_std": gmm.variance.sqrt().unflatten(-1, poses),
        "encoder_pose": context.pose_view,
        "reconciled": reconciled.features,
        "reconciled_pose": reconciled.pose_view,
        "told": told,
        "hidden": batch.hidden,
        "heatmaps": batch.view.heatmap_features(),
    }


def build_bank(
    encoder: ContextEncoder,
    draw: Callable[[int, torch.Generator], Batch],
    size: int,
    uncertainty: UncertaintyConfig,
    draws: int,
    seed: int,
    part: tuple[int, int] = (0, 1),
    progress: Callable[[int], None] = lambda done: None,
) -> ConditionBank:
    """Prepare a bank, or one part of it.

    Each block of 256 views has a seed of its own, so the bank does not depend on the number of parts.

    Args:
        encoder: frozen.
        draw: makes a batch of sequences.
        size: views, rounded up to whole blocks.
        uncertainty: H_K and its GMM.
        draws: R, draws of a component and a noise a view.
        seed: of all blocks.
        part: (index, count), to share the work between processes.
        progress: called with the number of views done.
    """
    block = BLOCK_VIEWS
    sequences = -(-block // len(_kept_frames(encoder.receptive_field)))
    pieces: list[dict[str, Tensor]] = []
    blocks = range(part[0], -(-size // block), part[1])
    for done, number in enumerate(blocks):
        generator = seeded("cpu", seed, number)
        fields_of_block = prepare_conditions(encoder, draw(sequences, generator), uncertainty, draws, generator)
        pieces.append(
            {name: tensor.cpu().to(_STORED_AS.get(name, torch.float16)) for name, tensor in fields_of_block.items()}
        )
        progress((done + 1) * block)
    return ConditionBank(**{name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]})


def merge_banks(parts: list[ConditionBank]) -> ConditionBank:
    """Merge the parts (0, n) ... (n - 1, n) of `build_bank` into the bank that a single process would make."""
    if len(parts) == 1:
        return parts[0]
    merged: dict[str, Tensor] = {}
    for f in fields(ConditionBank):
        blocks = [getattr(part, f.name).split(BLOCK_VIEWS) for part in parts]
        longest = max(len(b) for b in blocks)
        merged[f.name] = torch.cat([b[i] for i in range(longest) for b in blocks if i < len(b)])
    return ConditionBank(**merged)

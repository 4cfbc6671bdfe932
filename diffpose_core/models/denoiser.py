"""The diffusion network g (main paper, section 4.3; step embedding: supplement, section 2)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from diffpose_core.config import DenoiserConfig
from diffpose_core.diffusion.embedding import step_embedding
from diffpose_core.models.layers import (
    FusedLinear,
    GraphAttentionBlock,
    GraphConv,
    has_amx,
    linear_without_gradient,
    mix_joints,
    root_relative,
)
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.uncertainty.view import HEATMAP_CHANNELS

GMM_CHANNELS = 12 + 8
#: Channels that each kind of conditioning adds to h_k.
CONDITION_CHANNELS = {"none": 0, "gmm": GMM_CHANNELS, "gmm+heatmaps": GMM_CHANNELS + HEATMAP_CHANNELS}

#: With an anchor, lengths go in and come out in decimetres from it, so that numbers are neither tiny nor huge.
UNIT_M = 0.1
#: Spreads, in metres, at which a joint's place counts half.
_HALF_TRUST_STD_M = (0.03, 0.06)
#: Poses that are worked on together on a CPU: so few that their activations are found in its caches again, so many that
#: what every operation costs by itself hardly counts. In bfloat16 they are smaller and the products faster, with AMX by
#: far.
_BLOCK_POSES = {torch.float32: 128, torch.bfloat16: 512 if has_amx() else 160}
#: Of how many poses something is computed ahead: of fewer it saves nothing, of more it takes more than a hundred
#: megabytes.
_POSES_AHEAD = {torch.float32: range(1, 2049), torch.bfloat16: range(16, 2049)}


@dataclass(frozen=True)
class Conditioning:
    """What g is given beside h_k and k; a network reads what its configuration names and no more.

    features: (B, J, 128), f_ST. pose: (B, J, 3) metres, the context encoder's own prediction. gmm: (B, J, 12),
    `gmm_features` of the mixture that the noise is drawn from. heatmaps: (B, J, 12), `View.heatmap_features`.
    """

    features: Tensor | None = None
    pose: Tensor | None = None
    gmm: Tensor | None = None
    heatmaps: Tensor | None = None


@dataclass(frozen=True)
class CachedConditioning:
    """What g makes of its weights and of `Conditioning` alone (`Denoiser.cache_conditioning`).

    base: (B, J, C), the input to the blocks but for the shares of h_k and k; (C,) if there is no conditioning.
    anchor: (B, J, 3) metres, or None.
    of_state: (3, C), what leads from h_k, relative to the anchor and mixed, to the input of the
    blocks. out_mix: (J, J), how joints are mixed at the output. straight: (B, J, 3), the output but for what the blocks
    add; (J, 3) if there is no conditioning. first_block: for steps that were announced.
    """

    base: Tensor
    anchor: Tensor | None
    of_state: Tensor
    out_mix: Tensor
    straight: Tensor
    first_block: FirstBlockCache | None = None

    def __getitem__(self, rows: slice) -> CachedConditioning:
        anchor = None if self.anchor is None else self.anchor[rows]
        base, straight = (t[rows] if t.ndim == 3 else t for t in (self.base, self.straight))
        first_block = self.first_block
        if first_block is not None:
            first_block = replace(first_block, base=first_block.base[rows], base_qkv=first_block.base_qkv[rows])
        return CachedConditioning(base, anchor, self.of_state, self.out_mix, straight, first_block)


@dataclass(frozen=True)
class FirstBlockCache:
    """What is computed before the first step of several, so that the first block's queries, keys and values need no
    product with its weights at any of them.

    What goes into the blocks is a sum of what is given, of h_k and of f_D^k, and its queries, keys and values are
    linear in it but for its standard deviation over the channels (see `GraphAttentionBlock.projection_with_norm`). All
    that reads it takes its mean over the channels away, so it is without one here.

    base: (B, J, C), the share of the conditioning. base_qkv: (B, J, 3 C), its queries, keys and values. of_state_and_1:
    (S, 4, C), for each of S steps what leads from h_k, relative to the anchor and mixed, and a 1 to the rest of the
    sum. qkv_of_all: (S, 5, 3 C), the same for the queries, keys and values, from the sum's standard deviation too.
    steps: {k: where it stands among the S}.
    """

    base: Tensor
    base_qkv: Tensor
    of_state_and_1: Tensor
    qkv_of_all: Tensor
    steps: Mapping[int, int]


class Denoiser(nn.Module):
    """g(h_k, f_ST, f_D^k): a noisy pose, its context and its step in, the prediction (h_0, h_{k-1} or noise) out.

    Input GCN to 128 channels, concatenated with f_ST (128) to 256, f_D^k (256) added, three GCN-attention blocks,
    output GCN to 3. Without context the input GCN makes all 256 channels itself, so that the network keeps its size.
    With an anchor g refines a pose that is known already, the encoder's or the mean of the GMM: lengths go in relative
    to it, and a linear layer over all joints (`skip`), which starts at 0, leads from what g is given straight to its
    output.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        #: What the blocks compute in, see `in_bfloat16`.
        self.inner_dtype = torch.float32
        #: The first block's `projection_with_norm`, kept where weights never change.
        self.first_projection: FusedLinear | None = None
        in_channels = 3 + CONDITION_CHANNELS[config.conditioning]
        own = config.channels - config.context_channels if config.use_context else config.channels
        self.embed = GraphConv(in_channels, own)
        self.blocks = nn.ModuleList(
            GraphAttentionBlock(config.channels, config.num_heads, config.dropout) for _ in range(config.num_blocks)
        )
        self.norm = nn.LayerNorm(config.channels)
        self.head = GraphConv(config.channels, 3)
        self.skip: nn.Linear | None = None
        if config.anchor != "none":
            width = CONDITION_CHANNELS[config.conditioning] + (config.context_channels if config.use_context else 0)
            self.skip = nn.Linear(NUM_JOINTS * width, NUM_JOINTS * 3)
            nn.init.zeros_(self.skip.weight)
            nn.init.zeros_(self.skip.bias)

    @property
    def first_block(self) -> GraphAttentionBlock:
        """The first of the GCN-attention blocks."""
        block = self.blocks[0]
        assert isinstance(block, GraphAttentionBlock)
        return block

    def forward(self, x: Tensor, k: Tensor | int, conditioning: Conditioning) -> Tensor:
        """One prediction a noisy pose.

        x: (B, J, 3), h_k in metres. k: (B,) or a scalar, step numbers. conditioning: what the configuration asks for.
        Returns (B, J, 3), root-relative metres unless the prediction type is noise.
        Raises ValueError if something that the configuration asks for is missing.
        """
        return self.predict(x, k, self.cache_conditioning(conditioning))

    def cache_conditioning(self, conditioning: Conditioning, steps: Sequence[int] = ()) -> CachedConditioning:
        """What `predict` needs of `conditioning`: the same for every h_k and k, so that it is computed once.

        steps: the k that `predict` will be asked for, where they are known; several of them are quicker then, without
        gradients. Raises ValueError if something that the configuration asks for is missing.
        """
        config, embed = self.config, self.embed.linear
        anchor, conditions = self.anchor_pose(conditioning), self.conditions(conditioning)
        base: Tensor | None = None
        if conditions:
            base = nn.functional.linear(self.embed.mix(torch.cat(conditions, dim=-1)), embed.weight[:, 3:], embed.bias)
        if config.use_context:
            features = _required(conditioning.features, "features")
            if base is None:
                base = embed.bias.expand(*features.shape[:-1], -1)
            base = torch.cat((base, features.to(base.dtype)), dim=-1)
        base = embed.bias if base is None else base
        # What is linear from here on, and the same at every step: units, the bias, the move to the hip at the origin.
        unit = 1.0 if anchor is None else UNIT_M
        of_state = embed.weight[:, :3].mT / unit
        of_state = nn.functional.pad(of_state, (0, config.channels - of_state.shape[1]))
        out_mix, straight = unit * self.head.adjacency, (unit * self.head.linear.bias).expand(NUM_JOINTS, 3)
        if anchor is not None and self.skip is not None:
            # Sums over thousands of terms that nearly cancel: bfloat16 would spoil them.
            with torch.autocast(anchor.device.type, enabled=False):
                skipped = self.skip(self._skip_inputs(conditions, conditioning)).unflatten(-1, (NUM_JOINTS, 3))
            straight = anchor + UNIT_M * skipped + straight
        if config.prediction_type != "noise":
            out_mix, straight = out_mix - out_mix[:1], root_relative(straight)
        first_block = None
        worth_it = len(steps) > 1 and base.ndim == 3 and len(base) in _POSES_AHEAD[self.inner_dtype]
        if worth_it and not torch.is_grad_enabled():
            first_block = self._cache_first_block(base, of_state, steps)
        base = base if self.inner_dtype == torch.float32 else base.to(self.inner_dtype)
        return CachedConditioning(base, anchor, of_state, out_mix, straight, first_block)

    def _cache_first_block(self, base: Tensor, of_state: Tensor, steps: Sequence[int]) -> FirstBlockCache:
        """`CachedConditioning.first_block`. base: (B, J, C). of_state: (3, C)."""
        kind, count = self.inner_dtype, len(steps)
        rows = torch.cat((of_state, *(_embedding(int(k), self.config.channels).to(of_state) for k in steps)))
        base, rows = ((t - t.mean(-1, keepdim=True)).to(kind) for t in (base, rows))
        if self.first_projection is None:
            weight, bias = (tensor.to(kind) for tensor in self.first_block.projection_with_norm())
            base_qkv, rows_qkv = (linear_without_gradient(t, weight) for t in (base, rows))
        else:
            base_qkv, rows_qkv = (self.first_projection.product(t) for t in (base, rows))
            bias = self.first_projection.bias
        of_state_and_1 = torch.cat((rows[:3].expand(count, -1, -1), rows[3:, None]), dim=1)
        of_both = torch.cat((rows_qkv[:3].expand(count, -1, -1), rows_qkv[3:, None]), dim=1)
        qkv_of_all = torch.cat((of_both, bias.expand(count, 1, -1)), dim=1)
        return FirstBlockCache(
            base, base_qkv, of_state_and_1, qkv_of_all, {int(k): place for place, k in enumerate(steps)}
        )

    def predict(self, x: Tensor, k: Tensor | int, cached: CachedConditioning) -> Tensor:
        """`forward` with what is known of its conditions already.

        Without gradients on a CPU, poses are worked on a block at a time.
        """
        size = _BLOCK_POSES[self.inner_dtype]
        if torch.is_grad_enabled() or x.device.type != "cpu" or len(x) <= size:
            return self._predict(x, k, cached)
        blocks = []
        for begin in range(0, len(x), size):
            rows = slice(begin, begin + size)
            blocks.append(self._predict(x[rows], k[rows] if isinstance(k, Tensor) and k.ndim else k, cached[rows]))
        return torch.cat(blocks)

    def _predict(self, x: Tensor, k: Tensor | int, cached: CachedConditioning) -> Tensor:
        mixed = self.embed.mix(x if cached.anchor is None else x - cached.anchor).flatten(0, 1)
        base, weight, first_block = cached.base, cached.of_state, cached.first_block
        if first_block is not None and isinstance(k, int) and k in first_block.steps and not torch.is_grad_enabled():
            hidden = self._first_block(mixed, first_block, first_block.steps[k])
            return self._output(hidden, self.blocks[1:], cached)
        if isinstance(k, int) or k.ndim == 0:
            # The input GCN's share of h_k and the step's embedding in one product: a row of numbers for each joint.
            mixed = nn.functional.pad(mixed, (0, 1), value=1.0)
            weight = torch.cat((weight, _embedding(int(k), self.config.channels).to(weight)))
        else:
            base = base + step_embedding(k.to(x.device), self.config.channels)[:, None].to(base.dtype)
        base = base.expand(*x.shape[:2], -1)
        kind = base.dtype
        hidden = torch.addmm(base.flatten(0, 1), mixed.to(kind), weight.to(kind)).view(*x.shape[:2], -1)
        return self._output(hidden, self.blocks, cached)

    def _first_block(self, mixed: Tensor, first_block: FirstBlockCache, step: int) -> Tensor:
        """What the first block makes of h_k, relative to the anchor and mixed: (B J, 3) -> (B, J, C)."""
        first, base = self.first_block, first_block.base
        inputs = nn.functional.pad(mixed, (0, 1), value=1.0).to(base.dtype)
        hidden = torch.addmm(base.flatten(0, 1), inputs, first_block.of_state_and_1[step])
        length = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True, dtype=torch.float32)
        std = length.square_().div_(hidden.shape[-1]).add_(first.attention_norm.eps).sqrt_()
        inputs = torch.cat((inputs, std.to(inputs.dtype)), dim=-1)
        qkv = torch.addmm(first_block.base_qkv.flatten(0, 1), inputs, first_block.qkv_of_all[step])
        qkv.mul_(std.reciprocal_().to(qkv.dtype))
        return first.finish(hidden.view(base.shape), qkv.view(first_block.base_qkv.shape))

    def _output(self, hidden: Tensor, blocks: Iterable[nn.Module], cached: CachedConditioning) -> Tensor:
        """The prediction, from what goes into the last `blocks`, (B, J, C) -> (B, J, 3)."""
        for block in blocks:
            hidden = block(hidden)
        output = nn.functional.linear(self.norm(hidden).to(cached.out_mix.dtype), self.head.linear.weight)
        return cached.straight + mix_joints(cached.out_mix, output).float()

    def anchor_pose(self, conditioning: Conditioning) -> Tensor | None:
        """The pose that the output is added to, (B, J, 3) metres, or None."""
        if self.config.anchor == "context":
            return _required(conditioning.pose, "pose")
        if self.config.anchor == "mixture":
            return _required(conditioning.gmm, "gmm")[..., 6:9]
        return None

    def conditions(self, conditioning: Conditioning) -> list[Tensor]:
        """What the conditioning adds to h_k: up to two (B, J, C) tensors, lengths relative to the anchor."""
        config = self.config
        if config.conditioning == "none":
            return []
        gmm = _required(conditioning.gmm, "gmm")
        component_mean, component_std, mean, std = gmm.unflatten(-1, (4, 3)).unbind(-2)
        anchor = self.anchor_pose(conditioning)
        if anchor is not None:
            component_mean, component_std = (component_mean - anchor) / UNIT_M, component_std / UNIT_M
            mean, std = (mean - anchor) / UNIT_M, std / UNIT_M
        plain_std = gmm[..., 9:11]
        trusted = [1.0 / (1.0 + (plain_std / half).square()) for half in _HALF_TRUST_STD_M]
        parts = [component_mean, component_std, mean, std]
        for trust in trusted:
            parts += [trust, trust * mean[..., :2]]
        found = [torch.cat(parts, dim=-1)]
        if config.conditioning == "gmm+heatmaps":
            found.append(_required(conditioning.heatmaps, "heatmaps"))
        return found

    def _skip_inputs(self, conditions: list[Tensor], conditioning: Conditioning) -> Tensor:
        """What the linear layer reads: all joints' conditions and f_ST in one row, (B, J C), of the weights' type."""
        dtype = self.head.linear.weight.dtype
        parts = [*conditions, _required(conditioning.features, "features")] if self.config.use_context else conditions
        return torch.cat([part.to(dtype) for part in parts], dim=-1).flatten(-2)


def gmm_features(component_mean: Tensor, component_std: Tensor, mixture_mean: Tensor, mixture_std: Tensor) -> Tensor:
    """What g is told about the distribution it starts from, four (B, J, 3) in metres -> (B, J, 12).

    Mean and standard deviation of the drawn component (mu^G and the root of Sigma^G's diagonal), and of the whole GMM.
    """
    return torch.cat((component_mean, component_std, mixture_mean, mixture_std), dim=-1)


@lru_cache(maxsize=256)
@torch.inference_mode(False)  # what is kept serves training too
def _embedding(k: int, channels: int) -> Tensor:
    return step_embedding(k, channels)[None]


def has_fast_bfloat16(accelerator: str = "cpu") -> bool:
    """Whether this machine multiplies in bfloat16 faster than in float32: a GPU that can, or a processor with
    instructions for it (AVX512-BF16; AMX besides).

    accelerator: "cpu" asks for the processor, anything else for a GPU where there is one.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.cpu._is_avx512_bf16_supported())


#: Of a network: its modules that hold weights, a mark of these, and the copy.
_in_bfloat16: WeakKeyDictionary[Denoiser, tuple[list[nn.Module], list[int], Denoiser]] = WeakKeyDictionary()


def _mark(modules: list[nn.Module]) -> list[int]:
    """Other numbers whenever a weight was replaced or written to."""
    return [number for m in modules for p in m._parameters.values() if p is not None for number in (id(p), p._version)]


@torch.inference_mode(False)
def in_bfloat16(network: Denoiser) -> Denoiser:
    """A copy for inference whose blocks compute in bfloat16; what reads or writes coordinates stays in float32.

    Made once, and again when the network's weights have changed: casting them at every call is what makes autocast
    slow on few poses.
    """
    made = _in_bfloat16.get(network)
    if made is None or _mark(made[0]) != made[1]:
        modules = [module for module in network.modules() if module._parameters]
        copied = copy.deepcopy(network).requires_grad_(False).eval()
        copied.inner_dtype = torch.bfloat16
        fused = next(network.parameters()).device.type == "cpu" and FusedLinear.available()
        if fused:
            copied.first_projection = FusedLinear(*copied.first_block.projection_with_norm())
        for module in list(copied.blocks.modules()):
            if isinstance(module, GraphConv):
                module.adjacency = nn.Parameter(module.adjacency.to(torch.bfloat16), requires_grad=False)
            # LayerNorms read bfloat16 and keep their own numbers in float32.
            for name, layer in list(module.named_children()):
                if isinstance(layer, nn.Linear):
                    made_of = FusedLinear(layer.weight, layer.bias) if fused else layer.to(torch.bfloat16)
                    setattr(module, name, made_of)
        made = _in_bfloat16[network] = (modules, _mark(modules), copied)
    return made[2]


def _required(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise ValueError(f"this denoiser was built to be given {name}, but got none")
    return value

"""The diffusion network g for a reverse process: all that does not depend on h_k is computed once.

| here | the network (`Denoiser.forward`) |
| --- | --- |
| `CachedConditioning.block_input` | the blocks' input without the shares of h_k and f_D^k |
| `CachedConditioning.state_weight` | the input GCN's weights for h_k |
| `CachedConditioning.output_base`, `output_mix` | skip, anchor and bias; the output GCN's adjacency |
| `FirstBlockCache` | the first block's queries, keys and values, put together from their shares |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from diffpose_core.diffusion.embedding import step_embedding
from diffpose_core.models.blocks import GraphAttentionBlock
from diffpose_core.models.denoiser import UNIT_M, Conditioning, Denoiser, required
from diffpose_core.models.fast.bfloat16 import PackedLinear, has_amx
from diffpose_core.models.fast.blocks import FusedGraphAttention
from diffpose_core.models.fast.linear import linear_without_gradient, mix_joints
from diffpose_core.models.layers import root_relative
from diffpose_core.skeleton import NUM_JOINTS

#: Poses that a CPU works on together: few enough for their activations to stay in its caches, enough to make the cost
#: of an operation by itself small. In bfloat16 activations are smaller and products faster, with AMX by far.
_BLOCK_POSES = {torch.float32: 128, torch.bfloat16: 512 if has_amx() else 160}
#: Numbers of poses for which the first block is cached. With fewer it saves nothing, with more it takes more than a
#: hundred megabytes.
_CACHED_POSES = {torch.float32: range(1, 2049), torch.bfloat16: range(16, 2049)}


@dataclass(frozen=True)
class FirstBlockCache:
    """Shares of the first block's input and of its queries, keys and values, for announced steps.

    The input is a sum of three shares: the conditioning's, h_k's and f_D^k's. Queries, keys and values are linear in
    it, but for its standard deviation over the channels (see `_projection_with_norm`). So they need no product with
    the block's weights at a step. Only deviations from the mean over the channels matter: all shares here have mean 0.

    Attributes:
        base: The conditioning's share of the input, (B, J, C).
        base_qkv: Its queries, keys and values, (B, J, 3 C).
        step_weight: Weights from (h_k mixed, 1) to the rest of the input, (S, 4, C).
        step_qkv_weight: Weights from (h_k mixed, 1, standard deviation) to the rest of its queries, keys and values,
            (S, 5, 3 C).
        steps: Index among the S steps by step number k.
    """

    base: Tensor
    base_qkv: Tensor
    step_weight: Tensor
    step_qkv_weight: Tensor
    steps: Mapping[int, int]

    def __getitem__(self, rows: slice) -> FirstBlockCache:
        return replace(self, base=self.base[rows], base_qkv=self.base_qkv[rows])


@dataclass(frozen=True)
class CachedConditioning:
    """All that g computes from its weights and the conditioning alone (`FastDenoiser.cache_conditioning`).

    Attributes:
        block_input: Input of the blocks without the shares of h_k and k, (B, J, C), or (C,) without conditioning.
        anchor: The pose that the output is added to, (B, J, 3) metres, or None.
        state_weight: Weights from h_k, relative to the anchor and mixed, to the input of the blocks, (3, C).
        output_mix: How joints are mixed at the output, (J, J).
        output_base: Output without the share of the blocks, (B, J, 3) metres, or (J, 3) without conditioning.
        first_block: Present where several steps were announced.
    """

    block_input: Tensor
    anchor: Tensor | None
    state_weight: Tensor
    output_mix: Tensor
    output_base: Tensor
    first_block: FirstBlockCache | None = None

    def __getitem__(self, rows: slice) -> CachedConditioning:
        anchor = None if self.anchor is None else self.anchor[rows]
        first_block = None if self.first_block is None else self.first_block[rows]
        block_input, output_base = (t[rows] if t.ndim == 3 else t for t in (self.block_input, self.output_base))
        return CachedConditioning(block_input, anchor, self.state_weight, self.output_mix, output_base, first_block)


@dataclass(frozen=True)
class FastDenoiser:
    """A trained g without gradients, for many steps with the same conditioning. Made by `fast_denoiser`.

    Attributes:
        network: The network that this computes.
        blocks: Its blocks' fused forms.
        dtype: Type that the blocks compute in. All that reads or writes coordinates stays in float32.
        first_projection: The first block's norm and projection in one, kept where the weights are copies.
    """

    network: Denoiser
    blocks: Sequence[FusedGraphAttention]
    dtype: torch.dtype = torch.float32
    first_projection: PackedLinear | None = None

    @torch.no_grad()
    def cache_conditioning(self, conditioning: Conditioning, steps: Sequence[int] = ()) -> CachedConditioning:
        """The conditioning's shares, the same for every h_k and k.

        Args:
            conditioning: Everything that the network's configuration asks for.
            steps: Step numbers that `predict` will be called with, where they are known: several are faster then.

        Raises:
            ValueError: If something that the configuration asks for is missing.
        """
        network = self.network
        anchor, conditions = network.anchor_pose(conditioning), network.conditions(conditioning)
        block_input = self._block_input(conditions, conditioning)
        # Linear from here on, and the same at every step: units, the bias, the move to the hip at the origin.
        unit = 1.0 if anchor is None else UNIT_M
        state_weight = network.embed.linear.weight[:, :3].mT / unit
        state_weight = nn.functional.pad(state_weight, (0, network.config.channels - state_weight.shape[1]))
        output_mix = unit * network.head.adjacency
        output_base = (unit * network.head.linear.bias).expand(NUM_JOINTS, 3)
        if anchor is not None:
            output_base = anchor + UNIT_M * network.skipped(conditions, conditioning) + output_base
        if network.config.prediction_type != "noise":
            output_mix, output_base = output_mix - output_mix[:1], root_relative(output_base)
        worth_it = len(steps) > 1 and block_input.ndim == 3 and len(block_input) in _CACHED_POSES[self.dtype]
        first_block = self._cache_first_block(block_input, state_weight, steps) if worth_it else None
        return CachedConditioning(
            block_input.to(self.dtype), anchor, state_weight, output_mix, output_base, first_block
        )  # fmt: skip

    @torch.no_grad()
    def predict(self, x: Tensor, k: Tensor | int, cached: CachedConditioning) -> Tensor:
        """`Denoiser.forward` with cached conditioning. A CPU works on a block of poses at a time.

        Args:
            x: h_k, (B, J, 3) metres, view frame.
            k: Step numbers, (B,), or one for all.
            cached: The conditioning of these poses.

        Returns:
            (B, J, 3), as `Denoiser.forward`.
        """
        size = _BLOCK_POSES[self.dtype]
        if x.device.type != "cpu" or len(x) <= size:
            return self._predict(x, k, cached)
        blocks = []
        for begin in range(0, len(x), size):
            rows = slice(begin, begin + size)
            blocks.append(self._predict(x[rows], k[rows] if isinstance(k, Tensor) and k.ndim else k, cached[rows]))
        return torch.cat(blocks)

    def _block_input(self, conditions: list[Tensor], conditioning: Conditioning) -> Tensor:
        """`CachedConditioning.block_input` in float32."""
        embed = self.network.embed
        found: Tensor = embed.linear.bias
        if conditions:
            mixed = mix_joints(embed.adjacency, torch.cat(conditions, dim=-1))
            found = nn.functional.linear(mixed, embed.linear.weight[:, 3:], embed.linear.bias)
        if self.network.config.use_context:
            features = required(conditioning.features, "features")
            found = torch.cat((found.expand(*features.shape[:-1], -1), features.to(found.dtype)), dim=-1)
        if self.network.told is not None and conditioning.told is not None:
            found = found + self.network.told(conditioning.told).to(found.dtype)[:, None].expand(-1, NUM_JOINTS, -1)
        return found

    def _cache_first_block(self, block_input: Tensor, state_weight: Tensor, steps: Sequence[int]) -> FirstBlockCache:
        """The shares of the first block. block_input: (B, J, C). state_weight: (3, C)."""
        count, channels = len(steps), self.network.config.channels
        rows = torch.cat((state_weight, *(_embedding(int(k), channels).to(state_weight) for k in steps)))
        base, rows = ((t - t.mean(-1, keepdim=True)).to(self.dtype) for t in (block_input, rows))
        if self.first_projection is None:
            weight, bias = (tensor.to(self.dtype) for tensor in _projection_with_norm(self._first_block))
            base_qkv, rows_qkv = (linear_without_gradient(t, weight) for t in (base, rows))
        else:
            base_qkv, rows_qkv = (self.first_projection.without_bias(t) for t in (base, rows))
            bias = self.first_projection.bias
        step_weight = torch.cat((rows[:3].expand(count, -1, -1), rows[3:, None]), dim=1)
        of_both = torch.cat((rows_qkv[:3].expand(count, -1, -1), rows_qkv[3:, None]), dim=1)
        step_qkv_weight = torch.cat((of_both, bias.expand(count, 1, -1)), dim=1)
        return FirstBlockCache(base, base_qkv, step_weight, step_qkv_weight, {int(k): i for i, k in enumerate(steps)})

    def _predict(self, x: Tensor, k: Tensor | int, cached: CachedConditioning) -> Tensor:
        """`predict` for one block of poses."""
        state = x if cached.anchor is None else x - cached.anchor
        mixed = mix_joints(self.network.embed.adjacency, state).flatten(0, 1)
        first = cached.first_block
        if first is not None and isinstance(k, int) and k in first.steps:
            hidden, blocks = self._run_first_block(mixed, first, first.steps[k]), self.blocks[1:]
        else:
            hidden, blocks = self._hidden(mixed, k, cached).view(*x.shape[:2], -1), self.blocks
        return self._output(hidden, blocks, cached)

    def _hidden(self, mixed: Tensor, k: Tensor | int, cached: CachedConditioning) -> Tensor:
        """The input of the blocks: h_k, relative to the anchor and mixed, (B J, 3) -> (B J, C)."""
        base, weight, channels = cached.block_input, cached.state_weight, self.network.config.channels
        if isinstance(k, int) or k.ndim == 0:
            # The input GCN's share of h_k and the step's embedding in one product: a row of numbers for each joint.
            mixed = nn.functional.pad(mixed, (0, 1), value=1.0)
            weight = torch.cat((weight, _embedding(int(k), channels).to(weight)))
        else:
            base = base + step_embedding(k.to(mixed.device), channels)[:, None].to(base.dtype)
        base = base.expand(len(mixed) // NUM_JOINTS, NUM_JOINTS, -1).flatten(0, 1)
        return torch.addmm(base, mixed.to(base.dtype), weight.to(base.dtype))

    def _run_first_block(self, mixed: Tensor, cache: FirstBlockCache, step: int) -> Tensor:
        """The first block's output: h_k, relative to the anchor and mixed, (B J, 3) -> (B, J, C)."""
        inputs = nn.functional.pad(mixed, (0, 1), value=1.0).to(cache.base.dtype)
        hidden = torch.addmm(cache.base.flatten(0, 1), inputs, cache.step_weight[step])
        length = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True, dtype=torch.float32)
        std = length.square_().div_(hidden.shape[-1]).add_(self._first_block.attention_norm.eps).sqrt_()
        inputs = torch.cat((inputs, std.to(inputs.dtype)), dim=-1)
        qkv = torch.addmm(cache.base_qkv.flatten(0, 1), inputs, cache.step_qkv_weight[step])
        qkv.mul_(std.reciprocal_().to(qkv.dtype))
        return self.blocks[0].finish(hidden.view(cache.base.shape), qkv.view(cache.base_qkv.shape))

    def _output(
        self, hidden: Tensor, blocks: Iterable[Callable[[Tensor], Tensor]], cached: CachedConditioning
    ) -> Tensor:
        """The prediction from the input of the last `blocks`, (B, J, C) -> (B, J, 3)."""
        for block in blocks:
            hidden = block(hidden)
        normed = self.network.norm(hidden).to(cached.output_mix.dtype)
        output = nn.functional.linear(normed, self.network.head.linear.weight)
        return cached.output_base + mix_joints(cached.output_mix, output).float()

    @property
    def _first_block(self) -> GraphAttentionBlock:
        return _blocks(self.network)[0]


def fast_denoiser(network: Denoiser, bfloat16: bool = False) -> FastDenoiser:
    """The network's form for inference, which follows changes of its weights.

    Args:
        network: A denoiser in evaluation mode.
        bfloat16: Whether the blocks compute in bfloat16. The copies of their weights are kept until these change:
            autocast, which casts at every call, is slow on few poses.
    """
    if not bfloat16:
        return FastDenoiser(network, [block.fused for block in _blocks(network)])
    kept = _bfloat16_blocks.get(network)
    modules = [module for module in network.blocks.modules() if module._parameters] if kept is None else kept[0]
    mark = _mark(modules)
    if kept is None or kept[1] != mark:
        kept = _bfloat16_blocks[network] = (modules, mark, *_in_bfloat16(network))
    return FastDenoiser(network, kept[2], torch.bfloat16, kept[3])


#: By network: its modules that hold weights, a mark of these, the blocks in bfloat16 and the first block's projection.
_bfloat16_blocks: WeakKeyDictionary[
    Denoiser, tuple[list[nn.Module], list[int], list[FusedGraphAttention], PackedLinear | None]
] = WeakKeyDictionary()


@torch.inference_mode(False)
def _in_bfloat16(network: Denoiser) -> tuple[list[FusedGraphAttention], PackedLinear | None]:
    """The blocks with weights in bfloat16, and the first one's `_projection_with_norm` where it can be packed."""
    blocks = _blocks(network)
    with torch.no_grad():
        fused = [block.fuse(bfloat16=True) for block in blocks]
        packs = isinstance(fused[0].project, PackedLinear)
        return fused, PackedLinear(*_projection_with_norm(blocks[0])) if packs else None


def _projection_with_norm(block: GraphAttentionBlock) -> tuple[Tensor, Tensor]:
    """A block's attention norm and its projection to queries, keys and values in one.

    For a row x with mean 0 they are x weight^T / s + bias, with s the row's standard deviation (and the norm's eps).
    This is linear in x but for s, so the result for a sum of rows follows from the results of the rows.

    Returns:
        weight (3 C, C) and bias (3 C,).
    """
    norm, layer = block.attention_norm, block.attention.qkv
    return layer.weight * norm.weight, torch.mv(layer.weight, norm.bias) + layer.bias


def _blocks(network: Denoiser) -> list[GraphAttentionBlock]:
    return [block for block in network.blocks if isinstance(block, GraphAttentionBlock)]


def _mark(modules: list[nn.Module]) -> list[int]:
    """Numbers that change whenever a weight is replaced or written to."""
    return [number for m in modules for p in m._parameters.values() if p is not None for number in (id(p), p._version)]


@lru_cache(maxsize=256)
@torch.inference_mode(False)  # kept ones serve training too
def _embedding(k: int, channels: int) -> Tensor:
    return step_embedding(k, channels)[None]

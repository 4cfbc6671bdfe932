"""Layers on the skeleton graph. Activations are (..., J, C): J joints, C channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from diffpose_core import onednn
from diffpose_core.skeleton import NUM_JOINTS, adjacency

#: From so many sequences on attention is faster as two batched products than as one fused operation, on a CPU without
#: AMX.
_MANY_SEQUENCES = {torch.float32: 16, torch.bfloat16: 32}
#: From so many poses on what oneDNN does in float32, GELU and products, is worth its preparations.
_MANY_POSES = 16


@lru_cache(maxsize=1)
def has_amx() -> bool:
    """Whether torch computes on a processor with AMX, which multiplies bfloat16 in tiles."""
    return bool(torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.cpu._is_amx_tile_supported())


def normalised_adjacency() -> Tensor:
    """D^-1/2 (A + I) D^-1/2 of the skeleton with self-loops, float32 (J, J) (Kipf and Welling, 2017)."""
    matrix = torch.from_numpy(adjacency()) + torch.eye(NUM_JOINTS)
    inverse_root = matrix.sum(1).rsqrt()
    return inverse_root[:, None] * matrix * inverse_root[None, :]


def chebyshev_basis(order: int) -> Tensor:
    """Chebyshev polynomials T_0 ... T_order of the skeleton's rescaled Laplacian, float32 (order + 1, J, J).

    L = I - D^-1/2 A D^-1/2, rescaled to 2 L / lambda_max - I (Defferrard et al., 2016). Computed once: the graph never
    changes.
    """
    matrix = torch.from_numpy(adjacency()).double()
    inverse_root = matrix.sum(1).rsqrt()
    identity = torch.eye(NUM_JOINTS, dtype=torch.float64)
    laplacian = identity - inverse_root[:, None] * matrix * inverse_root[None, :]
    rescaled = 2.0 * laplacian / torch.linalg.eigvalsh(laplacian).max() - identity
    basis = [identity, rescaled]
    while len(basis) <= order:
        basis.append(2.0 * rescaled @ basis[-1] - basis[-2])
    return torch.stack(basis[: order + 1]).float()


class Linear(nn.Linear):
    """A linear layer whose products are by whichever library is faster, in training too."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and _by_onednn(x):
            return onednn.linear_with_gradient(x, self.weight, self.bias)
        return super().forward(x)


class ChebConv(nn.Module):
    """Chebyshev graph convolution, (..., J, in) -> (..., J, out): sum_i T_i x W_i + b."""

    basis: Tensor

    def __init__(self, in_channels: int, out_channels: int, order: int = 2) -> None:
        super().__init__()
        # T_0 is the identity: only the others mix joints.
        self.register_buffer("basis", chebyshev_basis(order)[1:].reshape(-1, NUM_JOINTS), persistent=False)
        self.order = order
        self.linear = nn.Linear(in_channels * (order + 1), out_channels)

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.matmul(self.basis.to(x.dtype), x).unflatten(-2, (self.order, NUM_JOINTS))
        return self.linear(torch.cat((x, *mixed.unbind(-3)), dim=-1))


def mix_joints(matrix: Tensor, x: Tensor) -> Tensor:
    """matrix x, with matrix (J, J), whatever its type, and x (B, J, C)."""
    # matmul would copy x, joints last, wherever x has a gradient.
    return torch.bmm(matrix.to(x.dtype).expand(len(x), -1, -1), x)


class GraphConv(nn.Module):
    """GCN layer with a learnable adjacency (LAM-GConv of Graformer), (B, J, in) -> (B, J, out): A x W + b.

    A starts as the skeleton's normalised adjacency and is free to grow weights between joints that no bone joins.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(normalised_adjacency())
        self.linear: nn.Linear | FusedLinear = Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.linear.in_features <= self.linear.out_features:
            return self.linear(self.mix(x))
        # Matrix products associate: mix the joints where there are fewer channels.
        return self.mix(nn.functional.linear(x, self.linear.weight)) + self.linear.bias

    def mix(self, x: Tensor) -> Tensor:
        """A x: the joints' values mixed, channels as they are, (B, J, C) -> (B, J, C)."""
        return mix_joints(self.adjacency, x)


class SelfAttention(nn.Module):
    """Multi-head self-attention over the joints, (B, J, C) -> (B, J, C)."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f"channels ({channels}) must be a multiple of num_heads ({num_heads})")
        self.num_heads = num_heads
        self.qkv: nn.Linear | FusedLinear = Linear(channels, 3 * channels)
        self.out: nn.Linear | FusedLinear = Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.attend(x))

    def attend(self, x: Tensor) -> Tensor:
        """What the heads found, side by side and before the last linear layer: (B, J, C) -> (B, J, C)."""
        qkv = self.qkv(x)
        # The fused CPU kernel's backward is far slower on 17 joints than the products'.
        by_products = x.device.type == "cpu" and torch.is_grad_enabled()
        return _attended_by_products(qkv, self.num_heads) if by_products else attended(qkv, self.num_heads)


def _heads(qkv: Tensor, num_heads: int) -> tuple[Tensor, ...]:
    """Queries, keys and values side by side, (B, J, 3 C) -> three (B, heads, J, C / heads), without copies."""
    return qkv.view(*qkv.shape[:-1], 3 * num_heads, -1).transpose(-3, -2).chunk(3, dim=-3)


def attended(qkv: Tensor, num_heads: int) -> Tensor:
    """Attention without gradients: queries, keys and values side by side, (B, J, 3 C) -> (B, J, C)."""
    many = qkv.device.type == "cpu" and len(qkv) >= _MANY_SEQUENCES.get(qkv.dtype, len(qkv) + 1)
    if many and not has_amx():
        return _attended_by_products(qkv, num_heads)
    # The fused kernel reads the heads where the projection wrote them, and writes them where the next layer wants them.
    query, key, value = _heads(qkv, num_heads)
    return nn.functional.scaled_dot_product_attention(query, key, value).transpose(-3, -2).flatten(-2)


def _attended_by_products(qkv: Tensor, num_heads: int) -> Tensor:
    """The same as two products of all heads at once."""
    # One copy brings the heads side by side; as views every product would copy them, forwards and backwards.
    heads = torch.stack(_heads(qkv, num_heads))
    query, key, value = heads.flatten(1, 2).unbind()
    scores = torch.bmm(query, key.mT) * query.shape[-1] ** -0.5
    # In bfloat16 the CPU's softmax takes twice as long forwards, ten times backwards.
    weights = scores.to(torch.promote_types(scores.dtype, torch.float32)).softmax(-1)
    found = torch.bmm(weights.to(value.dtype), value)
    return found.view(heads.shape[1:]).transpose(-3, -2).flatten(-2)


class GraphAttentionBlock(nn.Module):
    """GCN-attention block: one self-attention layer and two GCN layers, each part with a residual and a norm before
    it.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, num_heads)
        self.graph_norm = nn.LayerNorm(channels)
        self.graph_in = GraphConv(channels, channels)
        self.graph_out = GraphConv(channels, channels)
        self.dropout = nn.Dropout(dropout)
        self._inference: tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own.
        return {**self.__dict__, "_inference": None}

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or self.training:
            x = x + self.dropout(self.attention(_normed(self.attention_norm, x)))
            hidden = nn.functional.gelu(self.graph_in(_normed(self.graph_norm, x)))
            return x + self.dropout(self.graph_out(hidden))
        project, finish = self._inference or self._for_inference()
        return finish(x, project(x))

    def finish(self, x: Tensor, qkv: Tensor) -> Tensor:
        """The block's answer to x, (B, J, C), whose queries, keys and values are known, (B, J, 3 C).

        Without gradient.
        """
        return (self._inference or self._for_inference())[1](x, qkv)

    def projection_with_norm(self) -> tuple[Tensor, Tensor]:
        """Weight (3 C, C) and bias (3 C,) with which queries, keys and values of a row x whose mean is 0 are
        x weight^T / s + bias, s being the row's standard deviation with the norm's eps.

        That is linear in x but for s: what a sum of rows gives can be put together from what each of them gives.
        """
        norm, layer = self.attention_norm, self.attention.qkv
        weight, bias = layer.weight.to(norm.weight.dtype), layer.bias.to(norm.bias.dtype)
        return weight * norm.weight, torch.mv(weight, norm.bias) + bias

    def _for_inference(self) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]:
        """The block without gradients, in two parts: x to queries, keys and values, and both to what comes out.

        Weights and operations are looked up here, once: with few poses a module's own way to them takes as long as some
        of the operations.
        """
        heads = self.attention.num_heads
        attention_norm, project, add_attended = (
            _norm(self.attention_norm), inferred(self.attention.qkv), inferred_and_added(self.attention.out)
        )  # fmt: skip
        graph_norm, gelu_linear, add_mixed = (
            _norm(self.graph_norm), inferred_gelu(self.graph_in.linear), inferred_and_added(self.graph_out.linear)
        )  # fmt: skip
        mix_in, mix_out = _mixer(self.graph_in.adjacency), _mixer(self.graph_out.adjacency)

        def finish(x: Tensor, qkv: Tensor) -> Tensor:
            x = add_attended(x, attended(qkv, heads))
            hidden = gelu_linear(mix_in(graph_norm(x)))
            return add_mixed(x, mix_out(hidden))

        self._inference = (lambda x: project(attention_norm(x))), finish
        return self._inference


def _normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    if x.dtype == norm.weight.dtype or x.device.type != "cpu":
        return norm(x)
    # Autocast would copy x into float32 and the result back; inside, the kernel computes in float32 anyway.
    with torch.autocast(x.device.type, enabled=False):
        return norm(x)


def _norm(norm: nn.LayerNorm) -> Callable[[Tensor], Tensor]:
    shape, weight, bias, eps = norm.normalized_shape, norm.weight, norm.bias, norm.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)


def _mixer(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    """x -> `mix_joints(matrix, x)`, without gradient. On a CPU the product wants a matrix for every pose: the last ones
    are kept, until another number of poses comes or the matrix is written to.
    """
    kept = (-1, -1, matrix)

    def mix(x: Tensor) -> Tensor:
        nonlocal kept
        if x.device.type != "cpu":
            return mix_joints(matrix, x)
        # Read at once and replaced at once: threads may come with different numbers of poses.
        count, version, matrices = kept
        if (count, version) != (len(x), matrix._version):
            matrices = matrix.detach().expand(len(x), -1, -1).contiguous()
            kept = (len(x), matrix._version, matrices)
        return torch.bmm(matrices, x)

    return mix


def _by_onednn(x: Tensor) -> bool:
    """Whether products of x, (B, ...), with weights are oneDNN's."""
    return len(x) >= _MANY_POSES and onednn.preferred_for(x)


def linear_without_gradient(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias, by whichever library is faster: x (B, ..., in), weight (out, in)."""
    return onednn.linear(x, weight, bias) if _by_onednn(x) else nn.functional.linear(x, weight, bias)


def inferred(layer: nn.Linear | FusedLinear) -> Callable[[Tensor], Tensor]:
    """x -> layer(x). Without gradient."""
    if isinstance(layer, FusedLinear):
        return layer.forward
    weight, bias = layer.weight, layer.bias
    return lambda x: linear_without_gradient(x, weight, bias)


def inferred_gelu(layer: nn.Linear | FusedLinear) -> Callable[[Tensor], Tensor]:
    """x -> GELU of layer(x). Without gradient."""
    if isinstance(layer, FusedLinear):
        return layer.gelu
    weight, bias = layer.weight, layer.bias

    def infer(x: Tensor) -> Tensor:
        if _by_onednn(x):
            return onednn.linear(x, weight, bias, "gelu")
        hidden = nn.functional.linear(x, weight, bias)
        if len(x) < _MANY_POSES:
            # oneDNN, which takes what is contiguous, needs longer to begin than torch's own operation for all of it.
            return nn.functional.gelu(hidden.mT).mT
        return nn.functional.gelu(hidden)

    return infer


def inferred_and_added(layer: nn.Linear | FusedLinear) -> Callable[[Tensor, Tensor], Tensor]:
    """(x, hidden) -> x + layer(hidden), the sum made inside the product: (..., C) each. Without gradient."""
    if isinstance(layer, FusedLinear):
        return layer.add
    weight, bias = layer.weight, layer.bias

    def add(x: Tensor, hidden: Tensor) -> Tensor:
        if _by_onednn(hidden):
            return onednn.linear_add(x, hidden, weight, bias)
        summed = torch.addmm(x.flatten(0, -2), hidden.flatten(0, -2), weight.mT)
        return summed.add_(bias).view(x.shape)

    return add


class FusedLinear(nn.Module):
    """A linear layer in bfloat16 for inference on a CPU: its weights packed once as oneDNN wants them, and bias, GELU
    or a sum made while the product is still in the processor's registers.

    These are the operations that torch's own compiler writes; no public call reaches them, so that a torch without
    them is asked for by `available`.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        # Plain attributes, and the operation looked up once: with few poses finding them takes as long as multiplying.
        self.bias = bias.detach().to(torch.bfloat16)
        self.weight = weight.detach().to(torch.bfloat16)
        self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight)
        self._multiply = torch.ops.mkldnn._linear_pointwise.default
        self._multiply_add = torch.ops.mkldnn._linear_pointwise.binary

    @staticmethod
    @lru_cache(maxsize=1)
    def available() -> bool:
        """Whether this torch has the operations and they give what they should."""
        try:
            layer = nn.Linear(32, 32)
            x = torch.ones(2, 32, dtype=torch.bfloat16)
            with torch.no_grad():
                fused, plain = (
                    FusedLinear(layer.weight, layer.bias),
                    nn.functional.linear(x.float(), layer.weight, layer.bias),
                )
                pairs = (
                    (fused(x), plain),
                    (fused.product(x), plain - layer.bias),
                    (fused.gelu(x), nn.functional.gelu(plain)),
                    (fused.add(x, x), 1 + plain),
                )
                return all(torch.allclose(found.float(), right, atol=0.1) for found, right in pairs)
        except (AttributeError, RuntimeError, TypeError):
            return False

    def forward(self, x: Tensor) -> Tensor:
        return self._multiply(x, self.packed, self.bias, "none", [], "none")

    def product(self, x: Tensor) -> Tensor:
        """This layer of x without its bias."""
        return self._multiply(x, self.packed, None, "none", [], "none")

    def gelu(self, x: Tensor) -> Tensor:
        """GELU of this layer of x."""
        return self._multiply(x, self.packed, self.bias, "gelu", [], "none")

    def add(self, x: Tensor, hidden: Tensor) -> Tensor:
        """x + this layer of `hidden`, (..., C) each."""
        return self._multiply_add(hidden, x, self.packed, self.bias, "add")


def root_relative(pose: Tensor) -> Tensor:
    """Pose with the hip moved to the origin, (..., J, C) -> (..., J, C). A new tensor: nothing is read after it was
    overwritten.
    """
    return pose - pose[..., :1, :]

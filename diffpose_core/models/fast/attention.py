"""Self-attention over few positions: two batched products or torch's fused kernel, whichever is faster."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffpose_core.models.fast.bfloat16 import has_amx

#: From this many sequences on two batched products beat the fused kernel, on a CPU without AMX.
_MANY_SEQUENCES = {torch.float32: 16, torch.bfloat16: 32}


def attend(qkv: Tensor, num_heads: int) -> Tensor:
    """Multi-head scaled dot-product attention.

    Args:
        qkv: (B, J, 3 C), queries, keys and values side by side.
        num_heads: Heads that the C channels are divided among.

    Returns:
        (B, J, C), the heads side by side.
    """
    on_cpu = qkv.device.type == "cpu"
    # On 17 joints the fused CPU kernel's backward is far slower than the products'.
    if on_cpu and torch.is_grad_enabled():
        return _attend_by_products(qkv, num_heads)
    many = on_cpu and len(qkv) >= _MANY_SEQUENCES.get(qkv.dtype, len(qkv) + 1)
    if many and not has_amx():
        return _attend_by_products(qkv, num_heads)
    # The fused kernel reads the heads where the projection wrote them, and writes them where the next layer reads.
    query, key, value = _heads(qkv, num_heads)
    return nn.functional.scaled_dot_product_attention(query, key, value).transpose(-3, -2).flatten(-2)


def _attend_by_products(qkv: Tensor, num_heads: int) -> Tensor:
    """`attend` as two products of all heads at once."""
    # One copy brings the heads side by side. As views, every product would copy them, forwards and backwards.
    heads = torch.stack(_heads(qkv, num_heads))
    query, key, value = heads.flatten(1, 2).unbind()
    scores = torch.bmm(query, key.mT) * query.shape[-1] ** -0.5
    # In bfloat16 the CPU's softmax takes twice as long forwards, ten times as long backwards.
    weights = scores.to(torch.promote_types(scores.dtype, torch.float32)).softmax(-1)
    found = torch.bmm(weights.to(value.dtype), value)
    return found.view(heads.shape[1:]).transpose(-3, -2).flatten(-2)


def _heads(qkv: Tensor, num_heads: int) -> tuple[Tensor, ...]:
    """Queries, keys and values as views, (B, J, 3 C) -> three (B, heads, J, C / heads)."""
    return qkv.view(*qkv.shape[:-1], 3 * num_heads, -1).transpose(-3, -2).chunk(3, dim=-3)

"""The GCN-attention block, which Graformer and g are built from."""

from __future__ import annotations

from torch import Tensor, nn

from diffpose_core.models.fast.bfloat16 import LayerNorm
from diffpose_core.models.fast.blocks import FastAtInference, FusedGraphAttention
from diffpose_core.models.layers import GraphConv, SelfAttention


class GraphAttentionBlock(FastAtInference[FusedGraphAttention]):
    """One self-attention layer and two GCN layers, (B, J, C) -> (B, J, C).

    Each part has a norm in front of it and a residual around it.

    Source: main paper, section 4.3; Zhao et al., 2022.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(channels)
        self.attention = SelfAttention(channels, num_heads)
        self.graph_norm = LayerNorm(channels)
        self.graph_in = GraphConv(channels, channels)
        self.graph_out = GraphConv(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        hidden = nn.functional.gelu(self.graph_in(self.graph_norm(x)))
        return x + self.dropout(self.graph_out(hidden))

    def fuse(self, bfloat16: bool = False) -> FusedGraphAttention:
        return FusedGraphAttention(
            self.attention_norm, self.attention, self.graph_norm, self.graph_in, self.graph_out, bfloat16
        )

"""Multi-head self-attention, split so that keys and values can be kept between calls.

Shape suffixes: B batch, P tokens, C channels, N heads, H channels per head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemdepth_ros.model.config import MAX_FRAMES
from gemdepth_ros.model.layers.rope import RopeTables, apply_rope

# Fused CUDA kernels put batches and heads on axes of the launch grid that end here; larger ones
# fail with "invalid configuration argument" (pytorch issues 142228 and 146704).
MAX_GRID = 65_535


def softmax_attention(
    q_BNPH: Tensor, k_BNSH: Tensor, v_BNSH: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Attention of P queries to S keys, [B, N, P, H].

    One query against few keys, at many places at once, is what a stream asks of attention over
    time; the fused kernels are made for long sequences and take several times as long there.
    """
    single = q_BNPH.shape[2] == 1 and k_BNSH.shape[2] <= MAX_FRAMES and mask is None
    if single or _trained_in_bfloat16_on_cpu(q_BNPH):
        weights = (q_BNPH * q_BNPH.shape[-1] ** -0.5) @ k_BNSH.transpose(-1, -2)
        if mask is not None:
            weights = weights.masked_fill(~mask, -math.inf)
        return weights.softmax(-1) @ v_BNSH
    limit = MAX_GRID if q_BNPH.device.type == 'cuda' else len(q_BNPH) * q_BNPH.shape[1]
    return attention_in_parts(q_BNPH, k_BNSH, v_BNSH, mask, limit)


def attention_in_parts(
    q_BNPH: Tensor, k_BNSH: Tensor, v_BNSH: Tensor, mask: Tensor | None, limit: int
) -> Tensor:
    """Fused attention on at most ``limit`` heads of all batches at once, [B, N, P, H].

    Args:
        q_BNPH: queries.
        k_BNSH: keys.
        v_BNSH: values.
        mask: [P, S], or nothing that differs between batches; True where attention is allowed.
        limit: largest product of batches and heads; a single batch is not divided.
    """
    batches = max(limit // q_BNPH.shape[1], 1)
    if len(q_BNPH) <= batches:
        return F.scaled_dot_product_attention(q_BNPH, k_BNSH, v_BNSH, attn_mask=mask)
    parts = zip(q_BNPH.split(batches), k_BNSH.split(batches), v_BNSH.split(batches), strict=True)
    return torch.cat([F.scaled_dot_product_attention(*part, attn_mask=mask) for part in parts])


def _trained_in_bfloat16_on_cpu(q: Tensor) -> bool:
    """Whether plain matrix products are the faster way: twice as fast there, at any length."""
    return q.requires_grad and q.dtype == torch.bfloat16 and q.device.type == 'cpu'


class Attention(nn.Module):
    """Softmax attention with one joint query-key-value projection."""

    def __init__(self, width: int, heads: int, *, qk_norm: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        head_width = width // heads
        self.q_norm = nn.LayerNorm(head_width, eps=1e-5) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(head_width, eps=1e-5) if qk_norm else nn.Identity()

    def _split(self, x_BPC: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[B, P, parts * C] -> ``parts`` tensors [B, N, P, H]."""
        split = x_BPC.unflatten(-1, (parts, self.heads, -1))
        return split.permute(2, 0, 3, 1, 4).unbind(0)

    def query_key_value(
        self, x_BPC: Tensor, rope: RopeTables | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Project tokens to queries, keys and values, each [B, N, P, H], position applied."""
        q_BNPH, k_BNPH, v_BNPH = self._split(self.qkv(x_BPC.to(self.qkv.weight.dtype)), 3)
        q_BNPH, k_BNPH = self.q_norm(q_BNPH), self.k_norm(k_BNPH)
        if rope is not None:
            q_BNPH, k_BNPH = apply_rope(q_BNPH, rope), apply_rope(k_BNPH, rope)
        return q_BNPH, k_BNPH, v_BNPH

    def query(self, x_BPC: Tensor, rope: RopeTables | None = None) -> Tensor:
        """Project tokens to queries only, [B, N, P, H]."""
        width = x_BPC.shape[-1]
        weight, bias = self.qkv.weight[:width], self.qkv.bias[:width]
        q_BNPH = self.q_norm(self._split(F.linear(x_BPC.to(weight.dtype), weight, bias), 1)[0])
        return q_BNPH if rope is None else apply_rope(q_BNPH, rope)

    def key_value(self, x_BPC: Tensor, rope: RopeTables | None = None) -> tuple[Tensor, Tensor]:
        """Project tokens to keys and values only, each [B, N, P, H]."""
        width = x_BPC.shape[-1]
        weight, bias = self.qkv.weight[width:], self.qkv.bias[width:]
        k_BNPH, v_BNPH = self._split(F.linear(x_BPC.to(weight.dtype), weight, bias), 2)
        k_BNPH = self.k_norm(k_BNPH)
        return (k_BNPH if rope is None else apply_rope(k_BNPH, rope)), v_BNPH

    def attend(
        self, q_BNPH: Tensor, k_BNSH: Tensor, v_BNSH: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Attend from P queries to S keys; return projected tokens [B, P, C]."""
        return self.proj(self.mix(q_BNPH, k_BNSH, v_BNSH, mask))

    def mix(
        self, q_BNPH: Tensor, k_BNSH: Tensor, v_BNSH: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Attend from P queries to S keys, [B, P, C], before the output projection."""
        return softmax_attention(q_BNPH, k_BNSH, v_BNSH, mask).transpose(1, 2).flatten(2)

    def forward(
        self, x_BPC: Tensor, rope: RopeTables | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Self-attention over the P tokens; ``mask`` is True where attention is allowed."""
        return self.attend(*self.query_key_value(x_BPC, rope), mask)

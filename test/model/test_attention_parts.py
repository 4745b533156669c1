"""Attention over more places than a fused CUDA kernel can count is computed in parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from gemdepth_ros.model.layers import attention
from gemdepth_ros.model.layers.attention import attention_in_parts, softmax_attention
from gemdepth_ros.model.layers.causality import frame_causal_mask


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Batches times heads of every fused call."""
    made: list[int] = []
    fused = F.scaled_dot_product_attention

    def counted(q: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
        made.append(q.shape[0] * q.shape[1])
        return fused(q, *rest, **named)

    monkeypatch.setattr(attention.F, 'scaled_dot_product_attention', counted)
    return made


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize(('limit', 'expected'), [(24, [24, 24, 24, 8]), (80, [80]), (3, [8] * 10)])
def test_parts_are_the_whole(
    calls: list[int], limit: int, expected: list[int], masked: bool
) -> None:
    q, k, v = torch.randn(3, 10, 8, 4, 16).unbind(0)
    mask = frame_causal_mask(4, 1, q.device) if masked else None
    found = attention_in_parts(q, k, v, mask, limit)
    assert calls == expected
    whole = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(found, whole)


def test_the_limit_of_cuda_grids(calls: list[int]) -> None:
    """Motion module 3 of a 518x924 input has 78,144 heads at 9,768 places."""
    x = torch.zeros(9_768, 8, 2, 1)
    attention_in_parts(x, x, x, None, attention.MAX_GRID)
    assert len(calls) == 2
    assert max(calls) <= attention.MAX_GRID
    assert sum(calls) == 78_144


def test_a_processor_has_no_such_limit(calls: list[int]) -> None:
    x = torch.zeros(9_768, 8, 2, 1)
    softmax_attention(x, x, x)
    assert calls == [78_144]

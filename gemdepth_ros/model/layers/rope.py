"""Rotary position embedding in two dimensions (base 100).

The first half of every head turns with the row, the second with the column. Angles are made in
float32 whatever the precision of the network, because half precision cannot hold them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BASE = 100.0


class RopeTables(NamedTuple):
    """Cosines and sines of every token's angles, each [P, H]."""

    cos_PH: Tensor
    sin_PH: Tensor

    def repeated(self, times: int) -> RopeTables:
        """Return the tables of ``times`` frames with equal positions."""
        return RopeTables(self.cos_PH.repeat(times, 1), self.sin_PH.repeat(times, 1))


def rope_tables(
    rows: int, columns: int, head_width: int, *, special: int, device: torch.device
) -> RopeTables:
    """Tables for ``special`` tokens at (0, 0), then patches at (1..rows, 1..columns).

    Args:
        rows: patch rows.
        columns: patch columns.
        head_width: channels per head, divisible by four.
        special: number of leading tokens without a place in the image.
        device: where the tables live.
    """
    half = head_width // 2
    exponent = torch.arange(0, half, 2, dtype=torch.float32, device=device) / half
    frequency = BASE**-exponent
    y = torch.arange(1, rows + 1, dtype=torch.float32, device=device)
    x = torch.arange(1, columns + 1, dtype=torch.float32, device=device)
    patches = torch.cartesian_prod(y, x).reshape(-1, 2)
    positions = torch.cat([patches.new_zeros(special, 2), patches])
    angles_P2F = positions[:, :, None] * frequency
    angles_PH = torch.cat([angles_P2F, angles_P2F], dim=-1).flatten(1)
    return RopeTables(angles_PH.cos(), angles_PH.sin())


def apply_rope(x_BNPH: Tensor, tables: RopeTables) -> Tensor:
    """Rotate queries or keys by their token's angles."""
    cos, sin = tables.cos_PH.to(x_BNPH.dtype), tables.sin_PH.to(x_BNPH.dtype)
    halves = x_BNPH.unflatten(-1, (2, 2, -1))  # [..., row|column, first|second, F]
    turned = torch.stack([-halves[..., 1, :], halves[..., 0, :]], dim=-2).flatten(-3)
    return x_BNPH * cos + turned * sin

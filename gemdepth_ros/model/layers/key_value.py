"""Where a causal stream keeps the keys and values of earlier frames.

The modules hold no state; whoever runs them frame by frame gives them one store per attention.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class KeyValueStore(Protocol):
    """Keys and values of one attention, one slot per frame."""

    def extend(self, slot: int, k_BNPH: Tensor, v_BNPH: Tensor) -> tuple[Tensor, Tensor]:
        """Put a frame's keys and values into ``slot``; return those of slots 0..slot.

        Returns:
            Keys and values, each [B, N, (slot + 1) * P, H].
        """

"""Preallocated stores of a stream; none of them grows.

Layouts: keys and values [B, N, slots * P, H]; feature rings [slots, ...].
"""

from __future__ import annotations

import torch
from torch import Tensor

from gemdepth_ros.inference.config import CachePrecision
from gemdepth_ros.inference.device import DTYPES


def kept_dtype(precision: CachePrecision, network: torch.dtype) -> torch.dtype:
    """Precision of what is kept of earlier frames by a network of a precision."""
    return network if precision == 'auto' else DTYPES[precision]


class SlotCache:
    """Keys and values of one attention, a fixed number of slots of P tokens each.

    Args:
        shape_BNPH: of one slot.
        slots: capacity.
        device: where they are kept.
        dtype: precision in which they are used.
        kept: precision in which they are kept; another one costs a conversion at every use, of
            one attention's slots at a time.
    """

    def __init__(
        self,
        shape_BNPH: tuple[int, int, int, int],
        slots: int,
        device: torch.device,
        dtype: torch.dtype,
        kept: torch.dtype | None = None,
    ) -> None:
        self._dtype = dtype
        batch, heads, self._tokens, width = shape_BNPH
        shape = (batch, heads, slots * self._tokens, width)
        self._keys = torch.zeros(shape, device=device, dtype=kept or dtype)
        self._values = torch.zeros_like(self._keys)

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """Keys and values of all slots, without a copy."""
        return self._keys, self._values

    def write(self, slot: int, k_BNPH: Tensor, v_BNPH: Tensor) -> None:
        """Put a frame's keys and values into ``slot``."""
        place = slice(slot * self._tokens, (slot + 1) * self._tokens)
        self._keys[:, :, place] = k_BNPH
        self._values[:, :, place] = v_BNPH

    def first(self, slots: int) -> tuple[Tensor, Tensor]:
        """Return the keys and values of the first ``slots`` slots, copied only to convert."""
        end = slots * self._tokens
        return self._keys[:, :, :end].to(self._dtype), self._values[:, :, :end].to(self._dtype)

    def extend(self, slot: int, k_BNPH: Tensor, v_BNPH: Tensor) -> tuple[Tensor, Tensor]:
        """Write ``slot`` and return slots 0..slot (the network's ``KeyValueStore``)."""
        self.write(slot, k_BNPH, v_BNPH)
        return self.first(slot + 1)

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""
        return self._keys.nbytes + self._values.nbytes

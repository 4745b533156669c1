"""Wide layers on some of the tokens at a time, so that what lives inside them stays small.

A layer that treats every token (or every location) by itself gives the same result in parts. The
largest values of a forward pass are inside such layers: four or eight times as wide as what goes
in and comes out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Large enough that every part fills a GPU, small enough that it is no matter beside the weights:
# 64 MB in float32.
VALUES_AT_ONCE = 1 << 24


def in_parts(layer: Callable[[Tensor], Tensor], x: Tensor, values: int) -> Tensor:
    """Return ``layer(x)``, computed for parts of the first dimension where it would be large.

    Args:
        layer: treats the elements of the first dimension independently; its result has the
            shape of its input, and the precision.
        x: the caller's own: without gradients the result takes its place.
        values: numbers that the layer holds at once for one element of the first dimension.
    """
    size = max(VALUES_AT_ONCE // values, 1)
    if torch.is_grad_enabled() or len(x) <= size:
        return layer(x)
    for part in x.split(size):
        part.copy_(layer(part))
    return x

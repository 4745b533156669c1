"""Parts of the network that half precision does not serve."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from gemdepth_ros.model.layers.block import Block


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which autocast (training) leaves float32 as it is.

    Without autocast it changes nothing.
    """
    if device.type == 'meta' or not torch.is_autocast_enabled(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def set_precision(model: nn.Module, dtype: torch.dtype, full: Iterable[nn.Module]) -> None:
    """Set the precision of a network's arithmetic, and keep what must not be rounded in float32.

    Besides ``full`` that is what the residual stream of the transformer blocks consists of: their
    norms and layer scales. A block adds to the stream what its projections give, so rounding the
    stream at every block is a loss that adds up, and a sum that outgrows float16 is the end of
    the frame; the projections themselves, which are the arithmetic, round once each.

    Args:
        model: the network; its weights are converted in place, its tables of positions stay.
        dtype: float32, bfloat16 or float16.
        full: parts that stay in float32 as they are.
    """
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    stream = [part for b in blocks for part in (b.norm1, b.norm2, b.ls1, b.ls2)]
    kept = {id(tensor) for part in (*full, *stream) for tensor in part.parameters()}
    for module in model.modules():
        for tensor in module.parameters(recurse=False):
            # Not rounded first: what is kept keeps all its digits.
            tensor.data = tensor.data.to(torch.float32 if id(tensor) in kept else dtype)

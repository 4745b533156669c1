"""Parts of the network that half precision does not serve, under autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which autocast (training) leaves float32 as it is.

    Without autocast it changes nothing.
    """
    if device.type == 'meta' or not torch.is_autocast_enabled(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)

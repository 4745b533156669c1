"""How much of the device's memory is in use, for diagnostics."""

from __future__ import annotations

from typing import Any

import torch

from gemdepth_ros.pipeline.measurements import DeviceMemory


def device_memory(model: Any) -> DeviceMemory | None:
    """Return the memory of a network's device; None on the host, or without parameters.

    Args:
        model: a torch.nn.Module, or whatever a test puts in its place.
    """
    parameters = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    first = next(parameters, None)
    if first is None or first.device.type != 'cuda':
        return None
    free, total = torch.cuda.mem_get_info(first.device)
    return DeviceMemory(
        used=torch.cuda.memory_allocated(first.device),
        peak=torch.cuda.max_memory_allocated(first.device),
        free=free,
        total=total,
    )

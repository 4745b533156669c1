"""How much of the device's memory is in use, for diagnostics."""

from __future__ import annotations

import functools
import logging
from typing import Any

import torch

from gemdepth_ros.pipeline.measurements import DeviceMemory

logger = logging.getLogger(__name__)


def device_memory(model: Any) -> DeviceMemory | None:
    """Return the memory of a network's device; None on the host, or without parameters.

    None as well where the device does not answer: after some errors CUDA answers every call with
    the same error again. That is logged once; who only asks must not fail for it.

    Args:
        model: a torch.nn.Module, or whatever a test puts in its place.
    """
    parameters = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    first = next(parameters, None)
    if first is None or first.device.type != 'cuda':
        return None
    try:
        return _memory_of(first.device)
    except RuntimeError as error:  # torch.AcceleratorError is one, too
        _report(f'{first.device} does not say what memory it has: {_first_line(error)}')
        return None


def empty_cache() -> None:
    """Give unused memory back to the device; one that does not answer is logged, once."""
    if not torch.cuda.is_available():
        return
    try:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        _report(f'the device does not take memory back: {_first_line(error)}')


@functools.cache  # diagnostics ask once a second
def _report(text: str) -> None:
    """Log, once in the life of the process, what the device does not do any more."""
    logger.error('%s; if it stays so, start the process anew', text)


def _memory_of(device: torch.device) -> DeviceMemory:
    free, total = torch.cuda.mem_get_info(device)
    return DeviceMemory(
        used=torch.cuda.memory_allocated(device),
        peak=torch.cuda.max_memory_allocated(device),
        free=free,
        total=total,
    )


def _first_line(error: RuntimeError) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

"""Peak memory of what runs here: the kernel's high-water mark, or the GPU's allocator."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

STATUS = Path('/proc/self/status')
CLEAR_REFS = Path('/proc/self/clear_refs')
RESET_HIGH_WATER = '5'  # proc(5)
MB = 1e6


@dataclass(frozen=True)
class Memory:
    """Memory of one run [MB].

    Attributes:
        loaded_mb: with the network loaded, before the first frame. CPU: the process's resident
            memory, libraries included; GPU: the allocator's tensors.
        peak_mb: the most at any moment afterwards, ``loaded_mb`` included.
        reserved_mb: GPU: what the allocator took from the device at most; else None.
    """

    loaded_mb: float
    peak_mb: float
    reserved_mb: float | None = None


class MemoryWatch:
    """Remembers the memory at its creation, and later says what the most has been.

    Args:
        device: where the network is.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        gc.collect()
        if device.type == 'cuda':
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            self._loaded = torch.cuda.memory_allocated(device) / MB
            return
        if not sys.platform.startswith('linux'):
            raise OSError('resident memory is read from /proc, which only Linux has')
        ctypes.CDLL(None).malloc_trim(0)  # what building the network left behind
        CLEAR_REFS.write_text(RESET_HIGH_WATER)
        self._loaded = _status_mb('VmRSS')

    def result(self) -> Memory:
        """Return the peak since the creation."""
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)
            peak = torch.cuda.max_memory_allocated(self._device) / MB
            return Memory(self._loaded, peak, torch.cuda.max_memory_reserved(self._device) / MB)
        return Memory(self._loaded, _status_mb('VmHWM'))


def _status_mb(name: str) -> float:
    match = re.search(rf'{name}:\s+(\d+) kB', STATUS.read_text())
    if match is None:
        raise OSError(f'{STATUS} has no {name}')
    return int(match[1]) * 1024 / MB

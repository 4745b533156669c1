"""Which device and precision to run on, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from gemdepth_ros.errors import ConfigError

DTYPES = {
    'float32': torch.float32,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
}
CPU_DESCRIPTION = Path('/proc/cpuinfo')
CPU_BFLOAT16 = ('amx_bf16', 'avx512_bf16', 'bf16')  # flags of x86, the last one of Arm
BFLOAT16_CAPABILITY = 8  # major compute capability from which bfloat16 is fast


@dataclass(frozen=True)
class Placement:
    """Device and precision, with the reason for the log."""

    device: torch.device
    dtype: torch.dtype
    reason: str


def choose_placement(device: str = 'auto', dtype: str = 'auto') -> Placement:
    """Resolve ``auto`` and check what was asked for.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        ConfigError: there is no such device or precision.
    """
    chosen = _device(device)
    if dtype == 'auto':
        return _automatic(chosen)
    if dtype not in DTYPES:
        raise ConfigError(f'dtype must be auto, {", ".join(DTYPES)}, got {dtype!r}')
    return Placement(chosen, DTYPES[dtype], f'{dtype} was asked for{_remark(chosen, dtype)}')


def _remark(device: torch.device, dtype: str) -> str:
    """What is to be known of a precision on a device that is slow or narrow with it."""
    if device.type == 'cpu':
        if dtype == 'bfloat16' and not cpu_bfloat16():
            return ', which this CPU has no instructions for: slower than float32'
        if dtype == 'float16':
            return ', which is slower than float32 on most CPUs'
        return ''
    if dtype == 'bfloat16' and _capability(device) < BFLOAT16_CAPABILITY:
        return ', which this GPU emulates: float16 is faster'
    return ''


def _capability(device: torch.device) -> int:
    """Major compute capability of a GPU."""
    return int(torch.cuda.get_device_capability(device)[0])


def cpu_bfloat16() -> str:
    """Name of the instructions with which this CPU multiplies bfloat16; empty without any."""
    try:
        described = CPU_DESCRIPTION.read_text()
    except OSError:  # not Linux: not known
        return ''
    words = set(described.split())
    return next((name for name in CPU_BFLOAT16 if name in words), '')


def _device(name: str) -> torch.device:
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(name)
    except RuntimeError:
        raise ConfigError(f'device must be auto, cpu, cuda or cuda:N, got {name!r}') from None
    if chosen.type not in ('cpu', 'cuda'):
        raise ConfigError(f'device must be auto, cpu, cuda or cuda:N, got {name!r}')
    if chosen.type == 'cuda' and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f'no CUDA device for {name!r}: PyTorch sees {torch.cuda.device_count()}; '
            'use device:=cpu, or install a CUDA build of PyTorch'
        )
    return chosen


def _automatic(device: torch.device) -> Placement:
    if device.type == 'cpu':
        reason = 'no faster precision is safe on every CPU'
        if units := cpu_bfloat16():
            reason = f'exact; this CPU has {units}, so that dtype bfloat16 may be faster: try it'
        return Placement(device, torch.float32, reason)
    if _capability(device) >= BFLOAT16_CAPABILITY:
        return Placement(device, torch.bfloat16, 'the GPU computes in bfloat16')
    return Placement(device, torch.float16, 'the GPU is too old for bfloat16')

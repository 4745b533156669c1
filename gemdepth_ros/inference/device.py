"""Which device and precision to run on, and why."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gemdepth_ros.errors import ConfigError

DTYPES = {
    'float32': torch.float32,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
}
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
    return Placement(chosen, DTYPES[dtype], f'{dtype} was asked for')


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
        return Placement(device, torch.float32, 'no faster precision is safe on a CPU')
    if torch.cuda.get_device_capability(device)[0] >= BFLOAT16_CAPABILITY:
        return Placement(device, torch.bfloat16, 'the GPU computes in bfloat16')
    return Placement(device, torch.float16, 'the GPU is too old for bfloat16')

"""Fixed sinusoidal tables of slot numbers.

Always made on the CPU: the loader builds the network on the meta device, where a table would be
lost, and no checkpoint is needed for it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def interleaved_sinusoid(rows: int, width: int) -> Tensor:
    """Table [rows, width] of the motion modules: sine on even channels, cosine on odd ones."""
    slot = torch.arange(rows, dtype=torch.float32, device='cpu')[:, None]
    channel = torch.arange(0, width, 2, dtype=torch.float32, device='cpu')
    rate = torch.exp(channel * (-math.log(1e4) / width))
    return torch.stack([torch.sin(slot * rate), torch.cos(slot * rate)], dim=-1).flatten(1)


def concatenated_sinusoid(rows: int, width: int) -> Tensor:
    """Table [rows, width] of ASTT: all sines, then all cosines, computed in float64."""
    slot = torch.arange(rows, dtype=torch.float64, device='cpu')[:, None]
    channel = torch.arange(width // 2, dtype=torch.float64, device='cpu')
    rate = 1e4 ** -(channel / (width // 2))
    return torch.cat([torch.sin(slot * rate), torch.cos(slot * rate)], dim=-1).float()

"""What happens before the sensor: motion while the shutter is open, dirt on the glass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from gemdepth_ros.synthetic.config import WorldConfig

_TAPS = 7
_LONGEST = 0.06
"""Blur is cut off at this part of the image's width."""


def motion_blurred(light: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return the mean of an image along its motion, float32 [3, H, W].

    Args:
        light: linear light, float32 [3, H, W].
        flow: float32 [2, H, W], while the shutter is open, its middle now [px]; NaN: none.
    """
    height, width = light.shape[1:]
    motion = torch.nan_to_num(flow)
    length = torch.sqrt((motion * motion).sum(dim=0)).clamp_min(1e-6)
    motion = motion * (length.clamp_max(_LONGEST * width) / length)
    rows = torch.arange(height, device=light.device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=light.device, dtype=torch.float32)[None]
    total = torch.zeros_like(light)
    for tap in np.linspace(-0.5, 0.5, _TAPS):
        x = (columns + tap * motion[0] + 0.5) * (2.0 / width) - 1.0
        y = (rows + tap * motion[1] + 0.5) * (2.0 / height) - 1.0
        grid = torch.stack([x, y], dim=-1)[None]
        total += functional.grid_sample(
            light[None], grid, padding_mode='border', align_corners=False
        )[0]
    return total / _TAPS


class Dirt:
    """Blurred spots on the glass, which roll slowly downwards like drops.

    Args:
        random: draws them.
        count: number of spots.
    """

    def __init__(self, random: np.random.Generator, count: int) -> None:
        self._spots = np.stack(
            [
                random.uniform(0.0, 1.0, count),  # column per width
                random.uniform(0.0, 1.0, count),  # row per height
                np.exp(random.uniform(np.log(0.008), np.log(0.05), count)),  # radius per width
                random.uniform(0.2, 0.85, count),  # opacity
                random.uniform(0.1, 0.45, count),  # brightness
                random.choice([0.0, 0.0, 0.02, 0.15], count),  # heights per second downwards
            ],
            axis=1,
        )

    def on(self, light: torch.Tensor, time_s: float) -> torch.Tensor:
        """Return linear light behind the dirt, float32 [3, H, W]."""
        height, width = light.shape[1:]
        rows = torch.arange(height, device=light.device, dtype=torch.float32)[:, None]
        columns = torch.arange(width, device=light.device, dtype=torch.float32)[None]
        for x, y, size, opacity, bright, rolling in self._spots:
            radius = size * width
            row = ((y + rolling * time_s) % 1.2 - 0.1) * height
            square = ((columns - x * width) ** 2 + (rows - row) ** 2) / radius**2
            cover = opacity * (1.6 - square).clamp(0.0, 1.0)
            light = light + cover * (bright - light)
        return light


def make_dirt(random: np.random.Generator, config: WorldConfig) -> Dirt | None:
    """Draw the dirt of a drive, or none."""
    dirty, count = random.random() < config.dirt_share, int(random.integers(3, 18))
    dirt = Dirt(random, count)
    return dirt if dirty else None

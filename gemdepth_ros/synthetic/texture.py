"""Procedural textures, filtered by the size of a pixel on the surface."""

from __future__ import annotations

import math

import numpy as np
import torch

_SIZE = 256
_LEVELS = 9


class Noise:
    """Tileable noise of mean 0.5 with power at every scale, and its block means."""

    def __init__(self, random: np.random.Generator, device: torch.device) -> None:
        frequency = np.hypot(
            *np.meshgrid(np.fft.fftfreq(_SIZE), np.fft.rfftfreq(_SIZE), indexing='ij')
        )
        frequency[0, 0] = np.inf
        spectrum = np.fft.rfft2(random.standard_normal((_SIZE, _SIZE))) / frequency**0.9
        noise = np.fft.irfft2(spectrum)
        level = np.clip(0.5 + 0.22 * noise / noise.std(), 0.0, 1.0)
        levels = [level.ravel()]
        for _ in range(_LEVELS - 1):
            half = len(level) // 2
            level = level.reshape(half, 2, half, 2).mean(axis=(1, 3))
            levels.append(level.ravel())
        starts = np.concatenate([[0], np.cumsum([len(values) for values in levels])[:-1]])
        self._texels = torch.from_numpy(np.concatenate(levels).astype(np.float32)).to(device)
        self._starts = torch.from_numpy(starts).to(device)

    def sample(
        self,
        u: torch.Tensor,
        v: torch.Tensor,
        footprint: torch.Tensor,
        log2_texel: torch.Tensor | float,
    ) -> torch.Tensor:
        """Return the noise at places, float32 in 0 .. 1: bilinear, at the level a pixel covers.

        Args:
            u: place across [m].
            v: place along [m].
            footprint: size of a pixel on the surface [m].
            log2_texel: logarithm of the size of the finest grain [m].
        """
        log2_texel = torch.as_tensor(log2_texel, device=u.device)
        level = torch.log2(footprint.clamp_min(1e-6)) - log2_texel
        level = (level + 0.5).clamp(0, _LEVELS - 1).to(torch.int64)
        inverse = torch.exp2(-log2_texel - level)
        # Texel centres: block means lie between those of the finer level.
        column, row = u * inverse - 0.5, v * inverse - 0.5
        left, top = torch.floor(column), torch.floor(row)
        right, down = column - left, row - top
        shift = 8 - level
        mask = (1 << shift) - 1
        x0, y0 = left.to(torch.int64), top.to(torch.int64)
        x1, y1 = (x0 + 1) & mask, (y0 + 1) & mask
        x0, y0 = x0 & mask, y0 & mask
        base = self._starts[level]
        row0, row1 = base + (y0 << shift), base + (y1 << shift)
        texels = self._texels
        upper = torch.lerp(texels[row0 + x0], texels[row0 + x1], right)
        lower = torch.lerp(texels[row1 + x0], texels[row1 + x1], right)
        return torch.lerp(upper, lower, down)


def band(
    position: torch.Tensor,
    period: torch.Tensor | float,
    share: torch.Tensor | float,
    width: torch.Tensor,
) -> torch.Tensor:
    """Return 1 on the middle ``share`` of each period, 0 elsewhere, its mean where it is fine.

    Args:
        position: places [m].
        period: of the bands [m].
        share: part of the period that is 1; 2 or more for everywhere.
        width: of a pixel on the surface [m].
    """
    period = torch.as_tensor(period, device=position.device)
    share = torch.as_tensor(share, device=position.device)
    distance = (position - period * torch.round(position / period)).abs()
    sharp = ((0.5 * share * period - distance) / width.clamp_min(1e-4) + 0.5).clamp(0.0, 1.0)
    coarse = (width / (0.8 * period)).clamp(0.0, 1.0)
    return sharp + coarse * (share.clamp(max=1.0) - sharp)


def line(position: torch.Tensor, centre: float, size: float, width: torch.Tensor) -> torch.Tensor:
    """Return 1 on a line of a size at a place, 0 elsewhere, softened by a pixel's width."""
    reach = width.clamp_min(1e-4)
    covered = (0.5 * (size + reach) - (position - centre).abs()) / reach
    return covered.clamp(0.0, 1.0) * (size / reach).clamp(max=1.0)


def cell_value(u: torch.Tensor, v: torch.Tensor, key: torch.Tensor | float) -> torch.Tensor:
    """Return a number in 0 .. 1 that looks random, one for every whole u and v."""
    mixed = torch.sin(torch.floor(u) * 12.9898 + torch.floor(v) * 78.233 + key * 37.719)
    scaled = mixed * 437.5453
    return scaled - torch.floor(scaled)


def log2(metres: float) -> float:
    """Return the logarithm for ``Noise.sample``."""
    return math.log2(metres)

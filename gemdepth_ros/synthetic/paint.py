"""Colours of surfaces before any light falls on them, linear, float32 [3, M]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gemdepth_ros.synthetic.texture import Noise, band, cell_value, line, log2

if TYPE_CHECKING:
    from gemdepth_ros.synthetic.appearance import RoadPaint
    from gemdepth_ros.synthetic.ground import GroundHits
    from gemdepth_ros.synthetic.primitives import Colour
    from gemdepth_ros.synthetic.surface import Surface

_ZEBRA_M = 3.5
_KERB_TOP_M = 0.16


def solid_colour(
    material: torch.Tensor, solid: torch.Tensor, surface: Surface, noise: Noise
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the colour of solids and the part of the sky they mirror.

    Args:
        material: float32 [MATERIAL_COLUMNS, M], of the solid at each point.
        solid: int64 [M], rows of the table; each has its own piece of the noise.
        surface: the points.
        noise: the texture.
    """
    period_u, period_v, share_u, share_v, bond, varied, grain, grain_m, gloss = material[9:]
    u, v, key = surface.u, surface.v, solid.float()
    size = 0.5 * (surface.width + surface.height)
    row = torch.round(v / period_v)
    shifted = u + bond * 0.5 * period_u * (row - 2.0 * torch.floor(0.5 * row))
    cells = band(shifted, period_u, share_u, surface.width) * band(
        v, period_v, share_v, surface.height
    )
    value = cell_value(shifted / period_u + 0.5, v / period_v + 0.5, key) - 0.5
    fine = (1.0 - 2.0 * surface.width / period_u).clamp(0.0, 1.0)
    second = material[3:6] * (1.0 + 2.0 * varied * fine * value)
    colour = material[0:3] + cells * (second - material[0:3])
    plain = surface.upward & (material[6] >= 0)
    colour = torch.where(plain, material[6:9], colour)
    cells = torch.where(plain, 0.3, cells)
    own_u, own_v = u + 3.7 * key, v + 1.3 * key
    small = noise.sample(own_u, own_v, size, grain_m) - 0.5
    large = noise.sample(own_v, own_u, size, grain_m + 4.0) - 0.5
    # Rain leaves streaks: stains are longer than wide.
    stain = noise.sample(own_u, 0.2 * own_v, size, -2.0) - 0.5
    contrast = 1.0 + grain * (1.4 * small + 0.7 * large + 0.5 * stain)
    return colour * contrast.clamp_min(0.05), gloss * (0.15 + 0.85 * cells)


def ground_colour(
    paint: RoadPaint,
    half_width_m: float,
    ground: GroundHits,
    size: torch.Tensor,
    slant: torch.Tensor,
    noise: Noise,
) -> torch.Tensor:
    """Return the colour of the ground.

    Args:
        paint: its colours.
        half_width_m: from the centre line to the kerb.
        ground: the M points.
        size: float32 [M], width of a pixel across the view [m].
        slant: float32 [M], how much longer it is along the view.
        noise: the texture.
    """
    s, left = ground.along, ground.left
    # Roads run with the view far more often than across it.
    wide, long_ = size * 1.5, size * slant
    mean = size * torch.sqrt(slant)
    fine = noise.sample(s, left, mean, log2(0.012)) - 0.5
    rough = noise.sample(0.25 * s, left, mean, log2(0.12)) - 0.5
    patch = noise.sample(left * 0.7, s * 0.5, mean, log2(0.5)) - 0.5
    road = _mixed(paint.asphalt, paint.mark, _markings(paint, s, left, wide, long_, noise))
    road = road * (1.0 + 0.9 * fine + paint.wear * (0.9 * rough + 0.5 * patch)).clamp_min(0.1)
    seams = torch.maximum(
        1.0 - band(s, paint.slab_m, 0.95, long_), 1.0 - band(left, paint.slab_m, 0.95, wide)
    )
    stone = _column(paint.pavement, s) * (1.0 - 0.45 * seams)
    stone = stone * (1.0 + 0.6 * fine + 0.6 * rough + 0.3 * patch).clamp_min(0.1)
    blades = 1.0 + 1.3 * fine + 1.0 * rough + 1.2 * patch
    field = _column(paint.field, s) * blades.clamp_min(0.1)
    out = left.abs() - half_width_m
    beyond = ((out - paint.pavement_m) / wide.clamp_min(0.02) + 0.5).clamp(0.0, 1.0)
    outside = stone + beyond * (field - stone)
    kerb = _column(paint.kerb, s) * (1.0 + 0.6 * fine - 0.3 * (1.0 - band(s, 1.0, 0.97, long_)))
    kerb = kerb * torch.where(ground.kerb, 0.7, 1.0)
    at_kerb = torch.where(ground.kerb, 1.0, ((_KERB_TOP_M - out) / wide + 0.5).clamp(0.0, 1.0))
    outside = outside + at_kerb * (kerb - outside)
    return torch.where((out > 0) | ground.kerb, outside, road)


def _markings(
    paint: RoadPaint,
    s: torch.Tensor,
    left: torch.Tensor,
    wide: torch.Tensor,
    long_: torch.Tensor,
    noise: Noise,
) -> torch.Tensor:
    cover = torch.zeros_like(s)
    for place, period, share in paint.lines:
        cover = torch.maximum(cover, line(left, place, 0.13, wide) * band(s, period, share, long_))
    stripes = band(left, 1.0, 0.5, wide)
    for place in paint.zebra_m:
        cover = torch.maximum(cover, line(s, place, _ZEBRA_M, long_) * stripes)
    worn = noise.sample(s, left, long_, log2(0.05))
    return cover * (1.25 - 0.8 * worn).clamp(0.0, 1.0)


def _column(colour: Colour, like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(colour, device=like.device, dtype=like.dtype)[:, None]


def _mixed(first: Colour, second: Colour, part: torch.Tensor) -> torch.Tensor:
    low = _column(first, part)
    return low + part * (_column(second, part) - low)

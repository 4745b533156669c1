"""Shadow rays to the sun: tiles of the image against the solids that may shade them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gemdepth_ros.synthetic.cast import KINDS
from gemdepth_ros.synthetic.intersect import entry

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array
    from gemdepth_ros.synthetic.cast import PlacedSolids

_TILE = 8
_REACH_M = 120.0
_LIFT_M = 0.02
"""Rays start this far outside their surface, so that it does not shade itself."""


def lit_by_sun(
    points: torch.Tensor,
    normals: torch.Tensor,
    wanted: torch.Tensor,
    size: tuple[int, int],
    placed: PlacedSolids,
    towards_sun: tuple[float, float, float],
) -> torch.Tensor:
    """Return 1 where the sun reaches a point, 0 where something stands in its way.

    Args:
        points: float32 [3, H * W], what each pixel shows, from the camera, in the scene's axes.
        normals: float32 [3, H * W].
        wanted: bool [H * W], pixels to ask for; the others get 1.
        size: H, W.
        placed: the solids, with the camera as origin.
        towards_sun: unit vector in the scene.
    """
    device = points.device
    sun = torch.tensor(towards_sun, device=device)
    frame = torch.from_numpy(_sun_axes(towards_sun)).to(device, torch.float32)
    start = points + _LIFT_M * normals
    across = torch.where(wanted, frame @ start, torch.nan)
    low, high = _tile_bounds(across, size)
    centre, reach = _solid_bounds(placed, _sun_axes(towards_sun))
    low_s, high_s = (torch.from_numpy(v).to(device) for v in (centre - reach, centre + reach))
    # Shaded tiles: the shadow covers them sideways and the solid lies nearer to the sun.
    meets = (
        (low[0][:, None] < high_s[0])
        & (high[0][:, None] > low_s[0])
        & (low[1][:, None] < high_s[1])
        & (high[1][:, None] > low_s[1])
        & (low[2][:, None] < high_s[2])
    )
    tile, solid = torch.nonzero(meets, as_tuple=True)
    shaded = torch.zeros(points.shape[1] + 1, device=device)
    members = _tile_members(size, device)
    tables = placed.columns.float()
    for kind in KINDS:
        here = torch.nonzero(placed.columns[10, solid] == kind)[:, 0]
        if len(here) == 0:
            continue
        pixel = members[tile[here]]
        own = tables[:, solid[here]][:, :, None]
        ray = [own[3] * sun[0] + own[4] * sun[1], own[3] * sun[1] - own[4] * sun[0], sun[2]]
        point = start[:, pixel.clamp_max(points.shape[1] - 1)]
        dx, dy = point[0] - own[0], point[1] - own[1]
        origin = (own[3] * dx + own[4] * dy, own[3] * dy - own[4] * dx, point[2] - own[2])
        half, lean = (own[5], own[6], own[7]), (own[8], own[9])
        distance = entry(kind, origin, (ray[0], ray[1], ray[2]), half, lean)
        shaded[pixel[distance < torch.inf]] = 1.0
    return 1.0 - shaded[:-1] * wanted


def _sun_axes(towards_sun: tuple[float, float, float]) -> Float64Array:
    """Return two directions across the sun's rays and the one towards it, float64 [3, 3]."""
    sun = np.array(towards_sun)
    side = np.array([-sun[1], sun[0], 0.0]) / np.hypot(sun[0], sun[1])
    return np.stack([side, np.cross(sun, side), sun])


def _solid_bounds(placed: PlacedSolids, axes: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return middles and half extents of all solids along axes, float32 [3, P]."""
    extent = placed.solids.extent()
    cos, sin = np.cos(placed.placed[:, 3]), np.sin(placed.placed[:, 3])
    x, y, z = axes[:, :, np.newaxis].transpose(1, 0, 2)
    local = np.stack([cos * x + sin * y, cos * y - sin * x, np.broadcast_to(z, (3, len(cos)))])
    reach = (np.abs(local) * extent.T[:, np.newaxis]).sum(axis=0)
    centre = axes @ placed.placed[:, :3].T
    # What is far away shades nothing that can be seen.
    reach[0, np.hypot(*placed.placed[:, :2].T) - np.hypot(*extent[:, :2].T) > _REACH_M] = -1e9
    return centre.astype(np.float32), reach.astype(np.float32)


def _tile_members(size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Return the pixels of each tile, int64 [T, 64]; H * W where a tile hangs over the edge."""
    height, width = size
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    padded = torch.full((rows * _TILE, columns * _TILE), height * width, device=device)
    padded[:height, :width] = torch.arange(height * width, device=device).view(height, width)
    tiles = padded.view(rows, _TILE, columns, _TILE).permute(0, 2, 1, 3)
    return tiles.reshape(rows * columns, _TILE * _TILE)


def _tile_bounds(values: torch.Tensor, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return least and largest values of each tile, float32 [3, T]; NaN is left out."""
    members = _tile_members(size, values.device)
    padded = torch.nn.functional.pad(values, (0, 1), value=torch.nan)[:, members]
    low = torch.where(padded.isnan(), torch.inf, padded).amin(dim=2)
    high = torch.where(padded.isnan(), -torch.inf, padded).amax(dim=2)
    return low, high

"""Shadow rays to the sun: tiles of the image against the solids that may shade them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gemdepth_ros.synthetic.cast import KINDS
from gemdepth_ros.synthetic.intersect import entry

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float32Array, Float64Array
    from gemdepth_ros.synthetic.cast import PlacedSolids

_TILE = 8
_REACH_M = 70.0
_LIFT_M = 0.02
"""Rays start this far outside their surface, so that it does not shade itself."""


def lit_by_sun(
    points: torch.Tensor,
    normals: torch.Tensor,
    wanted: torch.Tensor,
    owner: torch.Tensor,
    size: tuple[int, int],
    placed: PlacedSolids,
    towards_sun: tuple[float, float, float],
) -> torch.Tensor:
    """Return 1 where the sun reaches a point, 0 where something stands in its way.

    Args:
        points: float32 [3, H * W], what each pixel shows, from the camera, in the scene's axes.
        normals: float32 [3, H * W].
        wanted: bool [H * W], pixels to ask for; the others get 1.
        owner: int64 [H * W], row of the solid that each pixel shows.
        size: H, W.
        placed: the solids, with the camera as origin.
        towards_sun: unit vector in the scene.
    """
    device = points.device
    members = _tile_members(size, device)
    wanted = wanted & ((points * points).sum(dim=0) < _REACH_M**2)
    start = _tiled(torch.where(wanted, points + _LIFT_M * normals, torch.nan), members)
    tile, solid = _pairs(start, _tiled(owner[None], members)[0], placed, towards_sun)
    shaded = torch.zeros(members.shape, device=device)
    table = placed.columns.float()
    kinds = table[10, solid]
    x, y, z = towards_sun
    for kind in KINDS:
        here = torch.nonzero(kinds == kind)[:, 0]
        if len(here) == 0:
            continue
        own = table[:, solid[here]][:, :, None]
        px, py, pz = (coordinate[tile[here]] for coordinate in start)
        dx, dy = px - own[0], py - own[1]
        origin = (own[3] * dx + own[4] * dy, own[3] * dy - own[4] * dx, pz - own[2])
        ray = (own[3] * x + own[4] * y, own[3] * y - own[4] * x, torch.full_like(own[0], z))
        half, lean = (own[5], own[6], own[7]), (own[8], own[9])
        distance = entry(kind, origin, ray, half, lean)
        shaded.index_add_(0, tile[here], (distance < torch.inf).float())
    result = torch.zeros(points.shape[1] + 1, device=device)
    result[members] = shaded
    return (result[:-1] == 0).float()


def _pairs(
    start: torch.Tensor,
    owner: torch.Tensor,
    placed: PlacedSolids,
    towards_sun: tuple[float, float, float],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tiles and the solids that may shade them: in the way sideways, nearer to the sun."""
    axes = _sun_axes(towards_sun)
    turn = torch.from_numpy(axes).to(start.device, torch.float32)
    across = torch.einsum('ij,jtk->itk', turn, start)
    low = torch.where(across.isnan(), torch.inf, across).amin(dim=2)[:, :, None]
    high = torch.where(across.isnan(), -torch.inf, across).amax(dim=2)[:, :, None]
    bounds = _solid_bounds(placed, axes)
    first, last = (torch.from_numpy(values).to(start.device)[:, None] for values in bounds)
    meets = (low[0] < last[0]) & (high[0] > first[0])
    meets &= (low[1] < last[1]) & (high[1] > first[1]) & (low[2] < last[2])
    tile, solid = torch.nonzero(meets, as_tuple=True)
    # A tile that shows one convex solid alone is not shaded by it.
    alone = (owner.amin(dim=1)[tile] == solid) & (owner.amax(dim=1)[tile] == solid)
    return tile[~alone], solid[~alone]


def _sun_axes(towards_sun: tuple[float, float, float]) -> Float64Array:
    """Return two directions across the sun's rays and the one towards it, float64 [3, 3]."""
    sun = np.array(towards_sun)
    side = np.array([-sun[1], sun[0], 0.0]) / np.hypot(sun[0], sun[1])
    return np.stack([side, np.cross(sun, side), sun])


def _solid_bounds(placed: PlacedSolids, axes: Float64Array) -> tuple[Float32Array, Float32Array]:
    """Return least and largest coordinates of all solids along axes, float32 [3, P]."""
    extent = placed.solids.extent()
    cos, sin = np.cos(placed.placed[:, 3]), np.sin(placed.placed[:, 3])
    x, y, z = axes.T[:, :, np.newaxis]
    local = np.stack([cos * x + sin * y, cos * y - sin * x, np.broadcast_to(z, (3, len(cos)))])
    reach = (np.abs(local) * extent.T[:, np.newaxis]).sum(axis=0)
    centre = axes @ placed.placed[:, :3].T
    # What is far away shades nothing that is asked for, and small things nothing that one sees.
    far = np.hypot(*placed.placed[:, :2].T) - np.linalg.norm(extent, axis=1)
    size = extent.max(axis=1)
    reach[0, ~placed.solids.opaque | (far > 2 * _REACH_M) | (far > 60.0 * size)] = -1e9
    return (centre - reach).astype(np.float32), (centre + reach).astype(np.float32)


def _tile_members(size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Return the pixels of each tile, int64 [T, 64]; H * W where a tile hangs over the edge."""
    height, width = size
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    padded = torch.full((rows * _TILE, columns * _TILE), height * width, device=device)
    padded[:height, :width] = torch.arange(height * width, device=device).view(height, width)
    tiles = padded.view(rows, _TILE, columns, _TILE).permute(0, 2, 1, 3)
    return tiles.reshape(rows * columns, _TILE * _TILE)


def _tiled(values: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """Return values per tile, [C, T, 64] from [C, H * W]; past the edge the last."""
    return values[:, members.clamp_max(values.shape[1] - 1)]

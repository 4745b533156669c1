"""How far rays of any sensor reach: a LiDAR, an ultrasonic sensor, a line of sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gemdepth_ros.synthetic.cast import first_keys, keys_of, resolve

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float32Array, Float64Array
    from gemdepth_ros.synthetic.cast import PlacedSolids
    from gemdepth_ros.synthetic.ground import Ground
    from gemdepth_ros.synthetic.intersect import Vector

_BLOCK = 8192
_INSIDE_COS = -2.0


def cast_ranges(
    placed: PlacedSolids,
    ground: Ground | None,
    origin: Float64Array,
    directions: Float64Array,
    along_m: float,
    far_m: float,
) -> Float32Array:
    """Return distances to what unit rays meet, float32 [N]; +Inf where there is nothing.

    Args:
        placed: the solids.
        ground: the road.
        origin: float64 [3] in the scene.
        directions: float64 [N, 3], unit vectors in the scene.
        along_m: where on the road the sensor is, about.
        far_m: largest distance.
    """
    near = _Near(placed, origin, far_m)
    blocks = [
        _block(near, placed, ground, origin, directions[first : first + _BLOCK], along_m, far_m)
        for first in range(0, len(directions), _BLOCK)
    ]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


class _Near:
    """Solids within reach, each in a cone around the sensor."""

    def __init__(self, placed: PlacedSolids, origin: Float64Array, far_m: float) -> None:
        device = placed.columns.device
        offset = placed.placed[:, :3] - origin
        distance = np.linalg.norm(offset, axis=1)
        radius = np.linalg.norm(placed.solids.extent(), axis=1) * 1.001
        rows = np.flatnonzero(distance - radius < far_m)
        distance, radius = distance[rows].clip(1e-9), radius[rows]
        cosine = np.sqrt(np.maximum(1.0 - (radius / distance) ** 2, 0.0)) - 1e-6
        cosine[distance <= radius] = _INSIDE_COS
        towards = offset[rows] / distance[:, np.newaxis]
        self.rough = placed.rough()
        self.rows = torch.from_numpy(rows).to(device)
        self.cosine = torch.from_numpy(cosine).to(device, torch.float32)
        self.towards = torch.from_numpy(towards.T.copy()).to(device, torch.float32)


def _block(
    near: _Near,
    placed: PlacedSolids,
    ground: Ground | None,
    origin: Float64Array,
    directions: Float64Array,
    along_m: float,
    far_m: float,
) -> Float32Array:
    device = placed.columns.device
    rays = torch.from_numpy(directions.T.copy()).to(device)
    met = None if ground is None else ground.cast(origin, rays, along_m, far_m)
    keys = first_keys(rays.shape[1], met, device)
    start: Vector = tuple(torch.from_numpy(origin.copy()).to(device))
    rough = rays.float()
    ray, which = torch.nonzero(rough.T @ near.towards > near.cosine, as_tuple=True)
    solid = near.rows[which]
    place: Vector = tuple(value.float() for value in start)  # type: ignore[assignment]
    distance = near.rough.entry(solid, place, tuple(rough[:, ray]))
    hit = torch.nonzero(distance < far_m)[:, 0]
    keys.scatter_reduce_(0, ray[hit], keys_of(distance[hit], solid[hit]), 'amin')
    hits = resolve(keys, placed, start, rays, met)
    result = torch.where(hits.distance < far_m, hits.distance, torch.inf)
    return result.float().cpu().numpy()

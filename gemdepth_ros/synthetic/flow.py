"""Where what a pixel shows will be seen from another pose at another time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics
    from gemdepth_ros.synthetic.cast import Hits
    from gemdepth_ros.synthetic.primitives import Solids

_NEAR_M = 1e-3


def flow_between(
    hits: Hits,
    solids: Solids,
    actor_poses: tuple[Float64Array, Float64Array],
    scene_from_camera: tuple[Float64Array, Float64Array],
    rays: torch.Tensor,
    camera: PinholeIntrinsics,
) -> torch.Tensor:
    """Return the optical flow, float64 [2, N]: columns and rows by which points move.

    The sky moves as what is infinitely far away. NaN where a point will lie behind the camera.

    Args:
        hits: what the N = H * W pixels show.
        solids: the table.
        actor_poses: float64 [A, 3], now and then.
        scene_from_camera: float64 [4, 4], now and then.
        rays: float64 [3, N], now, in the scene's axes.
        camera: its intrinsics.
    """
    device = rays.device
    sky = torch.isinf(hits.distance)
    here = torch.from_numpy(scene_from_camera[0][:3, 3].copy()).to(device)[:, None]
    point = torch.where(sky, rays, here + rays * hits.distance)
    actor = torch.from_numpy(np.append(solids.actor, (0, 0))).to(device)[hits.solid]
    point = _carried(point, actor, actor_poses)
    pose = torch.from_numpy(scene_from_camera[1]).to(device)
    seen = pose[:3, :3].T @ torch.where(sky, point, point - pose[:3, 3:])
    depth = torch.where(seen[2] > _NEAR_M, seen[2], torch.nan)
    rows, columns = np.mgrid[: camera.height, : camera.width].reshape(2, -1)
    column = camera.fx * seen[0] / depth + (camera.cx - torch.from_numpy(columns).to(device))
    row = camera.fy * seen[1] / depth + (camera.cy - torch.from_numpy(rows).to(device))
    return torch.stack([column, row])


def _carried(
    point: torch.Tensor, actor: torch.Tensor, poses: tuple[Float64Array, Float64Array]
) -> torch.Tensor:
    """Return points of the scene after their actors have moved; the rest stays as it is."""
    moves = torch.nonzero(actor > 0)[:, 0]
    if len(moves) == 0:
        return point
    now, then = (torch.from_numpy(p).to(point.device)[actor[moves]].T for p in poses)
    dx, dy = point[0, moves] - now[0], point[1, moves] - now[1]
    turn = then[2] - now[2]
    cos, sin = torch.cos(turn), torch.sin(turn)
    point = point.clone()
    point[0, moves] = then[0] + cos * dx - sin * dy
    point[1, moves] = then[1] + sin * dx + cos * dy
    return point

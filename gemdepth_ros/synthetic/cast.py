"""What each ray meets first: pairs of a ray and a solid, then the nearest of each ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gemdepth_ros.synthetic.intersect import Vector, entry
from gemdepth_ros.synthetic.primitives import BOX, CYLINDER, ELLIPSOID, TAPERED
from gemdepth_ros.synthetic.windows import Windows, windows_of

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics
    from gemdepth_ros.synthetic.ground import GroundHits
    from gemdepth_ros.synthetic.primitives import Solids

KINDS = (BOX, TAPERED, CYLINDER, ELLIPSOID)
GROUND, SKY = -1, -2
_CODE_BITS = 32
_NO_CODE = (1 << 31) - 1


@dataclass(frozen=True, eq=False)
class PlacedSolids:
    """All solids at one time, on a device, in double precision.

    Attributes:
        solids: the table.
        placed: float64 [P, 4], numpy: x, y, z [m] and heading [rad] in the scene.
        columns: [11, P], float64 but for ``rough``: x, y, z, cosine and sine of the heading, half
            sizes, leans, kind.
    """

    solids: Solids
    placed: Float64Array
    columns: torch.Tensor

    @staticmethod
    def at(solids: Solids, placed: Float64Array, device: torch.device) -> PlacedSolids:
        """Return the solids where ``placed`` has them."""
        turn = np.stack([np.cos(placed[:, 3]), np.sin(placed[:, 3])])
        rows = [placed[:, :3].T, turn, solids.half.T, solids.lean.T, solids.kind[np.newaxis]]
        columns = torch.from_numpy(np.concatenate(rows).astype(np.float64)).to(device)
        return PlacedSolids(solids, placed, columns)

    def local(
        self, solid: torch.Tensor, origin: Vector, ray: Vector
    ) -> tuple[torch.Tensor, Vector, Vector]:
        """Return columns of solids, and rays' origins and directions in the solids' own axes."""
        own = self.columns[:, solid]
        x, y, z, cos, sin = own[:5]
        dx, dy = origin[0] - x, origin[1] - y
        start = (cos * dx + sin * dy, cos * dy - sin * dx, origin[2] - z)
        direction = (cos * ray[0] + sin * ray[1], cos * ray[1] - sin * ray[0], ray[2])
        return own, start, direction

    def rough(self) -> PlacedSolids:
        """Return the same in single precision: enough to find which solid is met first."""
        return PlacedSolids(self.solids, self.placed, self.columns.float())

    def entry(self, solid: torch.Tensor, origin: Vector, ray: Vector) -> torch.Tensor:
        """Return where each ray enters the solid paired with it, [M]; +Inf: nowhere."""
        dtype = self.columns.dtype
        result = torch.full(solid.shape, torch.inf, dtype=dtype, device=solid.device)
        kind = self.columns[10, solid]
        for each in KINDS:
            here = torch.nonzero(kind == each)[:, 0]
            if len(here) == 0:
                continue
            chosen = [tuple(v[here] if v.ndim else v for v in group) for group in (origin, ray)]
            own, start, direction = self.local(solid[here], *chosen)  # type: ignore[arg-type]
            half, lean = (own[5], own[6], own[7]), (own[8], own[9])
            result[here] = entry(each, start, direction, half, lean)
        return result


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays meet.

    Attributes:
        distance: float64 [N], ray parameters; +Inf for the sky.
        solid: int64 [N], rows of the table, or GROUND or SKY.
        ground: what of the ground was met, also behind solids; None without a ground.
    """

    distance: torch.Tensor
    solid: torch.Tensor
    ground: GroundHits | None


def first_keys(count: int, ground: GroundHits | None, device: torch.device) -> torch.Tensor:
    """Return what rays meet before any solid is looked at, as keys to take the least of.

    A key is the distance as a float32, whose bits order like the number, before the solid's row.
    """
    distance = torch.full((count,), torch.inf, device=device)
    if ground is not None:
        distance[ground.ray] = ground.distance.float()
    return keys_of(distance, torch.full((count,), _NO_CODE, device=device))


def keys_of(distance: torch.Tensor, solid: torch.Tensor) -> torch.Tensor:
    """Return keys, int64, of float32 distances > 0 and rows of the table."""
    return (distance.view(torch.int32).to(torch.int64) << _CODE_BITS) | solid


def resolve(
    keys: torch.Tensor,
    placed: PlacedSolids,
    origin: Vector,
    rays: torch.Tensor,
    ground: GroundHits | None,
) -> Hits:
    """Return the hits of the least keys, their distances anew in double precision."""
    code = keys & ((1 << _CODE_BITS) - 1)
    coarse = (keys >> _CODE_BITS).to(torch.int32).view(torch.float32)
    solid = torch.where(code == _NO_CODE, torch.where(torch.isinf(coarse), SKY, GROUND), code)
    distance = torch.full(solid.shape, torch.inf, dtype=torch.float64, device=solid.device)
    if ground is not None:
        distance[ground.ray] = ground.distance
    which = torch.nonzero(solid >= 0)[:, 0]
    exact = placed.entry(solid[which], origin, tuple(rays[:, which]))
    # A ray that grazes an edge may miss it in double precision.
    distance[which] = torch.where(torch.isinf(exact), coarse[which].double(), exact)
    return Hits(distance, solid, ground)


def camera_hits(
    placed: PlacedSolids,
    ground: GroundHits | None,
    rays: torch.Tensor,
    scene_from_camera: Float64Array,
    camera: PinholeIntrinsics,
    far_m: float,
) -> Hits:
    """Return what the rays of a camera meet.

    Args:
        placed: the solids.
        ground: where the rays meet the ground.
        rays: float64 [3, H * W], in the scene's axes, 1 long along the optical axis.
        scene_from_camera: float64 [4, 4].
        camera: intrinsics of the H x W pixels.
        far_m: solids beyond are left out.
    """
    device = rays.device
    keys = first_keys(rays.shape[1], ground, device)
    windows = windows_of(placed.solids, placed.placed, scene_from_camera, camera, far_m)
    kinds = placed.solids.kind[windows.solid]
    for kind in KINDS:
        here = kinds == kind
        if here.any():
            some = Windows(*(getattr(windows, name)[here] for name in _WINDOW_FIELDS))
            pixel, key = _window_keys(kind, some, placed, scene_from_camera, camera, device)
            keys.scatter_reduce_(0, pixel, key, 'amin')
    origin = tuple(torch.from_numpy(scene_from_camera[:3, 3].copy()).to(device))
    return resolve(keys, placed, origin, rays, ground)


_WINDOW_FIELDS = ('solid', 'top', 'bottom', 'left', 'right')


def _window_keys(
    kind: int,
    windows: Windows,
    placed: PlacedSolids,
    scene_from_camera: Float64Array,
    camera: PinholeIntrinsics,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels and keys of all pairs of a pixel and a solid in whose window it lies."""
    # One span per row of each window. Within it a ray is linear in the column.
    heights = windows.bottom - windows.top
    member = np.repeat(np.arange(len(heights)), heights)
    first = np.cumsum(heights) - heights
    row = np.arange(len(member)) - np.repeat(first - windows.top, heights)
    solid, left = windows.solid[member], windows.left[member]
    table = np.empty((len(member), 16), np.float32)
    start, step, base = _local_rays(placed, windows.solid, scene_from_camera, camera)
    table[:, 0:3] = start[member]
    table[:, 3:6] = step[member]
    across = base[1][member] * ((row - camera.cy) / camera.fy)[:, np.newaxis]
    table[:, 6:9] = base[0][member] + across + step[member] * left[:, np.newaxis]
    table[:, 9:12] = placed.solids.half[solid]
    table[:, 12:14] = placed.solids.lean[solid]
    counts = torch.from_numpy(windows.right[member] - left).to(device)
    total = int((windows.right[member] - left).sum())
    columns = torch.from_numpy(np.ascontiguousarray(table.T)).to(device)

    def spread(values: torch.Tensor) -> torch.Tensor:
        return torch.repeat_interleave(values, counts, output_size=total)

    where = torch.from_numpy(row * camera.width + left).to(device)
    offset = torch.arange(total, device=device) - spread(torch.cumsum(counts, 0) - counts)
    along = offset.float()
    ray = tuple(spread(columns[6 + i]) + along * spread(columns[3 + i]) for i in range(3))
    used = range(9, 14) if kind == TAPERED else range(9, 12)
    shape = [spread(columns[i]) for i in used]
    origin = tuple(spread(columns[i]) for i in range(3))
    lean = tuple(shape[3:5]) if kind == TAPERED else (shape[0], shape[1])
    distance = entry(kind, origin, ray, tuple(shape[:3]), lean)  # type: ignore[arg-type]
    hit = torch.nonzero(distance < torch.inf)[:, 0]
    owner = spread(torch.from_numpy(solid).to(device))[hit]
    return (spread(where) + offset)[hit], keys_of(distance[hit], owner)


def _local_rays(
    placed: PlacedSolids,
    solid: np.ndarray[tuple[int], np.dtype[np.int64]],
    scene_from_camera: Float64Array,
    camera: PinholeIntrinsics,
) -> tuple[Float64Array, Float64Array, tuple[Float64Array, Float64Array]]:
    """Return the camera's position and its rays in the axes of solids.

    A ray is ``base[0] + column * step + (row - cy) / fy * base[1]``; each float64 [V, 3].
    """
    place = placed.placed[solid]
    cos, sin = np.cos(place[:, 3]), np.sin(place[:, 3])

    def turned(vector: Float64Array) -> Float64Array:
        x, y, z = np.broadcast_to(vector, (len(place), 3)).T
        return np.stack([cos * x + sin * y, cos * y - sin * x, z], axis=1)

    start = turned(scene_from_camera[:3, 3] - place[:, :3])
    step = turned(scene_from_camera[:3, 0]) / camera.fx
    ahead = turned(scene_from_camera[:3, 2]) - step * camera.cx
    return start, step, (ahead, turned(scene_from_camera[:3, 1]))

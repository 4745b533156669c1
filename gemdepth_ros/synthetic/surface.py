"""What a ray sees of a solid: the place on it, its normal, and the size of a pixel there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gemdepth_ros.synthetic.primitives import BOX, CYLINDER, ELLIPSOID, TAPERED

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics
    from gemdepth_ros.synthetic.cast import PlacedSolids

_GRAZING = 0.03


@dataclass(frozen=True, eq=False)
class Surface:
    """M visible points; float32 [M] each.

    Attributes:
        u: place across the surface [m].
        v: place up the surface, or ahead on a face that looks up [m].
        width: of a pixel along u [m].
        height: of a pixel along v [m].
        upward: bool, faces of boxes that look up.
        normal: three of them, in the scene.
        facing: cosine between the normal and the ray back.
    """

    u: torch.Tensor
    v: torch.Tensor
    width: torch.Tensor
    height: torch.Tensor
    upward: torch.Tensor
    normal: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    facing: torch.Tensor


def surface_of(
    placed: PlacedSolids,
    solid: torch.Tensor,
    distance: torch.Tensor,
    rays: torch.Tensor,
    scene_from_camera: Float64Array,
    camera: PinholeIntrinsics,
) -> Surface:
    """Return the surface at the points that rays meet.

    Args:
        placed: the solids.
        solid: int64 [M], rows of the table.
        distance: float64 [M].
        rays: float64 [3, M].
        scene_from_camera: float64 [4, 4].
        camera: its intrinsics.
    """
    position = torch.from_numpy(scene_from_camera[:3, 3].copy()).to(rays.device)
    own, start, ray = placed.local(solid, tuple(position), tuple(rays))
    local = [(start[i] + distance * ray[i]).float() for i in range(3)]
    cos, sin, hx, hy, hz, kx, ky, kind = (own[i].float() for i in (3, 4, 5, 6, 7, 8, 9, 10))
    normal, face = _normal(local, (hx, hy, hz), (kx, ky), kind)
    direction = [r.float() for r in ray]
    towards = normal[0] * direction[0] + normal[1] * direction[1] + normal[2] * direction[2]
    steps = _pixel_steps(
        distance.float(), direction, normal, towards, (cos, sin), scene_from_camera, camera
    )
    upward = (face == 2) & (kind <= TAPERED)
    u, v, width, height = _chart(local, normal, face, kind, steps, (hx, hy))
    length = torch.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
    world = (cos * normal[0] - sin * normal[1], sin * normal[0] + cos * normal[1], normal[2])
    return Surface(u, v, width, height, upward, world, (-towards / length).clamp(0.0, 1.0))


def _normal(
    p: list[torch.Tensor],
    half: tuple[torch.Tensor, ...],
    lean: tuple[torch.Tensor, torch.Tensor],
    kind: torch.Tensor,
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return unit normals, and which axis a face belongs to (0 also for round sides)."""
    x, y, z = p
    # How far outside each pair of faces the point lies: the face that is met is nearest to 0.
    round_ = kind == CYLINDER
    radial = torch.sqrt(x * x + y * y)
    off_x = torch.where(round_, radial - half[0], x.abs() + lean[0] * z - half[0])
    off_x = torch.where(round_, off_x, off_x * torch.rsqrt(1 + lean[0] ** 2))
    off_y = (y.abs() + lean[1] * z - half[1]) * torch.rsqrt(1 + lean[1] ** 2)
    off_y = torch.where(round_, -torch.inf, off_y)
    off_z = z.abs() - half[2]
    face = torch.where(off_y > off_x, 1, 0)
    face = torch.where(off_z > torch.maximum(off_x, off_y), 2, face)
    ball = kind == ELLIPSOID
    face = torch.where(ball, 0, face)
    on_x, on_y, on_z = (face == axis for axis in range(3))
    box = kind <= BOX + 1
    sx, sy, sz = torch.sign(x), torch.sign(y), torch.sign(z)
    zero = torch.zeros_like(x)
    nx = torch.where(box, torch.where(on_x, sx, zero), torch.where(on_z, zero, x / half[0] ** 2))
    ny = torch.where(box, torch.where(on_y, sy, zero), torch.where(on_z, zero, y / half[1] ** 2))
    slope = torch.where(on_x, lean[0], torch.where(on_y, lean[1], sz))
    nz = torch.where(ball, z / half[2] ** 2, torch.where(box | on_z, slope, zero))
    norm = torch.rsqrt((nx * nx + ny * ny + nz * nz).clamp_min(1e-20))
    return [nx * norm, ny * norm, nz * norm], face


def _pixel_steps(
    distance: torch.Tensor,
    ray: list[torch.Tensor],
    normal: list[torch.Tensor],
    towards: torch.Tensor,
    turn: tuple[torch.Tensor, torch.Tensor],
    scene_from_camera: Float64Array,
    camera: PinholeIntrinsics,
) -> list[list[torch.Tensor]]:
    """Return how the point moves on the surface from one pixel to the next column and row."""
    cos, sin = turn
    grazing = torch.where(towards < 0, -1.0, 1.0) * towards.abs().clamp_min(_GRAZING)
    steps = []
    for axis, focal in ((0, camera.fx), (1, camera.fy)):
        x, y, z = (float(c) / focal for c in scene_from_camera[:3, axis])
        e = [cos * x + sin * y, cos * y - sin * x, torch.full_like(cos, z)]
        slide = (normal[0] * e[0] + normal[1] * e[1] + normal[2] * e[2]) / grazing
        steps.append([distance * (e[i] - ray[i] * slide) for i in range(3)])
    return steps


def _chart(
    p: list[torch.Tensor],
    normal: list[torch.Tensor],
    face: torch.Tensor,
    kind: torch.Tensor,
    steps: list[list[torch.Tensor]],
    half: tuple[torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    """Return u, v and a pixel's size along them."""
    curved = kind >= CYLINDER
    radius = 0.5 * (half[0] + half[1])
    around = torch.atan2(p[1] / half[1], p[0] / half[0]) * radius
    on_x, on_z = face == 0, face == 2
    u = torch.where(curved & ~on_z, around, torch.where(on_x, p[1], p[0]))
    v = torch.where(on_z, p[1], p[2])
    tangent = torch.rsqrt((normal[0] ** 2 + normal[1] ** 2).clamp_min(1e-4))
    size_u, size_v = [], []
    for step in steps:
        flat = torch.where(on_x, step[1], step[0])
        bent = (step[1] * normal[0] - step[0] * normal[1]) * tangent
        size_u.append(torch.where(curved & ~on_z, bent, flat).abs())
        size_v.append(torch.where(on_z, step[1], step[2]).abs())
    return u, v, size_u[0] + size_u[1], size_v[0] + size_v[1]

"""Where rays enter solids, in the solids' own axes; torch, any device, any float type."""

from __future__ import annotations

import torch

from gemdepth_ros.synthetic.primitives import BOX, CYLINDER, ELLIPSOID, TAPERED

Vector = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Span = tuple[torch.Tensor, torch.Tensor]
_INF = float('inf')
_UPRIGHT = 1e-30


def entry(
    kind: int, origin: Vector, ray: Vector, half: Vector, lean: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """Return the ray parameter at which rays enter solids of one kind; +Inf where they do not.

    All arguments broadcast. A ray that starts inside a solid does not see it.

    Args:
        kind: BOX, TAPERED, CYLINDER or ELLIPSOID.
        origin: where the rays start, from the solid's middle.
        ray: their directions, of any length.
        half: half sizes at half height.
        lean: inward lean of the sides, of tapered boxes.
    """
    if kind == BOX:
        near, far = _box(origin, ray, half)
    elif kind == TAPERED:
        near, far = _tapered(origin, ray, half, lean)
    elif kind == CYLINDER:
        near, far = _cylinder(origin, ray, half)
    else:
        assert kind == ELLIPSOID
        near, far = _ellipsoid(origin, ray, half)
    return torch.where((near <= far) & (near > 0), near, torch.full_like(near, _INF))


def _slab(o: torch.Tensor, d: torch.Tensor, half: torch.Tensor) -> Span:
    """Where rays are between two faces; a ray along them is there always or never."""
    inverse = 1.0 / d
    first, second = (-half - o) * inverse, (half - o) * inverse
    return torch.minimum(first, second), torch.maximum(first, second)


def _box(o: Vector, d: Vector, half: Vector) -> Span:
    """Slabs: Kay and Kajiya 1986."""
    near, far = _slab(o[0], d[0], half[0])
    for axis in (1, 2):
        low, high = _slab(o[axis], d[axis], half[axis])
        near, far = torch.maximum(near, low), torch.minimum(far, high)
    return near, far


def _tapered(o: Vector, d: Vector, half: Vector, lean: tuple[torch.Tensor, torch.Tensor]) -> Span:
    """Six half spaces: |x| + lean z <= half, the same for y, |z| <= half."""
    near, far = _slab(o[2], d[2], half[2])
    for axis in (0, 1):
        room = half[axis] - lean[axis] * o[2]
        slope = lean[axis] * d[2]
        for sign in (1.0, -1.0):
            along = sign * d[axis] + slope + 0.0  # no negative zero: its sign would count
            crossing = (room - sign * o[axis]) / along
            enters = along < 0
            near = torch.maximum(near, torch.where(enters, crossing, -_INF))
            far = torch.minimum(far, torch.where(enters, _INF, crossing))
    return near, far


def _cylinder(o: Vector, d: Vector, half: Vector) -> Span:
    """Upright: a circle in x and y, a slab in z."""
    flat = (d[0] * d[0] + d[1] * d[1]).clamp_min(_UPRIGHT)
    nearest = -(o[0] * d[0] + o[1] * d[1]) / flat
    x, y = o[0] + nearest * d[0], o[1] + nearest * d[1]
    # NaN beside the circle: compares as missed.
    reach = torch.sqrt((half[0] * half[0] - x * x - y * y) / flat)
    low, high = _slab(o[2], d[2], half[2])
    return torch.maximum(nearest - reach, low), torch.minimum(nearest + reach, high)


def _ellipsoid(o: Vector, d: Vector, half: Vector) -> Span:
    """The unit sphere after division by the half sizes, from the nearest point of the ray."""
    ox, oy, oz = o[0] / half[0], o[1] / half[1], o[2] / half[2]
    dx, dy, dz = d[0] / half[0], d[1] / half[1], d[2] / half[2]
    square = dx * dx + dy * dy + dz * dz
    nearest = -(ox * dx + oy * dy + oz * dz) / square
    x, y, z = ox + nearest * dx, oy + nearest * dy, oz + nearest * dz
    reach = torch.sqrt((1.0 - x * x - y * y - z * z) / square)
    return nearest - reach, nearest + reach

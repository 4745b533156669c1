"""The ground of a road: the road itself, a kerb, and the pavement and fields above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gemdepth_ros.synthetic.road import Road

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array

_BEHIND_M, _AHEAD_M = 120.0, 320.0
_KERB_STEPS = 6


@dataclass(frozen=True, eq=False)
class GroundHits:
    """Where rays meet the ground; N rays in all, G of them meet it.

    Attributes:
        ray: int64 [G], which rays.
        distance: float64 [G], ray parameters.
        along: float32 [G], place along the road [m].
        left: float32 [G], place to the left of its centre line [m].
        kerb: bool [G], on the upright face of the kerb.
    """

    ray: torch.Tensor
    distance: torch.Tensor
    along: torch.Tensor
    left: torch.Tensor
    kerb: torch.Tensor

    def only(self, which: torch.Tensor) -> GroundHits:
        """Return some of the hits."""
        return GroundHits(
            self.ray[which],
            self.distance[which],
            self.along[which],
            self.left[which],
            self.kerb[which],
        )


class Ground:
    """The plane z = 0 within ``half_width_m`` of the centre line, ``kerb_m`` higher beyond."""

    def __init__(self, road: Road, half_width_m: float, kerb_m: float) -> None:
        self.road, self.half_width_m, self.kerb_m = road, half_width_m, kerb_m

    def cast(
        self, origin: Float64Array, rays: torch.Tensor, along_m: float, far: float
    ) -> GroundHits:
        """Return what rays meet.

        Args:
            origin: float64 [3], where they start; above the pavement.
            rays: float64 [3, N].
            along_m: where on the road they start, roughly; only the road near it is looked at.
            far: largest ray parameter.
        """
        x, y, z = (float(v) for v in origin)
        ray = torch.nonzero(rays[2] * far < -z + self.kerb_m)[:, 0]
        d = rays[:, ray]
        on_road, on_top = -z / d[2], (self.kerb_m - z) / d[2]
        road = self._near(along_m)
        along, left = road.locate((x + on_road * d[0]).float(), (y + on_road * d[1]).float())
        along_top, left_top = road.locate((x + on_top * d[0]).float(), (y + on_top * d[1]).float())
        above = left_top.abs() > self.half_width_m
        kerb = ~above & (left.abs() > self.half_width_m)
        distance = torch.where(above, on_top, on_road)
        which = torch.nonzero(kerb)[:, 0]
        if len(which):
            distance[which] = self._kerb(road, x, y, d[:, which], on_top[which], on_road[which])
        return GroundHits(
            ray,
            distance,
            torch.where(above, along_top, along),
            torch.where(above, left_top, left),
            kerb,
        )

    def _near(self, along: float) -> Road:
        pieces = self.road.pieces
        near = [
            piece
            for piece in pieces
            if piece.along + piece.length > along - _BEHIND_M and piece.along < along + _AHEAD_M
        ]
        return Road(near)

    def _kerb(
        self,
        road: Road,
        x: float,
        y: float,
        d: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
    ) -> torch.Tensor:
        """Return where rays cross the kerb's face, between two distances: false position."""

        def outside(t: torch.Tensor) -> torch.Tensor:
            return road.locate(x + t * d[0], y + t * d[1])[1].abs() - self.half_width_m

        at_low, at_high = outside(low), outside(high)
        middle = low
        for _ in range(_KERB_STEPS):
            span = at_high - at_low
            part = torch.where(span.abs() > 1e-12, -at_low / span, 0.5)
            middle = low + part.clamp(0.0, 1.0) * (high - low)
            value = outside(middle)
            inner = value < 0
            low, at_low = torch.where(inner, middle, low), torch.where(inner, value, at_low)
            high, at_high = torch.where(inner, high, middle), torch.where(inner, at_high, value)
        return middle

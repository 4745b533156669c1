"""A road as straight pieces and arcs: where a place along it lies, and what place a point has.

Axes of the scene: x ahead at the start, y left, z up [m]; ``along`` is the distance on the
centre line, ``left`` the distance from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array
    from gemdepth_ros.synthetic.config import WorldConfig

START_M = -80.0
"""Where the road begins; the drive begins at 0."""


@dataclass(frozen=True)
class Piece:
    """A straight piece (curvature 0) or an arc (1 / radius, positive to the left)."""

    along: float
    x: float
    y: float
    heading: float
    curvature: float
    length: float

    def at(self, along: Float64Array, left: Float64Array) -> tuple[Float64Array, ...]:
        """Return x, y and heading of places on this piece."""
        s, k = along - self.along, self.curvature
        heading = self.heading + k * s
        if k == 0.0:
            x = self.x + s * math.cos(self.heading)
            y = self.y + s * math.sin(self.heading)
        else:
            x = self.x + (np.sin(heading) - math.sin(self.heading)) / k
            y = self.y - (np.cos(heading) - math.cos(self.heading)) / k
        return x - left * np.sin(heading), y + left * np.cos(heading), heading

    def locate(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return distance from the piece's start along it, and to its left."""
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        dx, dy = x - self.x, y - self.y
        ahead, left = cos * dx + sin * dy, cos * dy - sin * dx
        if self.curvature == 0.0:
            return ahead, left
        radius = 1.0 / self.curvature
        # From the arc's centre; for a right bend the picture is mirrored.
        sign = math.copysign(1.0, radius)
        out = abs(radius) - sign * left
        return torch.atan2(ahead, out) * abs(radius), sign * (
            abs(radius) - torch.sqrt(ahead * ahead + out * out)
        )

    def distance(self, x: float, y: float) -> float:
        """Return how far a point lies from the piece, about: exact beside it, less beyond it."""
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        dx, dy = x - self.x, y - self.y
        ahead, left = cos * dx + sin * dy, cos * dy - sin * dx
        if self.curvature != 0.0:
            radius = 1.0 / abs(self.curvature)
            out = radius - math.copysign(left, self.curvature * left)
            ahead, left = math.atan2(ahead, out) * radius, radius - math.hypot(ahead, out)
        return math.hypot(max(0.0, -ahead, ahead - self.length), left)


class Road:
    """Pieces in order; the first goes on backwards and the last forwards without end."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self._starts = np.array([piece.along for piece in pieces])

    def at(
        self, along: Float64Array | float, left: Float64Array | float
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return x, y and heading of places, float64 of the broadcast shape."""
        along, left = np.broadcast_arrays(np.asarray(along, float), np.asarray(left, float))
        which = np.clip(np.searchsorted(self._starts, along, 'right') - 1, 0, None)
        result = np.zeros((3, *along.shape))
        for index in np.unique(which):
            here = which == index
            result[:, here] = self.pieces[index].at(along[here], left[here])
        return result[0], result[1], result[2]

    def curvature(self, along: Float64Array) -> Float64Array:
        """Return the curvature at distances along the road [1/m]."""
        which = np.clip(np.searchsorted(self._starts, along, 'right') - 1, 0, None)
        return np.array([piece.curvature for piece in self.pieces])[which]

    def locate(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the place of points: along the road and to the left of its centre line."""
        best: tuple[torch.Tensor, ...] | None = None
        for index, piece in enumerate(self.pieces):
            s, left = piece.locate(x, y)
            beyond = torch.zeros_like(s)
            if index > 0:
                beyond = torch.relu(-s)
            if index + 1 < len(self.pieces):
                beyond = torch.maximum(beyond, s - piece.length)
            off = left.abs() + beyond
            if best is None:
                best = off, s + piece.along, left
            else:
                nearer = off < best[0]
                best = (
                    torch.where(nearer, off, best[0]),
                    torch.where(nearer, s + piece.along, best[1]),
                    torch.where(nearer, left, best[2]),
                )
        assert best is not None
        return best[1], best[2]

    def distance(self, x: float, y: float) -> float:
        """Return how far a point lies from the centre line [m]."""
        return min(piece.distance(x, y) for piece in self.pieces)


def make_road(random: np.random.Generator, config: WorldConfig, length_m: float) -> Road:
    """Return a road of at least ``length_m`` from 0 on; the heading at 0 is 0.

    It turns by at most 130 degrees in all, so that it does not meet itself.
    """
    plan: list[tuple[float, float]] = []
    along, turned = START_M, 0.0
    while along < length_m:
        # Straight before the drive begins, so that what stands there is not in the way.
        bend = along > START_M and random.random() < config.bend_share
        piece = random.uniform(15.0, 60.0) + (80.0 if along == START_M else 0.0)
        piece -= 70.0 * random.random() * (along == START_M)
        curvature = 0.0
        if bend:
            # Uniform in curvature between the extremes: gentle bends are not the rule.
            low, high = 1 / config.bend_radius_m[1], 1 / config.bend_radius_m[0]
            curvature = random.uniform(low, high) * random.choice([-1.0, 1.0])
            piece = min(piece, math.radians(random.uniform(20.0, 90.0)) / abs(curvature))
            if abs(turned + curvature * piece) > math.radians(130.0):
                curvature = -curvature
            turned += curvature * piece
        along += piece
        if plan and plan[-1][0] == curvature == 0.0:
            curvature, piece = 0.0, piece + plan.pop()[1]
        plan.append((curvature, piece))
    return Road(_joined(plan))


def _joined(plan: list[tuple[float, float]]) -> list[Piece]:
    along, x, y, heading = START_M, 0.0, 0.0, 0.0
    pieces = []
    for curvature, length in plan:
        piece = Piece(along, x, y, heading, curvature, length)
        pieces.append(piece)
        along += length
        x, y, heading = (float(v) for v in piece.at(np.array(along), np.array(0.0)))
    # The last piece goes on for ever: it must not be an arc.
    pieces.append(Piece(along, x, y, heading, 0.0, math.inf))
    return pieces

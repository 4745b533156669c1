"""A spinning LiDAR: rings of rays, noise of range, dropouts.

All rays of a scan are taken at one moment: there is no rolling shutter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ConfigError

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float32Array, Float64Array

CastRanges = Callable[['Float64Array', float], 'Float32Array']
"""Directions, float64 [N, 3] in the sensor's axes, and the largest range [m], to ranges [m]."""


@dataclass(frozen=True)
class LidarModel:
    """A kind of LiDAR.

    Attributes:
        rings: number of them.
        lowest_deg: elevation of the lowest ring [deg].
        highest_deg: elevation of the highest ring [deg].
        step_deg: from ray to ray around the axis [deg].
        max_range_m: what is farther away does not come back [m].
        range_std_m: standard deviation of a range [m].
        dropout: part of the rays that do not come back.
        field_deg: what it sees around its axis, half to each side of x [deg].
    """

    rings: int
    lowest_deg: float
    highest_deg: float
    step_deg: float
    max_range_m: float
    range_std_m: float
    dropout: float = 0.03
    field_deg: float = 360.0

    def __post_init__(self) -> None:
        if not 0 < self.field_deg <= 360:
            raise ConfigError(f"a LiDAR's field must be within 0..360 deg, got {self.field_deg}")

    def directions(self) -> tuple[Float64Array, npt.NDArray[np.uint16]]:
        """Return unit vectors, float64 [N, 3], x ahead, z up, and their rings from below, [N]."""
        count = max(round(self.field_deg / self.step_deg), 1)
        azimuth = np.radians((np.arange(count) + 0.5) / count * self.field_deg)
        azimuth -= math.radians(self.field_deg / 2)
        elevation = np.radians(np.linspace(self.lowest_deg, self.highest_deg, self.rings))
        up, around = np.meshgrid(elevation, azimuth, indexing='ij')
        flat = np.cos(up)
        rays = np.stack([flat * np.cos(around), flat * np.sin(around), np.sin(up)], axis=-1)
        rings = np.repeat(np.arange(self.rings, dtype=np.uint16), count)
        return rays.reshape(-1, 3), rings


LIDARS: Mapping[int, LidarModel] = {
    64: LidarModel(64, -24.8, 2.0, 0.5, 120.0, 0.02),
    16: LidarModel(16, -15.0, 15.0, 0.4, 100.0, 0.03),
    1: LidarModel(1, 0.0, 0.0, 0.25, 40.0, 0.03),
}
"""By number of rings, after common sensors; fewer rays around than theirs, for speed."""


class Lidar:
    """A LiDAR; ask for scans in the order of time.

    Args:
        model: its kind.
        random: draws its errors.
    """

    def __init__(self, model: LidarModel, random: np.random.Generator) -> None:
        self.model, self._random = model, random
        self._directions, self._rings = model.directions()

    def scan(self, cast: CastRanges) -> tuple[Float32Array, npt.NDArray[np.uint16]]:
        """Return points, float32 [N, 3] in the sensor's axes [m], and their rings, [N]."""
        model, count = self.model, len(self._rings)
        ranges = cast(self._directions, model.max_range_m)
        noise = self._random.normal(0.0, model.range_std_m, count)
        heard = np.isfinite(ranges) & (self._random.random(count) >= model.dropout)
        measured = (ranges[heard] + noise[heard])[:, np.newaxis]
        points = measured * self._directions[heard]
        return points.astype(np.float32), self._rings[heard]

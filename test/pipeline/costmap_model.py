"""Nav2's voxel layer in a few lines: the rules that decide what a cloud does to a costmap.

Modelled on navigation2 (observation_buffer.cpp, voxel_layer.cpp), see the comments. The grid is
in the base frame, which does not move here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gemdepth_ros.interfaces import Float32Array, Float64Array


@dataclass(frozen=True)
class Source:
    """One observation source; the defaults are Nav2's."""

    marking: bool = True
    clearing: bool = False
    min_obstacle_height: float = 0.0
    max_obstacle_height: float = 0.0
    obstacle_min_range: float = 0.0
    obstacle_max_range: float = 2.5
    raytrace_max_range: float = 3.0


# The pair of sources that this package's clouds are made for.
MARK = Source(True, False, 0.25, 2.5, 0.8, 12.0, 0.0)
CLEAR = Source(False, True, -10.0, 100.0, 0.0, 0.0, 12.0)


@dataclass
class VoxelLayer:
    """A grid of ``width_m`` x ``width_m`` around the base, ``voxels`` high."""

    width_m: float = 24.0
    resolution_m: float = 0.1
    z_resolution_m: float = 0.2
    voxels: int = 16
    origin_z_m: float = 0.0
    mark_threshold: int = 0
    max_obstacle_height: float = 2.5
    marked: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        cells = round(self.width_m / self.resolution_m)
        self.marked = np.zeros((cells, cells, self.voxels), bool)

    def update(
        self,
        observations: list[tuple[Source, Float32Array]],
        base_from_camera: Float64Array,
    ) -> None:
        """Apply one cycle: all clearing sources first, then all marking ones."""
        origin = base_from_camera[:3, 3]
        seen = [
            (source, self._buffered(source, points, base_from_camera))
            for source, points in observations
        ]
        for source, points in seen:
            if source.clearing:
                self._clear(points, origin, source.raytrace_max_range)
        for source, points in seen:
            if source.marking:
                self._mark(points, origin, source)

    def columns(self) -> npt.NDArray[np.bool_]:
        """The two-dimensional costmap: columns with more marked voxels than the threshold."""
        return self.marked.sum(axis=2) > self.mark_threshold

    def near(self, x: float, y: float, radius: float = 1.0) -> int:
        """Marked columns within a radius of a place [m]."""
        cells = np.argwhere(self.columns()) * self.resolution_m - self.width_m / 2
        return int((np.hypot(*(cells - (x, y)).T) < radius).sum())

    @staticmethod
    def _buffered(source: Source, points: Float32Array, base_from_camera: Float64Array):
        """Heights are filtered when a cloud arrives, for marking and clearing alike."""
        placed = points.astype(float) @ base_from_camera[:3, :3].T + base_from_camera[:3, 3]
        with np.errstate(invalid='ignore'):  # NaN compares as false, infinity is too high
            kept = (placed[:, 2] <= source.max_obstacle_height) & (
                placed[:, 2] >= source.min_obstacle_height
            )
        return placed[kept & np.isfinite(placed).all(axis=1)]

    def _mark(self, points: Float64Array, origin: Float64Array, source: Source) -> None:
        distance = np.linalg.norm(points - origin, axis=1)
        kept = (distance < source.obstacle_max_range) & (distance >= source.obstacle_min_range)
        kept &= points[:, 2] <= self.max_obstacle_height
        cells, inside = self._cells(points[kept])
        self.marked[tuple(cells[inside].T)] = True

    def _clear(self, points: Float64Array, origin: Float64Array, reach: float) -> None:
        if not 0 <= origin[2] - self.origin_z_m < self.voxels * self.z_resolution_m:
            return  # "Sensor origin is out of map bounds. The costmap cannot raytrace for it."
        ways = points - origin
        lengths = np.linalg.norm(ways, axis=1)
        # A ray ends two cells before its point, and at the range.
        ends = np.minimum(np.maximum(lengths - 2 * self.resolution_m, 0), reach)
        ways *= (ends / lengths)[:, None]
        steps = int(reach / (0.5 * self.resolution_m))
        for part in np.linspace(0, 1, steps + 1):
            cells, inside = self._cells(origin + part * ways)
            self.marked[tuple(cells[inside].T)] = False

    def _cells(self, points: Float64Array):
        size = np.array([self.resolution_m, self.resolution_m, self.z_resolution_m])
        corner = np.array([-self.width_m / 2, -self.width_m / 2, self.origin_z_m])
        cells = np.floor((points - corner) / size).astype(int)
        return cells, ((cells >= 0) & (cells < self.marked.shape)).all(axis=1)

"""The shipped Nav2 files as models: what a setting that is missing means is Nav2's default."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from costmap_model import Source, VoxelLayer

from gemdepth_ros.interfaces import Float32Array, Float64Array

CONFIG = Path(__file__).parents[2] / 'config'
Points = Float32Array | Float64Array


def parameters(name: str) -> dict[str, Any]:
    """Parameters of the only node in a shipped file."""
    loaded = yaml.safe_load((CONFIG / name).read_text())
    while 'ros__parameters' not in loaded:
        (loaded,) = loaded.values()
    result: dict[str, Any] = loaded['ros__parameters']
    return result


def source_of(values: dict[str, Any]) -> Source:
    """A source of an obstacle or voxel layer."""
    assert values['data_type'] == 'PointCloud2'  # the default is LaserScan
    names = Source.__dataclass_fields__
    return Source(**{name: values[name] for name in names if name in values})


def voxel_layer(costmap: dict[str, Any]) -> tuple[VoxelLayer, Source, Source]:
    """The layer and its two sources (marking, clearing)."""
    layer = costmap['voxel_layer']
    assert layer['plugin'] == 'nav2_costmap_2d::VoxelLayer'
    mark, clear = (source_of(layer[name]) for name in layer['observation_sources'].split())
    model = VoxelLayer(
        width_m=costmap['width'],
        resolution_m=costmap['resolution'],
        z_resolution_m=layer.get('z_resolution', 0.2),
        voxels=layer.get('z_voxels', 10),
        origin_z_m=layer.get('origin_z', 0.0),
        mark_threshold=layer.get('mark_threshold', 0),
        max_obstacle_height=layer.get('max_obstacle_height', 2.0),
    )
    return model, mark, clear


@dataclass
class TemporalLayer:
    """STVL: voxels with the time of their mark; a frustum makes those inside it older.

    Modelled on spatio_temporal_voxel_grid.cpp and depth_camera_frustum.cpp.
    """

    settings: dict[str, Any]
    marked: dict[tuple[int, int, int], float] = field(default_factory=dict)

    def update(
        self, now_s: float, mark_points: Points | None, base_from_camera: Float64Array
    ) -> None:
        """One cycle: decay, then mark. ``mark_points`` is None when no cloud came since."""
        mark, clear = self._sources()
        if self.marked:
            self._decay(now_s, clear, base_from_camera)
        if mark_points is None:
            assert mark['clear_after_reading']  # else the last cloud would be marked again
        else:
            self._mark(now_s, mark, mark_points, base_from_camera)

    def near(self, x: float, y: float, radius: float = 1.0) -> int:
        """Marked voxels within a radius of a place [m]."""
        size = self.settings['voxel_size']
        places = [((i + 0.5) * size, (j + 0.5) * size) for i, j, _ in self.marked]
        return sum(math.hypot(a - x, b - y) < radius for a, b in places)

    def _sources(self) -> tuple[dict[str, Any], dict[str, Any]]:
        mark, clear = (self.settings[n] for n in self.settings['observation_sources'].split())
        assert mark['marking']
        assert not mark['clearing']
        assert clear['clearing']
        assert not clear['marking']
        return mark, clear

    def _decay(self, now_s: float, source: dict[str, Any], base_from_camera: Float64Array) -> None:
        keys = np.array(list(self.marked))
        centres = (keys + 0.5) * self.settings['voxel_size']
        ages = now_s - np.array(list(self.marked.values()))
        left = self.settings['voxel_decay'] - ages
        faster = np.where(
            self._in_view(centres, source, base_from_camera),
            source.get('decay_acceleration', 0.0) / 6 * ages**3,
            0.0,
        )
        self.marked = {
            (int(a), int(b), int(c)): float(now_s - age - more)
            for (a, b, c), age, more, rest in zip(keys, ages, faster, left, strict=True)
            if rest - more >= 0
        }

    def _in_view(
        self, points: Float64Array, source: dict[str, Any], base_from_camera: Float64Array
    ) -> Any:
        """The frustum looks along +z of the cloud's frame."""
        x, y, z = ((points - base_from_camera[:3, 3]) @ base_from_camera[:3, :3]).T
        wide = np.abs(x) < z * math.tan(source['horizontal_fov_angle'] / 2)
        tall = np.abs(y) < z * math.tan(source['vertical_fov_angle'] / 2)
        return wide & tall & (z > source['min_z']) & (z < source['max_z'])

    def _mark(
        self,
        now_s: float,
        source: dict[str, Any],
        points: Points,
        base_from_camera: Float64Array,
    ) -> None:
        placed = points.astype(float) @ base_from_camera[:3, :3].T + base_from_camera[:3, 3]
        with np.errstate(invalid='ignore'):
            kept = placed[:, 2] >= source.get('min_obstacle_height', 0.0)
            kept &= placed[:, 2] <= source.get('max_obstacle_height', 3.0)
        kept &= np.linalg.norm(placed - base_from_camera[:3, 3], axis=1) <= source.get(
            'obstacle_range', 2.5
        )
        cells = np.floor(placed[kept] / self.settings['voxel_size']).astype(int)
        found, counts = np.unique(cells, axis=0, return_counts=True)
        fewest = source['voxel_min_points'] if source['filter'] == 'voxel' else 1
        self.marked |= {(int(a), int(b), int(c)): now_s for a, b, c in found[counts >= fewest]}


@dataclass
class CollisionMonitor:
    """Nav2's collision monitor with a point cloud, modelled on pointcloud.cpp and polygon.cpp."""

    settings: dict[str, Any]

    def action(self, points: Points, age_s: float, base_from_camera: Float64Array) -> str:
        """What it does with a cloud whose stamp is ``age_s`` old: go, slowdown or stop."""
        (name,) = self.settings['observation_sources']
        source = self.settings[name]
        timeout_s = source.get('source_timeout', self.settings.get('source_timeout', 2.0))
        if timeout_s and age_s > timeout_s:
            return 'stop'  # "Ignoring the source": without data it stops
        placed = points.astype(float) @ base_from_camera[:3, :3].T + base_from_camera[:3, 3]
        low, high = source.get('min_height', 0.05), source.get('max_height', 0.5)
        kept = placed[(placed[:, 2] >= low) & (placed[:, 2] <= high)]
        actions = [self._of(polygon, kept) for polygon in self.settings['polygons']]
        return 'stop' if 'stop' in actions else next(filter(None, actions), 'go')

    def _of(self, name: str, points: Points) -> str:
        polygon = self.settings[name]
        corners = np.array(yaml.safe_load(polygon['points']))
        low, high = corners.min(axis=0), corners.max(axis=0)  # the shipped ones are rectangles
        inside = ((points[:, :2] > low) & (points[:, :2] < high)).all(axis=1).sum()
        return str(polygon['action_type']) if inside >= polygon.get('min_points', 4) else ''

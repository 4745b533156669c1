"""The shipped Nav2 files with our two clouds: an obstacle is marked, then cleared.

The clouds come from disparity through the pipeline's products, with edge filter and thinning as
shipped; the files are read as they are. Each trap that they avoid is set once, as a control.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from nav2_files import CollisionMonitor, TemporalLayer, parameters, voxel_layer
from product_scenes import BASE_FROM_CAMERA, CAMERA_HEIGHT_M, Wall, scene

from gemdepth_ros.grounding.manual import manual_state
from gemdepth_ros.interfaces import Float32Array, OutputRequest, PinholeIntrinsics, VideoFrame
from gemdepth_ros.pipeline.config import MountingConfig, ProductsConfig
from gemdepth_ros.pipeline.metres import camera_mounting
from gemdepth_ros.pipeline.product_builder import ProductBuilder
from gemdepth_ros.pipeline.products_config import CostmapClouds

CAMERA = PinholeIntrinsics(1242, 375, 721.5377, 721.5377, 609.5593, 172.854)  # KITTI's
PEDESTRIAN = Wall(8.0, -0.3, 0.3, 0.0, 1.8)
SCALE, SHIFT = 20.0, 0.7
COSTMAP = OutputRequest(depth=False, points=False, costmap=True)


def clouds(
    *walls: Wall, camera: PinholeIntrinsics = CAMERA, config: CostmapClouds | None = None
) -> tuple[Float32Array, Float32Array]:
    """(points_mark, points_clear) of a scene, as the node publishes them."""
    depth = scene(*walls, camera=camera)
    frame = VideoFrame(np.zeros((*depth.shape, 3), np.uint8), stamp_ns=0, camera=camera)
    mounting = camera_mounting(MountingConfig(height_m=CAMERA_HEIGHT_M))
    builder = ProductBuilder(ProductsConfig(costmap=config or CostmapClouds()), mounting)
    disparity = torch.from_numpy(SHIFT + SCALE / depth)
    state = manual_state(SCALE, SHIFT, math.nan)
    products = builder.build(frame, disparity, camera, state, COSTMAP)
    assert products.mark_points is not None
    assert products.clear_points is not None
    return products.mark_points, products.clear_points


SEEN, GONE = clouds(PEDESTRIAN), clouds()


def marked_then_cleared(costmap: dict[str, Any]) -> tuple[int, int, int]:
    """Marked columns: of an obstacle, while it is still there, and when it has gone."""
    layer, mark, clear = voxel_layer(costmap)
    counts = []
    for points_mark, points_clear in (SEEN, SEEN, GONE):
        layer.update([(mark, points_mark), (clear, points_clear)], BASE_FROM_CAMERA)
        counts.append(layer.near(8.0, 0.0))
        assert int(layer.columns().sum()) == counts[-1]  # the road marks nothing
    return counts[0], counts[1], counts[2]


def test_voxel_layer_marks_an_obstacle_and_clears_it() -> None:
    marked, still, cleared = marked_then_cleared(parameters('nav2_voxel_layer.yaml'))
    assert marked >= 6
    assert still == marked
    assert cleared == 0


@pytest.mark.parametrize(
    ('place', 'name', 'value', 'effect'),
    [
        ('gemdepth_mark', 'max_obstacle_height', 0.0, 'nothing marks'),  # Nav2's default
        ('gemdepth_mark', 'obstacle_max_range', 2.5, 'nothing marks'),  # Nav2's default
        ('gemdepth_clear', 'max_obstacle_height', 0.0, 'never cleared'),  # Nav2's default
        ('gemdepth_clear', 'min_obstacle_height', 0.25, 'never cleared'),
        ('gemdepth_clear', 'raytrace_max_range', 3.0, 'never cleared'),  # Nav2's default
        ('gemdepth_clear', 'clearing', False, 'never cleared'),  # Nav2's default
        ('', 'z_resolution', 0.05, 'never cleared'),  # 0.8 m: below the camera
    ],
)
def test_each_number_of_the_voxel_layer_matters(
    place: str, name: str, value: Any, effect: str
) -> None:
    costmap = copy.deepcopy(parameters('nav2_voxel_layer.yaml'))
    layer = costmap['voxel_layer']
    (layer[place] if place else layer)[name] = value
    marked, _, cleared = marked_then_cleared(costmap)
    if effect == 'nothing marks':
        assert marked == 0
    else:
        assert cleared >= 0.5 * marked > 0


def test_the_window_holds_the_ranges_and_the_grid_the_camera() -> None:
    costmap = parameters('nav2_voxel_layer.yaml')
    _, mark, clear = voxel_layer(costmap)
    assert min(costmap['width'], costmap['height']) >= 2 * mark.obstacle_max_range
    assert clear.raytrace_max_range >= mark.obstacle_max_range
    limits = ProductsConfig().costmap
    shortened = limits.clearing_range_m - 2 * costmap['resolution']
    assert shortened >= clear.raytrace_max_range  # else the last metre would never clear
    assert limits.max_range_m <= mark.obstacle_max_range
    layer = costmap['voxel_layer']
    assert layer['z_voxels'] <= 16
    assert layer['origin_z'] + layer['z_voxels'] * layer['z_resolution'] > CAMERA_HEIGHT_M + 0.5


def test_unknown_depth_neither_marks_nor_clears() -> None:
    layer, mark, clear = voxel_layer(parameters('nav2_voxel_layer.yaml'))
    layer.update([(mark, SEEN[0]), (clear, SEEN[1])], BASE_FROM_CAMERA)
    before = layer.marked.copy()
    lost = np.full((500, 3), np.nan, np.float32)
    layer.update([(mark, lost), (clear, lost)], BASE_FROM_CAMERA)
    np.testing.assert_array_equal(layer.marked, before)


def test_an_obstacle_at_the_far_end_is_cleared() -> None:
    layer, mark, clear = voxel_layer(parameters('nav2_voxel_layer.yaml'))
    far = clouds(Wall(11.5, -0.6, 0.6, 0.0, 2.0))
    layer.update([(mark, far[0]), (clear, far[1])], BASE_FROM_CAMERA)
    assert layer.near(11.5, 0.0) >= 6
    layer.update([(mark, GONE[0]), (clear, GONE[1])], BASE_FROM_CAMERA)
    assert layer.columns().sum() == 0


@pytest.mark.parametrize(('clear_step', 'left'), [(3, False), (6, True)])
def test_rays_must_be_as_close_as_the_cells(clear_step: int, left: bool) -> None:
    """docs/navigation.md: clear_step <= focal length * resolution / raytrace_max_range."""
    camera = PinholeIntrinsics(621, 188, 360.8, 360.8, 304.8, 86.4)
    costmap = parameters('nav2_voxel_layer.yaml')
    layer, mark, clear = voxel_layer(costmap)
    allowed = camera.fx * costmap['resolution'] / clear.raytrace_max_range
    assert (clear_step > allowed) == left
    config = CostmapClouds(clear_step=clear_step, mark_step=1)
    for walls in ((Wall(11.5, -0.6, 0.6, 0.0, 2.0),), ()):
        seen = clouds(*walls, camera=camera, config=config)
        layer.update([(mark, seen[0]), (clear, seen[1])], BASE_FROM_CAMERA)
    assert bool(layer.columns().any()) == left


def test_the_shipped_clear_step_fits_the_shipped_files_at_kitti_size() -> None:
    costmap = parameters('nav2_voxel_layer.yaml')
    _, _, clear = voxel_layer(costmap)
    allowed = CAMERA.fx * costmap['resolution'] / clear.raytrace_max_range
    assert ProductsConfig().costmap.clear_step <= allowed


# --- STVL ---


def stvl() -> TemporalLayer:
    return TemporalLayer(parameters('nav2_stvl.yaml')['stvl_layer'])


def test_stvl_keeps_what_is_seen_and_forgets_what_has_gone() -> None:
    layer = stvl()
    for cycle in range(50):  # 10 s at the update frequency
        layer.update(0.2 * cycle, SEEN[0], BASE_FROM_CAMERA)
        assert layer.near(8.0, 0.0) >= 20
    for cycle in range(50, 61):  # 2.2 s without it
        layer.update(0.2 * cycle, GONE[0], BASE_FROM_CAMERA)
    assert layer.near(8.0, 0.0) == 0


def test_stvl_forgets_slowly_what_has_left_the_view() -> None:
    layer = stvl()
    layer.update(0.0, SEEN[0], BASE_FROM_CAMERA)
    turned = BASE_FROM_CAMERA.copy()
    turned[:3, :3] = np.diag([-1.0, -1.0, 1.0]) @ turned[:3, :3]
    for cycle in range(1, 29):
        layer.update(0.2 * cycle, None, turned)
    assert layer.near(8.0, 0.0) >= 20  # after 5.6 s
    layer.update(6.2, None, turned)
    assert layer.near(8.0, 0.0) == 0


def test_stvl_looks_where_the_camera_looks() -> None:
    """Angles from P, in the optical frame: the frustum holds the marks, and little more."""
    values = parameters('nav2_stvl.yaml')['stvl_layer']['gemdepth_clear']
    focal, width, height = 721.5377, 1242, 375
    assert values['horizontal_fov_angle'] == pytest.approx(2 * math.atan(width / 2 / focal), 0.01)
    assert values['vertical_fov_angle'] == pytest.approx(2 * math.atan(height / 2 / focal), 0.01)
    limits = ProductsConfig().costmap
    assert values['max_z'] >= limits.max_range_m
    assert values['min_z'] <= limits.min_range_m
    layer = stvl()
    in_body_axes = np.eye(4)  # a cloud turned into x forward would be looked at from above
    in_body_axes[2, 3] = CAMERA_HEIGHT_M
    layer.update(0.0, SEEN[0], BASE_FROM_CAMERA)
    for cycle in range(1, 12):
        layer.update(0.2 * cycle, None, in_body_axes)
    assert layer.near(8.0, 0.0) >= 20  # the trap: never cleared before its time


# --- collision monitor ---


@pytest.mark.parametrize(
    ('walls', 'age_s', 'expected'),
    [
        ((), 0.1, 'go'),
        ((PEDESTRIAN,), 0.1, 'go'),
        ((Wall(4.0, -0.3, 0.3, 0.0, 1.8),), 0.1, 'slowdown'),
        ((Wall(1.5, -0.3, 0.3, 0.3, 1.8),), 0.1, 'stop'),
        ((Wall(1.5, -4.0, -2.0, 0.0, 1.8),), 0.1, 'go'),  # beside the way
        ((Wall(4.0, -3.0, 3.0, 2.6, 4.0),), 0.1, 'go'),  # a bridge
        ((), 1.1, 'stop'),  # the camera, or the network, is too late
    ],
)
def test_collision_monitor(walls: tuple[Wall, ...], age_s: float, expected: str) -> None:
    monitor = CollisionMonitor(parameters('nav2_collision_monitor.yaml'))
    assert monitor.action(clouds(*walls)[0], age_s, BASE_FROM_CAMERA) == expected


def test_the_node_warns_before_the_collision_monitor_stops() -> None:
    pytest.importorskip('rclpy')
    pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
    from gemdepth_ros.ros.node_config import NodeConfig

    timeout_s = parameters('nav2_collision_monitor.yaml')['source_timeout']
    assert NodeConfig().latency_warn_ms <= 1e3 * timeout_s

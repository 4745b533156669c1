"""Costmap clouds: their limits, and what a costmap with Nav2's rules makes of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from costmap_model import CLEAR, MARK, VoxelLayer
from product_scenes import BASE_FROM_CAMERA, CAMERA, CAMERA_HEIGHT_M, Wall, scene

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import Float32Array, Float64Array, PinholeIntrinsics
from gemdepth_ros.pipeline.clouds import _alike_neighbours, points_clear, points_mark
from gemdepth_ros.pipeline.products_config import CostmapClouds, EdgeFilter
from gemdepth_ros.pipeline.surfaces import flying_pixels

# The camera has a quarter of KITTI's rows and columns: all are used.
DENSE = CostmapClouds(mark_step=1, clear_step=1, max_mark_points=10**6, max_clear_points=10**6)
OBSTACLE = Wall(8.0, -0.6, 0.6, 0.0, 1.8)
GHOST = Wall(6.0, -0.5, 0.5, 0.8, 2.2)


def mark(depth: Float32Array, config: CostmapClouds = DENSE, **more: Any) -> Float32Array:
    return points_mark(depth, CAMERA, BASE_FROM_CAMERA, config, **more)


def clear(depth: Float32Array, config: CostmapClouds = DENSE, **more: Any) -> Float32Array:
    return points_clear(depth, CAMERA, BASE_FROM_CAMERA, config, **more)


def heights(points: Float32Array) -> Float64Array:
    return CAMERA_HEIGHT_M - points[:, 1].astype(float)


def ranges(points: Float32Array) -> Float64Array:
    return np.linalg.norm(points.astype(float), axis=1)


def seen_by(
    layer: VoxelLayer, depth: Float32Array, config: CostmapClouds = DENSE, rays: bool = True
) -> None:
    """One frame's clouds into the costmap; without ``rays``, sky stays infinite."""
    free = clear(depth, config) if rays else _unfiltered(depth)
    layer.update([(MARK, mark(depth, config)), (CLEAR, free)], BASE_FROM_CAMERA)


def _unfiltered(depth: Float32Array) -> Float32Array:
    """What a plain depth cloud has: infinity for sky."""
    from gemdepth_ros.geometry.point_cloud import unproject

    return unproject(depth, CAMERA).reshape(-1, 3)


# --- what a costmap makes of them ---


def test_an_obstacle_is_marked_where_it_is_and_cleared_when_it_has_gone() -> None:
    layer = VoxelLayer()
    seen_by(layer, scene(OBSTACLE))
    assert layer.near(8.0, 0.0) >= 10
    assert layer.columns().sum() == layer.near(8.0, 0.0)  # the road marks nothing
    seen_by(layer, scene(OBSTACLE))
    assert layer.near(8.0, 0.0) >= 10  # rays to it and past it leave it standing
    seen_by(layer, scene())
    assert layer.columns().sum() == 0


def test_a_ghost_before_the_sky_is_cleared_by_rays_into_the_sky() -> None:
    layer = VoxelLayer()
    seen_by(layer, scene(GHOST))
    assert layer.near(6.0, 0.0) >= 10
    seen_by(layer, scene())
    assert layer.columns().sum() == 0


def test_an_infinite_sky_would_leave_the_ghost() -> None:
    """The control: the same costmap, the same ghost, a cloud with infinity for sky."""
    layer = VoxelLayer()
    seen_by(layer, scene(GHOST))
    marked = layer.near(6.0, 0.0)
    for _ in range(5):
        seen_by(layer, scene(), rays=False)
    assert layer.near(6.0, 0.0) > 0.5 * marked


def test_a_ghost_before_a_wall_is_cleared_and_the_wall_stays() -> None:
    wall = Wall(10.0, -6.0, 6.0, 0.0, 5.0)
    layer = VoxelLayer()
    seen_by(layer, scene(wall, GHOST))
    seen_by(layer, scene(wall))
    assert layer.near(6.0, 0.0, radius=2.0) == 0
    assert layer.near(10.0, 0.0) >= 10


def test_a_wall_beyond_the_marking_range_still_clears() -> None:
    layer = VoxelLayer()
    seen_by(layer, scene(GHOST))
    seen_by(layer, scene(Wall(30.0, -30, 30, 0.0, 12.0)))
    assert layer.columns().sum() == 0


def test_a_wall_beyond_the_depth_limit_is_not_cleared() -> None:
    """Depth ends before the clearing range: infinity may hide a wall that stands in between."""
    limit_m = 7.0
    wall = scene(OBSTACLE)
    hidden = np.where(wall > limit_m, np.float32(np.inf), wall)
    layer = VoxelLayer()
    seen_by(layer, wall)
    before = layer.near(8.0, 0.0)
    assert before
    layer.update([(CLEAR, clear(hidden, max_depth_m=limit_m))], BASE_FROM_CAMERA)
    assert layer.near(8.0, 0.0) == before
    layer.update([(CLEAR, clear(hidden))], BASE_FROM_CAMERA)
    assert layer.near(8.0, 0.0) < before, 'without the limit it would be'


def test_unknown_depth_neither_marks_nor_clears() -> None:
    layer = VoxelLayer()
    seen_by(layer, scene(OBSTACLE))
    before = layer.marked.copy()
    seen_by(layer, np.full_like(scene(), np.nan))
    np.testing.assert_array_equal(layer.marked, before)


def test_a_grid_lower_than_the_camera_never_clears() -> None:
    """The trap of Nav2's tutorial: 16 x 0.05 m; the shipped 16 x 0.2 m hold the camera."""
    low = VoxelLayer(z_resolution_m=0.05)
    seen_by(low, scene(OBSTACLE))
    marked = low.columns().sum()
    seen_by(low, scene())
    assert low.columns().sum() == marked > 0


def test_one_source_for_both_cannot_clear() -> None:
    """Its height filter takes the road and the sky away before rays are traced."""
    both = replace(MARK, clearing=True, raytrace_max_range=12.0)
    layer = VoxelLayer()
    layer.update([(both, mark(scene(OBSTACLE)))], BASE_FROM_CAMERA)
    marked = layer.columns().sum()
    layer.update([(both, _unfiltered(scene()))], BASE_FROM_CAMERA)
    assert layer.columns().sum() >= 0.5 * marked > 0


def test_a_pitched_camera_on_a_mast() -> None:
    """Heights come from the pose: nose down by 5 degrees, 2.2 m high, 0.7 m behind."""
    pitch = math.radians(5)
    turn = np.array(
        [[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]]
    )
    base_from_camera = BASE_FROM_CAMERA.copy()
    base_from_camera[:3, :3] = base_from_camera[:3, :3] @ turn
    base_from_camera[:3, 3] = (-0.7, 0.0, 2.2)
    normal = base_from_camera[2, :3]
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(float)
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)])
    slope = np.tensordot(normal, rays, 1)
    road = np.where(slope < -1e-3, -2.2 / np.minimum(slope, -1e-3), np.inf).astype(np.float32)
    assert not len(points_mark(road, CAMERA, base_from_camera, DENSE))
    layer = VoxelLayer()
    free = points_clear(road, CAMERA, base_from_camera, DENSE)
    layer.marked[:, :, 0] = True
    layer.update([(CLEAR, free)], base_from_camera)
    assert not layer.near(8.0, 0.0)


def test_the_edge_filter_keeps_ghosts_behind_edges_out_of_the_costmap() -> None:
    """A network's blur hangs points between a post and what is behind it."""
    camera = PinholeIntrinsics(620, 188, 360.8, 360.8, 304.8, 86.4)
    sharp = scene(Wall(5.0, -0.6, 0.6, 0.0, 2.2), Wall(30, -40, 40, 0, 9), camera=camera)
    inverse = torch.from_numpy(cv2.GaussianBlur(1 / sharp, (0, 0), 1.5))
    depth = (1 / inverse).numpy()
    hidden = flying_pixels(inverse, camera, EdgeFilter()).numpy()
    ghosts = {}
    for name, seen in {'blurred': depth, 'filtered': np.where(hidden, np.nan, depth)}.items():
        layer = VoxelLayer()
        # Without the speckle filter, which helps along straight edges.
        config = replace(DENSE, min_neighbours=0)
        marks = points_mark(seen.astype(np.float32), camera, BASE_FROM_CAMERA, config)
        layer.update([(MARK, marks)], BASE_FROM_CAMERA)
        assert layer.near(5.0, 0.0) >= 10  # the post itself
        ghosts[name] = int(layer.columns().sum()) - layer.near(5.0, 0.0)
    assert ghosts['blurred'] > 10
    assert ghosts['filtered'] == 0


# --- the clouds themselves ---


def test_marks_are_inside_all_limits() -> None:
    walls = [Wall(d, -4.0 + d / 4, -2 + d / 4, 0.0, 5.0) for d in (0.6, 2.0, 6.0, 11.0, 14.0)]
    points = mark(scene(*walls))
    assert points.dtype == np.float32
    assert len(points) > 500
    assert np.isfinite(points).all()
    assert heights(points).min() >= 0.25 - 1e-5
    assert heights(points).max() <= 2.5 + 1e-5
    assert ranges(points).min() >= 0.8
    assert ranges(points).max() <= 12.0
    assert set(np.round(points[:, 2], 3)) == {2.0, 6.0, 11.0}


def test_rays_are_finite_and_end_at_the_clearing_range() -> None:
    depth = scene(OBSTACLE)
    points = clear(depth)
    assert points.dtype == np.float32
    assert len(points) == depth.size
    assert np.isfinite(points).all()
    assert ranges(points).max() == pytest.approx(13.0, rel=1e-5)
    sky = ~np.isfinite(depth).ravel()
    np.testing.assert_allclose(ranges(points[sky]), 13.0, rtol=1e-5)
    at_obstacle = (depth == 8.0).ravel()
    before = ranges(points[at_obstacle])
    full = 8.0 * ranges(points[at_obstacle]) / points[at_obstacle][:, 2]
    # 0.3 m before the obstacle; its lowest quarter of a metre counts as road.
    raised = heights(points[at_obstacle]) > 0.35
    np.testing.assert_allclose((full - before)[raised], 0.3, atol=1e-4)


def test_rays_keep_their_direction() -> None:
    points = clear(scene())
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    np.testing.assert_allclose(
        points[:, 0] / points[:, 2] * CAMERA.fx + CAMERA.cx, u.ravel(), atol=1e-3
    )
    np.testing.assert_allclose(
        points[:, 1] / points[:, 2] * CAMERA.fy + CAMERA.cy, v.ravel(), atol=1e-3
    )


@pytest.mark.parametrize('step', [1, 2, 3, 7])
def test_steps_pick_rows_and_columns(step: int) -> None:
    config = replace(DENSE, mark_step=step, clear_step=step, min_neighbours=0)
    points = clear(scene(), config)
    rows = np.arange(step // 2, CAMERA.height, step)
    columns = np.arange(step // 2, CAMERA.width, step)
    assert len(points) == rows.size * columns.size
    expected = np.isin(scene(OBSTACLE)[step // 2 :: step, step // 2 :: step], 8.0).sum()
    found = mark(scene(OBSTACLE), config)
    assert 0.6 * expected < len(found) <= expected  # the lowest 0.25 m are road


def test_sizes_are_bounded_and_thinning_is_even_and_repeatable() -> None:
    depth = scene(Wall(5.0, -8, 8, 0.0, 2.4))
    whole = mark(depth, replace(DENSE, max_mark_points=10**9))
    config = replace(DENSE, max_mark_points=500, max_clear_points=700)
    few = mark(depth, config)
    assert len(few) == 500 < len(whole)
    assert len(clear(depth, config)) == 700
    np.testing.assert_array_equal(few, mark(depth, config))
    spread = (
        np.histogram(few[:, 0], 8, (-4.2, 4.2))[0] / np.histogram(whole[:, 0], 8, (-4.2, 4.2))[0]
    )
    assert spread.max() / spread.min() < 1.3


def test_lonely_points_do_not_mark() -> None:
    depth = scene(OBSTACLE)
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(5, 40, 30), rng.integers(5, 100, 30)
    speckled = depth.copy()
    speckled[rows, columns] = rng.uniform(3, 11, 30)
    assert len(mark(speckled)) == len(mark(depth))
    assert len(mark(speckled, replace(DENSE, min_neighbours=0))) > len(mark(depth)) + 15


def test_uncertain_points_do_not_mark_and_clear_with_a_margin() -> None:
    depth = scene(OBSTACLE)
    std = np.full_like(depth, 0.4)  # 5 % at 8 m
    assert len(mark(depth, replace(DENSE, max_relative_std=0.06), std_m=std))
    assert not len(mark(depth, replace(DENSE, max_relative_std=0.04), std_m=std))
    unknown = np.full_like(depth, np.nan)
    assert not len(mark(depth, replace(DENSE, max_relative_std=0.04), std_m=unknown))
    assert len(mark(depth, std_m=unknown))
    middle = np.flatnonzero(depth.ravel() == 8.0)[5]
    plain, careful = clear(depth)[middle], clear(depth, std_m=std)[middle]
    assert ranges(plain[None])[0] - ranges(careful[None])[0] == pytest.approx(0.5, abs=0.02)


def test_empty_and_tiny_maps_give_empty_clouds() -> None:
    nothing = np.full((94, 310), np.nan, np.float32)
    assert mark(nothing).shape == clear(nothing).shape == (0, 3)
    assert clear(np.full((1, 1), np.inf, np.float32)).shape == (1, 3)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'min_height_m': 3.0}, 'min_height_m < max_height_m, got min_height_m = 3.0'),
        ({'min_range_m': -1.0}, '0 <= min_range_m < max_range_m'),
        ({'clearing_range_m': 5.0}, 'max_range_m <= clearing_range_m'),
        ({'clearing_range_m': math.inf}, 'clearing_range_m < infinity'),
        ({'mark_step': 0}, 'mark_step >= 1, got mark_step = 0'),
        ({'max_clear_points': 0}, 'max_clear_points >= 1'),
        ({'min_neighbours': 9}, '0 <= min_neighbours <= 8'),
        ({'neighbour_distance': 0.0}, 'neighbour_distance > 0'),
        ({'max_relative_std': math.nan}, 'max_relative_std > 0'),
        ({'clear_margin_m': -0.1}, 'finite clear_margin_m >= 0'),
    ],
)
def test_impossible_clouds_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CostmapClouds(**arguments)


@pytest.mark.parametrize('shape', [(1, 1), (1, 6), (6, 1), (2, 2), (30, 40)])
def test_neighbours_are_counted_as_one_would_by_hand(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(shape[0])
    depth = random.uniform(5, 5.6, shape).astype(np.float32)
    kept = random.random(shape) < 0.8
    depth[random.random(shape) < 0.2] = np.nan
    kept &= np.isfinite(depth)
    expected = np.zeros(shape, int)
    for row, column in np.ndindex(*shape):
        around = depth[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        alike = np.abs(around - depth[row, column]) < np.float32(0.05) * depth[row, column]
        alike &= kept[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        expected[row, column] = (alike.sum() - 1) if kept[row, column] else 0
    np.testing.assert_array_equal(_alike_neighbours(depth, kept, 0.05), expected)

"""Clouds against scenes whose points are known."""

from __future__ import annotations

import numpy as np
import pytest

from gemdepth_ros.geometry.point_cloud import coloured_points, organized_cloud, unproject
from gemdepth_ros.interfaces import Float32Array, OrganizedCloud, PinholeIntrinsics

CAMERA = PinholeIntrinsics(40, 30, 35.0, 33.0, 19.2, 14.7)


def rays(camera: PinholeIntrinsics) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """Point of every pixel at depth one."""
    v, u = np.mgrid[: camera.height, : camera.width]
    return np.stack(
        [(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1
    )


def plane_depth(normal: list[float], distance: float) -> Float32Array:
    """Depth of the plane normal . p = distance, in double precision, rounded once."""
    return (distance / (rays(CAMERA) @ normal)).astype(np.float32)


@pytest.mark.parametrize('normal', [[0, 0, 1], [0, 1, 0.4], [0.3, -0.2, 1]])
def test_points_of_a_plane_lie_on_it(normal: list[float]) -> None:
    depth = plane_depth(normal, 3.0)
    points = unproject(depth, CAMERA).astype(np.float64)
    distances = points @ normal
    np.testing.assert_allclose(distances / 3.0, 1, atol=2e-6)
    np.testing.assert_array_equal(points[..., 2], depth)


def test_points_project_to_their_pixels() -> None:
    depth = np.random.default_rng(0).uniform(1, 80, (30, 40)).astype(np.float32)
    x, y, z = np.moveaxis(unproject(depth, CAMERA).astype(np.float64), -1, 0)
    v, u = np.mgrid[:30, :40]
    np.testing.assert_allclose(CAMERA.fx * x / z + CAMERA.cx, u, atol=1e-4)
    np.testing.assert_allclose(CAMERA.fy * y / z + CAMERA.cy, v, atol=1e-4)


@pytest.mark.parametrize('hole', [np.nan, np.inf, -np.inf])
def test_no_depth_is_no_point(hole: float) -> None:
    depth = np.ones((30, 40), np.float32)
    depth[3, 4] = hole
    points = unproject(depth, CAMERA)
    assert np.isnan(points[3, 4]).all()
    assert np.isfinite(points).all(axis=-1).sum() == 30 * 40 - 1


@pytest.mark.parametrize('decimation', [1, 2, 7])
def test_a_decimated_cloud_is_a_part_of_the_full_one(decimation: int) -> None:
    rng = np.random.default_rng(1)
    depth = rng.uniform(1, 80, (30, 40)).astype(np.float32)
    image = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    full = unproject(depth, CAMERA)
    cloud = organized_cloud(depth, image, CAMERA, decimation, metric=True)
    np.testing.assert_allclose(cloud.xyz, full[::decimation, ::decimation], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(cloud.rgb, image[::decimation, ::decimation])
    assert cloud.metric
    assert (cloud.xyz.dtype, cloud.rgb.dtype) == (np.float32, np.uint8)
    assert cloud.rgb.flags.c_contiguous


def test_points_keep_coordinates_and_colours_bit_by_bit() -> None:
    random = np.random.default_rng(2)
    xyz = random.integers(0, 2**32, (5, 7, 3), dtype=np.uint32).view(np.float32)  # NaNs, too
    rgb = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    cloud = OrganizedCloud(coloured_points(xyz, rgb), metric=True)
    np.testing.assert_array_equal(
        np.ascontiguousarray(cloud.xyz).view(np.uint32), xyz.view(np.uint32)
    )
    np.testing.assert_array_equal(cloud.rgb, rgb)
    red, green, blue = np.moveaxis(rgb.astype(np.uint32), -1, 0)
    packed = np.ascontiguousarray(cloud.points[..., 3]).view(np.uint32)
    np.testing.assert_array_equal(packed, red << 16 | green << 8 | blue)

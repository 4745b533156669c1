"""The accumulated cloud against one made of all points at once."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from gemdepth_ros.geometry import voxel_cloud
from gemdepth_ros.geometry.voxel_cloud import VoxelCloud
from gemdepth_ros.interfaces import Float64Array, UInt8Array


def points(count: int, seed: int = 0, size: float = 3.0) -> tuple[Float64Array, UInt8Array]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-size, size, (count, 3)), rng.integers(0, 256, (count, 3), np.uint8)


def expected(xyz: Float64Array, rgb: UInt8Array, size: float) -> dict[tuple[int, ...], np.ndarray]:
    """Mean of the points of every voxel, the slow way."""
    found: dict[tuple[int, ...], list[np.ndarray]] = {}
    for place, colour in zip(xyz, rgb, strict=True):
        key = tuple(int(cell) for cell in np.floor(place / size))
        found.setdefault(key, []).append(np.concatenate([place, colour]))
    return {key: np.mean(rows, axis=0) for key, rows in found.items()}


@pytest.mark.parametrize('merge', [1, 700, 10**6])
def test_every_voxel_is_the_mean_of_its_points(
    merge: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the points were merged on the way."""
    monkeypatch.setattr(voxel_cloud, '_SMALLEST_MERGE', merge)
    xyz, rgb = points(3000)
    cloud = VoxelCloud(0.7, 10_000)
    for start in range(0, 3000, 250):
        cloud.add(xyz[start : start + 250], rgb[start : start + 250])
    truth = expected(xyz, rgb, 0.7)
    places, colours, normals = cloud.points()
    assert len(cloud) == len(places) == len(truth)
    assert normals is None
    for place, colour in zip(places, colours, strict=True):
        key = tuple(int(cell) for cell in np.floor(place / 0.7))
        np.testing.assert_allclose(place, truth[key][:3], atol=1e-9)
        np.testing.assert_allclose(colour, truth[key][3:], atol=0.51)


def test_what_was_seen_once_can_be_left_out() -> None:
    cloud = VoxelCloud(1.0, 100)
    xyz = np.array([[0.5, 0.5, 0.5], [0.6, 0.5, 0.5], [9.5, 0.5, 0.5]])
    cloud.add(xyz, np.zeros((3, 3), np.uint8))
    assert len(cloud.points()[0]) == 2
    np.testing.assert_allclose(cloud.points(min_count=2)[0], [[0.55, 0.5, 0.5]])


def test_points_that_are_none_are_left_out() -> None:
    cloud = VoxelCloud(1.0, 100)
    xyz = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [1e9, 0, 0], [0.5, 0.5, 0.5]])
    cloud.add(xyz, np.zeros((4, 3), np.uint8))
    assert len(cloud) == 1
    assert cloud.out_of_span == 1


def test_an_empty_cloud() -> None:
    cloud = VoxelCloud(1.0, 100, normals=True)
    cloud.add(np.empty((0, 3)), np.empty((0, 3), np.uint8), np.empty((0, 3), np.float32))
    xyz, rgb, normals = cloud.points()
    assert normals is not None
    assert xyz.shape == rgb.shape == normals.shape == (0, 3)
    assert len(cloud) == 0


def test_memory_is_bounded_by_larger_voxels_and_it_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voxel_cloud, '_SMALLEST_MERGE', 1)
    cloud = VoxelCloud(0.1, 500)
    with caplog.at_level(logging.WARNING):
        for seed in range(20):
            cloud.add(*points(1000, seed))
            assert len(cloud) <= 500
    assert cloud.voxel_size == 1.6
    assert [r.getMessage() for r in caplog.records] == [
        f'more than 500 voxels: their size is now {size}, so that memory stays bounded'
        for size in (0.2, 0.4, 0.8, 1.6)
    ]
    xyz, _, _ = cloud.points()
    assert np.ptp(xyz, axis=0).min() > 4.5  # all of the extent is still there
    assert cloud._counts.sum() == 20_000  # and every point has its share


def test_normals_are_averaged_and_of_length_one() -> None:
    cloud = VoxelCloud(1.0, 100, normals=True)
    xyz = np.full((4, 3), 0.5)
    xyz[3] = 5.5
    normals = np.array([[1, 0, 0], [0, 1, 0], [np.nan] * 3, [np.nan] * 3], np.float32)
    cloud.add(xyz, np.zeros((4, 3), np.uint8), normals)
    _, _, found = cloud.points()
    np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5, 0], [0, 0, 0]], atol=1e-6)

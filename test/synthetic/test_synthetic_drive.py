"""The rendered street's depth, poses and pixels, against what geometry says."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.synthetic import CAMERA_HEIGHT_M, SyntheticDrive, SyntheticFrame, render_drive

HEIGHT, WIDTH = 94, 310


@pytest.fixture(scope='module')
def drive() -> SyntheticDrive:
    return SyntheticDrive(40, HEIGHT, WIDTH, 0)


def world_points(frame: SyntheticFrame) -> np.ndarray:
    """Points of all pixels in the world, float64 [H, W, 3]."""
    camera = frame.camera
    rows, columns = np.mgrid[: camera.height, : camera.width]
    rays = np.stack(
        [
            (columns - camera.cx) / camera.fx,
            (rows - camera.cy) / camera.fy,
            np.ones_like(rows, float),
        ],
        axis=-1,
    )
    depth = np.where(np.isfinite(frame.depth_m), frame.depth_m, np.nan).astype(np.float64)
    points = rays * depth[..., None]
    return points @ frame.world_from_camera[:3, :3].T + frame.world_from_camera[:3, 3]


def test_values(drive: SyntheticDrive) -> None:
    frame = drive.render(3)
    assert frame.image_rgb.shape == (HEIGHT, WIDTH, 3)
    assert frame.image_rgb.dtype == np.uint8
    assert frame.depth_m.dtype == np.float32
    assert frame.moving.shape == frame.depth_m.shape == (HEIGHT, WIDTH)
    assert frame.stamp_ns == drive.stamp_ns(0) + 300_000_000 > 0
    assert frame.depth_m.min() > 0
    assert not np.isnan(frame.depth_m).any()
    assert np.isinf(frame.depth_m[0]).any()
    # Texture everywhere: without it there is nothing to match.
    assert frame.image_rgb[HEIGHT // 2 :].std() > 20


@pytest.mark.parametrize('index', [0, 17, 39])
def test_road_before_the_car_is_a_plane(drive: SyntheticDrive, index: int) -> None:
    frame = drive.render(index)
    bottom = world_points(frame)[-5:, 100:200]
    np.testing.assert_allclose(bottom[..., 1], CAMERA_HEIGHT_M, atol=1e-5)


def test_depth_of_the_level_first_frame_is_the_formula_of_a_plane(drive: SyntheticDrive) -> None:
    frame = drive.render(0)
    np.testing.assert_array_equal(frame.world_from_camera, np.eye(4))
    row = HEIGHT - 1
    expected = CAMERA_HEIGHT_M * frame.camera.fy / (row - frame.camera.cy)
    np.testing.assert_allclose(frame.depth_m[row, 100:200], expected, rtol=1e-6)


@pytest.mark.parametrize(('first', 'second'), [(0, 1), (10, 14), (36, 30)])
def test_static_points_reproject_between_frames(
    drive: SyntheticDrive, first: int, second: int
) -> None:
    here, there = drive.render(first), drive.render(second)
    points = world_points(here)[~here.moving & np.isfinite(here.depth_m)]
    seen = (points - there.world_from_camera[:3, 3]) @ there.world_from_camera[:3, :3]
    seen = seen[seen[:, 2] > 1.0]
    camera = there.camera
    column = camera.fx * seen[:, 0] / seen[:, 2] + camera.cx
    row = camera.fy * seen[:, 1] / seen[:, 2] + camera.cy
    inside = (column > 1) & (column < WIDTH - 2) & (row > 1) & (row < HEIGHT - 2)
    column, row, depth = column[inside], row[inside], seen[inside, 2]
    # Depth between pixel centres: inverse depth is linear on a plane.
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    right, down = column - left, row - top
    inverse = 1.0 / there.depth_m.astype(np.float64)
    between = (1 - down) * (
        (1 - right) * inverse[top, left] + right * inverse[top, left + 1]
    ) + down * ((1 - right) * inverse[top + 1, left] + right * inverse[top + 1, left + 1])
    same = np.abs(between * depth - 1) < 1e-3
    # The rest is hidden in the other frame, or lies on an edge.
    assert inside.sum() > 10_000
    assert same.mean() > 0.7
    # Nothing can be seen through: a point is never clearly before what the other frame sees.
    corners = np.stack([inverse[top + i, left + j] for i in (0, 1) for j in (0, 1)])
    moving = np.stack([there.moving[top + i, left + j] for i in (0, 1) for j in (0, 1)]).any(
        axis=0
    )
    before = (1 / depth > corners.max(axis=0) * 1.001) & ~moving
    assert before.mean() < 0.005


def test_static_colours_stay_on_their_surface(drive: SyntheticDrive) -> None:
    # Near pixels of the road, one frame later: the texture must not swim.
    here, there = drive.render(20), drive.render(21)
    rows, columns = np.mgrid[70:94, 100:210]
    points = world_points(here)[rows, columns].reshape(-1, 3)
    seen = (points - there.world_from_camera[:3, 3]) @ there.world_from_camera[:3, :3]
    camera = there.camera
    column = np.rint(camera.fx * seen[:, 0] / seen[:, 2] + camera.cx).astype(int)
    row = np.rint(camera.fy * seen[:, 1] / seen[:, 2] + camera.cy).astype(int)
    inside = (row >= 0) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
    colour = here.image_rgb[rows, columns].reshape(-1, 3)[inside].mean(axis=1)
    later = there.image_rgb[row[inside], column[inside]].mean(axis=1)
    assert inside.sum() > 1000
    assert np.corrcoef(colour, later)[0, 1] > 0.9
    unmoved = there.image_rgb[rows, columns].reshape(-1, 3)[inside].mean(axis=1)
    assert np.corrcoef(colour, later)[0, 1] > np.corrcoef(colour, unmoved)[0, 1] + 0.02


def test_moving_cars_move(drive: SyntheticDrive) -> None:
    frame = drive.render(0)
    assert 0.005 < frame.moving.mean() < 0.5
    # The car ahead keeps its distance.
    ahead = frame.depth_m[HEIGHT // 2 : 60, WIDTH // 2 - 3 : WIDTH // 2 + 3]
    assert frame.moving[HEIGHT // 2 : 60, WIDTH // 2 - 3 : WIDTH // 2 + 3].any()
    assert 5.0 < ahead.min() < 30.0


def test_drive_goes_forward_smoothly(drive: SyntheticDrive) -> None:
    poses = [drive.world_from_camera(index) for index in range(40)]
    steps = [np.linalg.inv(a) @ b for a, b in pairwise(poses)]
    forward = np.array([step[2, 3] for step in steps])
    assert forward.min() > 0.7
    assert forward.max() < 0.9
    sideways = np.array([step[:2, 3] for step in steps])
    assert np.abs(sideways).max() < 0.02  # a car does not slip


def test_lidar_points_lie_on_what_the_camera_sees(drive: SyntheticDrive) -> None:
    frame = drive.render(5)
    points = frame.lidar_points(beams=20, max_range_m=50.0)
    assert points.dtype == np.float32
    assert 1000 < len(points) <= 20 * WIDTH / 2
    assert points[:, 0].max() <= 50.0
    assert 0 <= points[:, 3].min() < points[:, 3].max() <= 1
    forward, left, up = points[:, :3].T.astype(np.float64)
    column = frame.camera.fx * -left / forward + frame.camera.cx
    row = frame.camera.fy * -up / forward + frame.camera.cy
    np.testing.assert_allclose(column, np.rint(column), atol=1e-3)
    np.testing.assert_allclose(row, np.rint(row), atol=1e-3)
    depth = frame.depth_m[np.rint(row).astype(int), np.rint(column).astype(int)]
    np.testing.assert_allclose(depth, forward, rtol=1e-6)


def test_a_seed_is_a_street() -> None:
    first, again, other = (next(render_drive(1, 40, 60, seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image_rgb, again.image_rgb)
    np.testing.assert_array_equal(first.depth_m, again.depth_m)
    assert (first.depth_m != other.depth_m).any()
    frames = list(render_drive(3, 40, 60, 1))
    assert [frame.stamp_ns - frames[0].stamp_ns for frame in frames] == [0, 10**8, 2 * 10**8]
    np.testing.assert_array_equal(
        SyntheticDrive(3, 40, 60, 1).render(2).image_rgb, frames[2].image_rgb
    )


def test_impossible_drives_are_named() -> None:
    for arguments in ((0, 40, 60), (1, 4, 60), (1, 40, 4)):
        with pytest.raises(ConfigError, match='a drive needs'):
            SyntheticDrive(*arguments, seed=0)


def test_rendering_is_quick_enough_for_a_demonstration() -> None:
    drive = SyntheticDrive(3, 188, 621, 0)
    start = time.process_time()
    for index in range(3):
        drive.render(index)
    # 0.05 s each on one 2020s core; the bound only catches a lost vectorisation.
    assert time.process_time() - start < 3.0

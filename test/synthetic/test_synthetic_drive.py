"""The drive as others use it: values, seeds, poses, LiDAR, refusals, speed."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from synthetic_reference import plain_street

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.synthetic import (
    CAMERA_HEIGHT_M,
    INDOOR,
    VARIED,
    SyntheticDrive,
    WorldConfig,
    random_drive,
    render_drive,
)

HEIGHT, WIDTH = 94, 310


@pytest.fixture(scope='module')
def drive() -> SyntheticDrive:
    return SyntheticDrive(40, HEIGHT, WIDTH, 0)


def test_values(drive: SyntheticDrive) -> None:
    frame = drive.render(3)
    assert frame.image_rgb.shape == (HEIGHT, WIDTH, 3)
    assert frame.image_rgb.dtype == np.uint8
    assert frame.depth_m.dtype == np.float32
    assert frame.moving.dtype == np.bool_
    assert frame.moving.shape == frame.depth_m.shape == (HEIGHT, WIDTH)
    assert frame.stamp_ns == drive.stamp_ns(0) + 300_000_000 > 0
    assert frame.depth_m.min() > 0
    assert not np.isnan(frame.depth_m).any()
    # Texture everywhere: without it there is nothing to match.
    assert frame.image_rgb[HEIGHT // 2 :].std() > 20


def test_the_default_is_kittis_camera(drive: SyntheticDrive) -> None:
    camera = drive.camera
    assert camera.fx == camera.fy == pytest.approx(0.581 * WIDTH)
    assert (camera.cx, camera.cy) == ((WIDTH - 1) / 2, 0.46 * HEIGHT)
    assert drive.camera_height_m == CAMERA_HEIGHT_M
    assert drive.frame_rate_hz == 10.0
    np.testing.assert_array_equal(drive.world_from_camera(0), np.eye(4))
    base = drive.world_from_base(0)
    np.testing.assert_allclose(base[:3, 3], [0, CAMERA_HEIGHT_M, 0], atol=1e-12)
    np.testing.assert_allclose(base[:3, 0], [0, 0, 1], atol=1e-12)


def test_streets_are_as_far_away_as_real_ones() -> None:
    depths = []
    for seed in range(12):
        depth = SyntheticDrive(2, 49, 161, seed).render(1).depth_m
        depths.append(depth[np.isfinite(depth)])
    low, middle, high = np.percentile(np.concatenate(depths), (5, 50, 95))
    assert 3.0 < low < 8.0
    assert 8.0 < middle < 20.0
    assert 40.0 < high < 120.0


def test_moving_cars_move(drive: SyntheticDrive) -> None:
    frame = drive.render(0)
    assert 0.005 < frame.moving.mean() < 0.5
    # The car ahead keeps its distance.
    ahead = np.s_[HEIGHT // 2 : 60, WIDTH // 2 - 3 : WIDTH // 2 + 3]
    assert frame.moving[ahead].any()
    assert 5.0 < frame.depth_m[ahead].min() < 30.0


def test_drive_goes_forward_smoothly(drive: SyntheticDrive) -> None:
    poses = [drive.world_from_camera(index) for index in range(40)]
    steps = [np.linalg.inv(a) @ b for a, b in pairwise(poses)]
    forward = np.array([step[2, 3] for step in steps])
    assert forward.min() > 0.7
    assert forward.max() < 0.9
    sideways = np.array([step[:2, 3] for step in steps])
    assert np.abs(sideways).max() < 0.02  # a car does not slip


@pytest.mark.parametrize(
    ('manoeuvre', 'first', 'last'),
    [('stand', False, False), ('brake', True, False), ('start', False, True)],
)
def test_manoeuvres(manoeuvre: str, first: bool, last: bool) -> None:
    config = WorldConfig(manoeuvres=(manoeuvre,), nod_deg=(0.2, 0.2))
    drive = SyntheticDrive(80, 16, 48, 5, config=config)
    way = [np.linalg.norm(drive.world_from_base(index)[:3, 3]) for index in (0, 1, 78, 79)]
    speeds = np.diff(way) * drive.frame_rate_hz
    assert (speeds[0] > 1.5) == first
    assert (speeds[2] > 1.5) == last


def test_what_stands_still_looks_the_same() -> None:
    config = WorldConfig(manoeuvres=('stand',), sun_elevation_deg=(60.0, 60.0))
    drive = SyntheticDrive(20, 49, 161, 3, config=config)
    first, later = drive.render(0), drive.render(9)
    np.testing.assert_allclose(drive.world_from_camera(9), np.eye(4), atol=1e-12)
    still = ~(first.moving | later.moving) & (first.depth_m == later.depth_m)
    assert still.mean() > 0.7
    # But for the shadows of those who move.
    assert (first.image_rgb == later.image_rgb).all(axis=-1)[still].mean() > 0.9
    assert np.abs(drive.flow(0)[still]).max() < 1e-4


def test_roads_turn() -> None:
    config = WorldConfig(bend_share=1.0, bend_radius_m=(20.0, 30.0))
    turned = []
    for seed in range(4):
        pose = SyntheticDrive(80, 16, 48, seed, config=config).world_from_camera(79)
        turned.append(abs(np.degrees(np.arctan2(pose[0, 2], pose[2, 2]))))
    assert max(turned) > 40.0


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


@pytest.mark.parametrize(('kind', 'config'), [('driving', VARIED), ('indoor', INDOOR)])
def test_bits_repeat_whatever_was_rendered_before(kind: str, config: WorldConfig) -> None:
    def drive() -> SyntheticDrive:
        return SyntheticDrive(6, 40, 130, 11, kind=kind, config=config)

    forward, backward = drive(), drive()
    there = [forward.render(index) for index in range(4)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    back = [backward.render(index) for index in reversed(range(4))][::-1]
    torch.set_num_threads(threads)
    for a, b in zip(there, back, strict=True):
        np.testing.assert_array_equal(a.image_rgb, b.image_rgb)
        np.testing.assert_array_equal(a.depth_m, b.depth_m)
        np.testing.assert_array_equal(a.moving, b.moving)
    np.testing.assert_array_equal(forward.flow(2), backward.flow(2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize(('kind', 'config'), [('driving', VARIED), ('indoor', INDOOR)])
def test_a_gpu_shows_the_same_world_and_repeats_its_bits(kind: str, config: WorldConfig) -> None:
    frames = [
        SyntheticDrive(6, 60, 196, 3, kind=kind, device=device, config=config).render(4)
        for device in ('cpu', 'cuda', 'cuda')
    ]
    there, here = frames[0].depth_m, frames[1].depth_m
    with np.errstate(invalid='ignore'):
        same = (np.abs(here - there) < 1e-5 * there) | (here == there)
    assert same.mean() > 0.999
    np.testing.assert_array_equal(frames[1].image_rgb, frames[2].image_rgb)
    np.testing.assert_array_equal(frames[1].depth_m, frames[2].depth_m)


def test_random_drives_differ_in_everything() -> None:
    drives = [random_drive(seed, 4, 16, 48) for seed in range(25)]
    heights = [drive.camera_height_m for drive in drives]
    fields = [drive.camera.fx for drive in drives]
    assert min(heights) < 0.7
    assert max(heights) > 1.7
    assert np.ptp(fields) > 0.3 * 48
    indoor = [random_drive(seed, 4, 16, 48, indoor_share=1.0) for seed in range(2)]
    assert all(np.median(drive.render(1).depth_m) < 8.0 for drive in indoor)


def test_impossible_drives_are_named() -> None:
    for arguments in ((0, 40, 60), (1, 4, 60), (1, 40, 4)):
        with pytest.raises(ConfigError, match='a drive needs'):
            SyntheticDrive(*arguments, seed=0)
    with pytest.raises(ConfigError, match="'driving' or 'indoor', got 'flying'"):
        SyntheticDrive(1, 40, 60, 0, kind='flying')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'speed_mps': (9.0, 3.0)}, 'speed_mps must be'),
        ({'visibility_m': (0.0, 3.0)}, 'visibility_m must be > 0'),
        ({'styles': ('moon',)}, 'styles must be some of'),
        ({'manoeuvres': ()}, 'manoeuvres must be some of'),
        ({'bridge_share': 1.5}, 'bridge_share must be in 0 .. 1'),
        ({'noise': (-0.1, 0.1)}, 'noise must be >= 0'),
        ({'traffic': 0.0}, 'traffic must be > 0'),
    ],
)
def test_impossible_worlds_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WorldConfig(**options)  # type: ignore[arg-type]


def test_importing_the_world_is_light() -> None:
    code = 'import sys, gemdepth_ros.synthetic; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


def test_long_drives_do_not_grow_slow() -> None:
    drive = SyntheticDrive(1500, 40, 130, 0, config=plain_street())
    start = time.process_time()
    for index in (0, 700, 1499):
        assert np.isfinite(drive.render(index).depth_m[-1]).all()
    assert time.process_time() - start < 3.0


def test_rendering_is_quick_enough_for_a_demonstration() -> None:
    drive = SyntheticDrive(3, 188, 621, 0)
    start = time.process_time()
    for index in range(3):
        drive.render(index)
    # 0.1 s each on one 2020s core; the bound only catches a lost vectorisation.
    assert time.process_time() - start < 3.0

"""KITTI raw drives, on self-made folders whose geometry is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kitti_fakes import BASELINE_M, CX, CY, FOCAL, HEIGHT, WIDTH, write_raw_drive

from gemdepth_ros.bags.kitti import open_kitti
from gemdepth_ros.bags.kitti_files import KittiOptions
from gemdepth_ros.bags.oxts import EARTH_RADIUS_M, world_from_imu
from gemdepth_ros.bags.recording import base_from_level_camera
from gemdepth_ros.bags.stamps import parse_time_ns
from gemdepth_ros.errors import BagError
from gemdepth_ros.interfaces import PinholeIntrinsics

LATITUDE, LONGITUDE, ALTITUDE = 49.0, 8.4, 115.0
START_NS = parse_time_ns('2011-09-26 13:02:25') + 1


def record(
    east_m: float = 0.0, north_m: float = 0.0, up_m: float = 0.0, yaw: float = 0.0
) -> list[float]:
    """An OXTS record near the start (metres to degrees on the sphere)."""
    return [
        LATITUDE + np.degrees(north_m / EARTH_RADIUS_M),
        LONGITUDE + np.degrees(east_m / EARTH_RADIUS_M / np.cos(np.radians(LATITUDE))),
        ALTITUDE + up_m,
        0.0,
        0.0,
        yaw,
    ]


def test_oxts_positions_are_east_north_up() -> None:
    records = np.array([record(), record(east_m=3.0), record(north_m=5.0), record(up_m=-2.0)])
    poses = world_from_imu(records)
    expected = [[0, 0, 0], [3, 0, 0], [0, 5, 0], [0, 0, -2]]
    np.testing.assert_allclose(poses[:, :3, 3], expected, atol=1e-4)
    np.testing.assert_allclose(poses[:, :3, :3], np.tile(np.eye(3), (4, 1, 1)), atol=1e-12)


def test_oxts_attitude_is_yaw_pitch_roll() -> None:
    roll, pitch, yaw = 0.1, -0.2, 0.7
    pose = world_from_imu(np.array([[LATITUDE, LONGITUDE, ALTITUDE, roll, pitch, yaw]]))[0]
    cos, sin = np.cos, np.sin
    turn_x = [[1, 0, 0], [0, cos(roll), -sin(roll)], [0, sin(roll), cos(roll)]]
    turn_y = [[cos(pitch), 0, sin(pitch)], [0, 1, 0], [-sin(pitch), 0, cos(pitch)]]
    turn_z = [[cos(yaw), -sin(yaw), 0], [sin(yaw), cos(yaw), 0], [0, 0, 1]]
    np.testing.assert_allclose(pose[:3, :3], np.array(turn_z) @ turn_y @ turn_x, atol=1e-12)


def test_straight_drive_to_the_north_east(tmp_path: Path) -> None:
    # Forward is north-east: odom's x must be the direction of driving, not east.
    half = np.sqrt(0.5)
    drive = write_raw_drive(
        tmp_path, [record(1.5 * half * i, 1.5 * half * i, 0.1 * i, np.pi / 4) for i in range(4)]
    )
    recording = open_kitti(drive)
    assert recording.frame_count == 4
    positions = np.array([pose.odom_from_base[:3, 3] for pose in recording.poses])
    np.testing.assert_allclose(positions, [[1.5 * i, 0, 0.1 * i] for i in range(4)], atol=1e-4)
    for index, pose in enumerate(recording.poses):
        assert pose.stamp_ns == START_NS + index * 100_000_000 + 20_000_000
        np.testing.assert_allclose(pose.twist, [15, 0, 1, 0, 0, 0], atol=1e-3)


def test_turn_on_the_spot_moves_base_link_around_the_imu(tmp_path: Path) -> None:
    drive = write_raw_drive(tmp_path, [record(yaw=0.3), record(yaw=0.3 + np.pi / 2)])
    second = open_kitti(drive).poses[1].odom_from_base
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(second[:3, :3], turn, atol=1e-9)
    # Camera 0 is BASELINE_M left of camera 2, under which base_link lies; then the LiDAR, the IMU.
    imu_in_base = np.array([-0.3 - 0.8, BASELINE_M - 0.3, 1.65 + 0.1 - 0.9])
    np.testing.assert_allclose(second[:3, 3], imu_in_base - turn @ imu_in_base, atol=1e-6)


def test_rig_and_frames(tmp_path: Path) -> None:
    drive = write_raw_drive(tmp_path, [record() for _ in range(3)])
    recording = open_kitti(drive)
    rig = recording.rig
    assert rig.camera == PinholeIntrinsics(WIDTH, HEIGHT, FOCAL, FOCAL, CX, CY)
    np.testing.assert_allclose(rig.base_from_camera, base_from_level_camera(1.65))
    assert rig.base_from_lidar is not None
    np.testing.assert_allclose(rig.base_from_lidar[:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rig.base_from_lidar[:3, 3], [-0.3, BASELINE_M, 1.75], atol=1e-12)

    frame = recording.load(2)
    assert frame.stamp_ns == START_NS + 200_000_000
    assert frame.image.shape == (HEIGHT, WIDTH, 3)
    assert frame.image[3, 4].tolist() == [24, 23, 22]  # red, green, blue
    assert frame.points_xyzi is not None
    assert frame.depth_m is not None
    # The point lies 10 m ahead and BASELINE_M to the left of camera 2's axis.
    # Column 11.25 - 20 * 0.5 / 10 and row 7.25.
    assert np.argwhere(np.isfinite(frame.depth_m)).tolist() == [[7, 10]]
    assert frame.depth_m[7, 10] == pytest.approx(10.0)


def test_camera_and_height_can_be_chosen(tmp_path: Path) -> None:
    drive = write_raw_drive(tmp_path, [record() for _ in range(2)])
    recording = open_kitti(drive, KittiOptions(camera=0, camera_height_m=2.0))
    assert recording.load(1).image.shape == (HEIGHT, WIDTH)
    assert recording.load(1).image[0, 0] == 11
    assert recording.rig.base_from_lidar is not None
    np.testing.assert_allclose(recording.rig.base_from_lidar[:3, 3], [-0.3, 0, 2.1], atol=1e-12)
    with pytest.raises(BagError, match=r'no image_03/data; it has \[0, 2\]'):
        open_kitti(drive, KittiOptions(camera=3))


def test_lost_scans_stay_lost(tmp_path: Path) -> None:
    drive = write_raw_drive(tmp_path, [record() for _ in range(4)], scans=[0, 3])
    for lines in (None, [0, 3]):
        if lines is not None:
            # Some drives have no line for a lost scan either.
            file = drive / 'velodyne_points' / 'timestamps.txt'
            times = file.read_text().splitlines()
            file.write_text('\n'.join(times[index] for index in lines))
        recording = open_kitti(drive)
        frames = [recording.load(index) for index in range(4)]
        assert [frame.points_xyzi is not None for frame in frames] == [True, False, False, True]
        assert [frame.depth_m is not None for frame in frames] == [True, False, False, True]
        assert frames[3].points_stamp_ns == START_NS + 300_000_000


def test_drive_without_lidar_and_oxts(tmp_path: Path) -> None:
    drive = write_raw_drive(tmp_path, [record() for _ in range(2)], scans=[])
    (drive.parent / 'calib_velo_to_cam.txt').unlink()
    recording = open_kitti(drive)
    assert not any((recording.poses, recording.has_lidar, recording.has_depth))
    assert recording.rig.base_from_lidar is None


def test_faults_are_named(tmp_path: Path) -> None:
    drive = write_raw_drive(tmp_path, [record() for _ in range(3)])
    (drive / 'oxts' / 'data' / '0000000001.txt').unlink()
    with pytest.raises(BagError, match='no record of frame 1'):
        open_kitti(drive)

    times = drive / 'image_02' / 'timestamps.txt'
    lines = times.read_text().splitlines()
    times.write_text('\n'.join(lines[:2]))
    with pytest.raises(BagError, match=r'timestamps.txt has 2 lines, but there is a frame'):
        open_kitti(drive)
    times.write_text('\n'.join([lines[0], lines[0], lines[2]]))
    with pytest.raises(BagError, match='do not ascend'):
        open_kitti(drive)

    (drive.parent / 'calib_cam_to_cam.txt').unlink()
    with pytest.raises(BagError, match=r'calib_cam_to_cam.txt is missing in .*2011_09_26;'):
        open_kitti(drive)

    extracted = drive.rename(drive.with_name('2011_09_26_drive_0009_extract'))
    with pytest.raises(BagError, match='not rectified'):
        open_kitti(extracted)

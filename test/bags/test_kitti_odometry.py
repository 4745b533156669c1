"""KITTI odometry sequences: self-made ones with known poses, and the real clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kitti_fakes import BASELINE_M, CX, CY, FOCAL, HEIGHT, WIDTH, write_odometry_sequence

from gemdepth_ros.bags.from_recording import CAMERA_INFO_TOPIC, ODOMETRY_TOPIC, write_recording
from gemdepth_ros.bags.kitti import open_kitti
from gemdepth_ros.bags.kitti_files import RECORDING_DAY_NS, KittiOptions
from gemdepth_ros.bags.messages import read_rectified_camera, read_transform
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.recording import base_from_level_camera
from gemdepth_ros.errors import BagError
from gemdepth_ros.interfaces import PinholeIntrinsics

# Camera 0 goes 2 m ahead, then turns right by 90 degrees.
RIGHT_TURN = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
POSES = np.stack(
    [
        np.hstack([np.eye(3), [[0], [0], [0]]]),
        np.hstack([np.eye(3), [[0], [0], [2]]]),
        np.hstack([RIGHT_TURN, [[0], [0], [2]]]),
    ]
)


def test_grey_left_camera(tmp_path: Path) -> None:
    sequence = write_odometry_sequence(tmp_path, POSES)
    recording = open_kitti(sequence, KittiOptions(camera=0, base_time_ns=5))
    assert recording.rig.camera == PinholeIntrinsics(WIDTH, HEIGHT, FOCAL, FOCAL, CX, CY)
    frame = recording.load(1)
    assert frame.stamp_ns == 100_000_005
    assert frame.image.shape == (HEIGHT, WIDTH)
    assert frame.depth_m is not None
    # The LiDAR is 1 m behind camera 0, and the point 11 m ahead of it.
    assert np.argwhere(np.isfinite(frame.depth_m)).tolist() == [[7, 11]]
    assert frame.depth_m[7, 11] == 10.0

    poses = np.array([pose.odom_from_base for pose in recording.poses])
    np.testing.assert_allclose(poses[0], np.eye(4), atol=1e-12)
    np.testing.assert_allclose(poses[1, :3, 3], [2, 0, 0], atol=1e-12)
    # To the right is a negative turn about z up, and base_link lies below the camera.
    np.testing.assert_allclose(poses[2, :3, :3], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(poses[2, :3, 3], [2, 0, 0], atol=1e-12)
    np.testing.assert_allclose(recording.poses[0].twist, [20, 0, 0, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(recording.poses[1].twist[5], -np.pi / 2 / 0.1, atol=1e-9)


def test_colour_camera_turns_around_camera_0(tmp_path: Path) -> None:
    recording = open_kitti(write_odometry_sequence(tmp_path, POSES))
    assert recording.load(0).image[0, 0].tolist() == [22, 21, 20]
    # base_link lies under camera 2, which is BASELINE_M to the right of camera 0.
    np.testing.assert_allclose(
        recording.poses[2].odom_from_base[:3, 3], [2 - BASELINE_M, BASELINE_M, 0], atol=1e-12
    )
    assert recording.rig.base_from_lidar is not None
    np.testing.assert_allclose(recording.rig.base_from_lidar[:3, 3], [-1, BASELINE_M, 1.65])


def test_unlabelled_calibration_and_nominal_times(tmp_path: Path) -> None:
    sequence = write_odometry_sequence(tmp_path, POSES, labelled=False, times=False)
    recording = open_kitti(sequence)
    assert not recording.has_lidar
    stamps = [recording.load(index).stamp_ns - RECORDING_DAY_NS for index in range(3)]
    assert stamps == [0, 100_000_000, 200_000_000]


def test_sequence_without_poses(tmp_path: Path) -> None:
    sequence = write_odometry_sequence(tmp_path, POSES)
    (tmp_path / 'poses' / '07.txt').unlink()
    recording = open_kitti(sequence)
    assert recording.poses == ()
    write_recording(recording, tmp_path / 'bag')
    with BagReader(tmp_path / 'bag') as reader:
        assert ODOMETRY_TOPIC not in reader.topics


def test_parts_keep_the_origin(tmp_path: Path) -> None:
    recording = open_kitti(write_odometry_sequence(tmp_path, POSES), KittiOptions(camera=0))
    part = recording.part(1, 5)
    assert part.frame_count == 2
    assert part.load(0).stamp_ns == recording.load(1).stamp_ns
    np.testing.assert_allclose(part.poses[0].odom_from_base[:3, 3], [2, 0, 0], atol=1e-12)
    with pytest.raises(BagError, match=r'no frames left: .* has 3, asked for all from frame 3'):
        recording.part(3)


@pytest.mark.parametrize(
    ('file', 'content', 'text'),
    [
        ('calib.txt', 'P0: 1 2 3\n', 'calib.txt must hold 12 numbers on each line; line 1 has 3'),
        ('calib.txt', 'P0: 1 x\n', r"line 1 of .*calib.txt holds no numbers: 'P0: 1 x'"),
        ('calib.txt', f'P0: {" 1" * 12}\n', 'calib.txt has no P2, which image_2 needs'),
        ('times.txt', '0\n0.1\n', 'times.txt has 2 lines, but there is a frame'),
        ('times.txt', '0\n0.2\n0.1\n', 'do not ascend'),
        ('poses.txt', '1 2 3\n', 'poses.txt must hold 12 numbers'),
        ('poses.txt', '', 'poses.txt must hold 12 numbers on each line; it is empty'),
    ],
)
def test_damaged_text_is_named(tmp_path: Path, file: str, content: str, text: str) -> None:
    sequence = write_odometry_sequence(tmp_path, POSES)
    (sequence / file).write_text(content)
    with pytest.raises(BagError, match=text):
        open_kitti(sequence)


def test_damaged_binaries_are_named(tmp_path: Path) -> None:
    recording = open_kitti(write_odometry_sequence(tmp_path, POSES))
    sequence = tmp_path / 'sequences' / '07'
    (sequence / 'velodyne' / '000001.bin').write_bytes(bytes(20))
    with pytest.raises(BagError, match=r'000001.bin is cut off'):
        recording.load(1)
    (sequence / 'image_2' / '000001.png').write_bytes(b'no image')
    with pytest.raises(BagError, match=r'cannot read image .*000001.png'):
        recording.load(1)
    # A recording that cannot be read to its end leaves no bag.
    with pytest.raises(BagError, match='cannot read image'):
        write_recording(recording, tmp_path / 'bag')
    assert not (tmp_path / 'bag').exists()


def test_what_is_no_kitti_folder(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='does not exist'):
        open_kitti(tmp_path / 'nothing')
    with pytest.raises(BagError, match=r'Looked for a clip: .*; a raw drive: .*; an odometry'):
        open_kitti(tmp_path)


@pytest.mark.shared_data
def test_real_sequence(tmp_path: Path, shared: Path) -> None:
    folder = shared / 'data' / 'kitti_odometry'
    write_recording(open_kitti(folder), tmp_path / 'bag')
    truth = np.loadtxt(folder / 'poses.txt').reshape(-1, 3, 4)
    with BagReader(tmp_path / 'bag') as reader:
        counts = {topic.name: topic.message_count for topic in reader.summary.topics.values()}
        assert counts == {
            '/tf_static': 1,
            '/camera/image_rect': 51,
            '/camera/camera_info': 51,
            '/ground_truth/odometry': 51,
        }
        info = next(reader.messages([CAMERA_INFO_TOPIC])).message
        poses = [item.message for item in reader.messages([ODOMETRY_TOPIC])]
    assert read_rectified_camera(info) == PinholeIntrinsics(
        1226, 370, 707.0912, 707.0912, 601.8873, 183.1104
    )
    # The pose of base_link, brought back to the camera, is KITTI's own.
    base_from_camera = base_from_level_camera(1.65)
    for pose, expected in zip(poses, truth, strict=True):
        world_from_camera = (
            np.linalg.inv(base_from_camera) @ read_transform(pose.pose.pose) @ base_from_camera
        )
        np.testing.assert_allclose(world_from_camera[:3], expected, atol=2e-5)

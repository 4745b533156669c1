"""The real KITTI clip as a bag: counts, stamps, calibration, transforms that fit the images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gemdepth_ros.bags.clouds import read_lidar
from gemdepth_ros.bags.from_recording import (
    CAMERA_FRAME,
    CAMERA_INFO_TOPIC,
    DEPTH_CAMERA_INFO_TOPIC,
    DEPTH_TOPIC,
    IMAGE_TOPIC,
    LIDAR_FRAME,
    LIDAR_TOPIC,
    ODOMETRY_TOPIC,
    TF_STATIC_TOPIC,
    write_recording,
)
from gemdepth_ros.bags.images import read_depth_m, read_rgb
from gemdepth_ros.bags.kitti import open_kitti
from gemdepth_ros.bags.kitti_files import KittiOptions
from gemdepth_ros.bags.messages import read_transform
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.bags.writer import Storage
from gemdepth_ros.errors import BagError

pytestmark = pytest.mark.shared_data

BASE_NS = 1_316_995_200_000_000_000  # 2011-09-26 00:00 UTC
PER_FRAME = (
    IMAGE_TOPIC,
    CAMERA_INFO_TOPIC,
    LIDAR_TOPIC,
    ODOMETRY_TOPIC,
    DEPTH_TOPIC,
    DEPTH_CAMERA_INFO_TOPIC,
)


@pytest.fixture(scope='module')
def clip(shared: Path) -> Path:
    return shared / 'data' / 'kitti_traffic'


@pytest.fixture(scope='module')
def bag(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('kitti') / 'traffic'
    assert write_recording(open_kitti(clip), path, Storage.MCAP, compress=True) == 469
    return path


def test_counts_and_stamps(bag: Path) -> None:
    stamps: dict[str, list[int]] = {}
    with BagReader(bag) as reader:
        topics = reader.topics
        for item in reader.messages():
            stamps.setdefault(item.topic, []).append(item.stamp_ns)
            if item.topic != TF_STATIC_TOPIC:
                assert header_stamp_ns(item.message) == item.stamp_ns
    expected = [BASE_NS + index * 100_000_000 for index in range(78)]
    assert stamps == {TF_STATIC_TOPIC: expected[:1], **dict.fromkeys(PER_FRAME, expected)}
    assert [topic for topic in topics if topics[topic].latched] == [TF_STATIC_TOPIC]


def test_camera_info_is_that_of_a_rectified_image(bag: Path) -> None:
    with BagReader(bag) as reader:
        for topic in (CAMERA_INFO_TOPIC, DEPTH_CAMERA_INFO_TOPIC):
            info = next(reader.messages([topic])).message
            assert (info.width, info.height, info.header.frame_id) == (1242, 375, CAMERA_FRAME)
            matrix = [[721.5377, 0, 609.5593], [0, 721.5377, 172.854], [0, 0, 1]]
            np.testing.assert_array_equal(info.k.reshape(3, 3), matrix)
            np.testing.assert_array_equal(info.p.reshape(3, 4)[:, :3], matrix)
            np.testing.assert_array_equal(info.p.reshape(3, 4)[:, 3], 0)
            assert not info.d.any()


def test_pixels_are_those_of_the_files(bag: Path, clip: Path) -> None:
    with BagReader(bag) as reader:
        for index, item in enumerate(reader.messages([IMAGE_TOPIC])):
            if index % 25 == 0:
                bgr = cv2.imread(str(clip / 'image_02' / f'{index:06d}.png'))
                np.testing.assert_array_equal(read_rgb(item.message), bgr[:, :, ::-1])


def test_lidar_projected_by_the_bags_own_transforms_is_the_depth_ground_truth(bag: Path) -> None:
    with BagReader(bag) as reader:
        transforms = {
            item.child_frame_id: item
            for item in next(reader.messages([TF_STATIC_TOPIC])).message.transforms
        }
        projection = next(reader.messages([CAMERA_INFO_TOPIC])).message.p.reshape(3, 4)
        clouds = [item.message for item in reader.messages([LIDAR_TOPIC])]
        depths = [item.message for item in reader.messages([DEPTH_TOPIC])]
    assert {item.header.frame_id for item in transforms.values()} == {'base_link'}
    base_from_camera = read_transform(transforms[CAMERA_FRAME].transform)
    base_from_lidar = read_transform(transforms[LIDAR_FRAME].transform)
    np.testing.assert_allclose(base_from_camera[:3, 3], [0, 0, 1.65])
    np.testing.assert_allclose(
        base_from_camera[:3, :3], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-12
    )
    camera_from_lidar = np.linalg.inv(base_from_camera) @ base_from_lidar

    for cloud, depth_message in zip(clouds[::7], depths[::7], strict=True):
        assert (cloud.header.frame_id, depth_message.header.frame_id) == (
            LIDAR_FRAME,
            CAMERA_FRAME,
        )
        points = read_lidar(cloud)[:, :3].astype(np.float64)
        homogeneous = np.hstack([points, np.ones((len(points), 1))]).T
        pixels = projection @ camera_from_lidar @ homogeneous
        nearest: dict[tuple[int, int], float] = {}
        for x, y, z in pixels.T:
            key = (int(np.floor(y / z + 0.5)), int(np.floor(x / z + 0.5)))
            if z > 0 and 0 <= key[0] < 375 and 0 <= key[1] < 1242:
                nearest[key] = min(z, nearest.get(key, np.inf))
        depth = read_depth_m(depth_message)
        assert np.isfinite(depth).sum() == pytest.approx(len(nearest), abs=3)
        rows, columns = np.array(list(nearest)).T
        # The files hold 1/256 m. A quaternion moves KITTI's rounded rotation by 2e-5 pixels, so a
        # point on the border of two pixels may change sides.
        error_m = np.abs(depth[rows, columns] - list(nearest.values()))
        assert np.sum(error_m < 1 / 256) >= max(10_000, len(nearest) - 3)


def test_ground_truth_is_a_topic_in_the_axes_of_the_vehicle(bag: Path, clip: Path) -> None:
    truth = np.loadtxt(clip / 'poses.txt').reshape(-1, 3, 4)
    with BagReader(bag) as reader:
        assert '/tf' not in reader.topics
        odometry = [item.message for item in reader.messages([ODOMETRY_TOPIC])]
    assert {(item.header.frame_id, item.child_frame_id) for item in odometry} == {
        ('odom', 'base_link')
    }
    positions = np.array([read_transform(item.pose.pose)[:3, 3] for item in odometry])
    np.testing.assert_allclose(positions[0], 0, atol=1e-9)
    # Optical z forward, x right, y down; base_link turns about a point 1.65 m below the camera.
    forward, left = truth[:, 2, 3], -truth[:, 0, 3]
    np.testing.assert_allclose(positions[:, 0], forward, atol=0.05)
    np.testing.assert_allclose(positions[:, 1], left, atol=0.05)
    speeds = np.array([item.twist.twist.linear.x for item in odometry])
    assert speeds[0] == pytest.approx(1.0, abs=0.1)
    # At a standstill only the jitter of the LiDAR odometry is left, 1 cm per frame.
    assert np.abs(speeds[-10:]).max() < 0.15
    assert np.sum(speeds[:-1]) * 0.1 == pytest.approx(7.6, abs=0.1)


def test_depth_is_projected_where_there_are_no_depth_maps(clip: Path, tmp_path: Path) -> None:
    for name in ('calib.yaml', 'image_02', 'lidar'):
        (tmp_path / name).symlink_to(clip / name)
    projected = open_kitti(tmp_path).load(3).depth_m
    stored = open_kitti(clip).load(3).depth_m
    assert projected is not None
    np.testing.assert_allclose(projected, stored, atol=1 / 256)


def test_options_and_faults_of_a_clip(clip: Path, tmp_path: Path) -> None:
    (tmp_path / 'image_02').symlink_to(clip / 'image_02')
    text = (clip / 'calib.yaml').read_text()
    (tmp_path / 'calib.yaml').write_text(text.replace('camera_height: 1.65', ''))
    recording = open_kitti(tmp_path, KittiOptions(base_time_ns=10**18))
    assert recording.load(2).stamp_ns == 10**18 + 200_000_000
    # Height not known: base_link lies in the camera.
    np.testing.assert_array_equal(recording.rig.base_from_camera[:3, 3], 0)
    assert not any((recording.poses, recording.has_lidar, recording.has_depth))

    for wrong, message in (
        ('width: 1241', '1241x375 images, but 000000.png is 1242x375'),
        ('width: [', 'cannot read .*calib.yaml'),
    ):
        (tmp_path / 'calib.yaml').write_text(text.replace('width: 1242', wrong))
        with pytest.raises(BagError, match=message):
            open_kitti(tmp_path)
    (tmp_path / 'calib.yaml').write_text('size: 3\n')
    with pytest.raises(BagError, match='must hold the 3x3 matrix K'):
        open_kitti(tmp_path)
    (tmp_path / 'calib.yaml').write_text('just words\n')
    with pytest.raises(BagError, match='must hold named values'):
        open_kitti(tmp_path)

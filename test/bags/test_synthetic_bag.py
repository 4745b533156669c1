"""`gemdepth-ros bag synthesize`: topics, frames, stamps, and agreement with the truth."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import ConnectionExtRosbag2, QosDurability, QosReliability
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from gemdepth_ros.bags.clouds import read_cloud, read_lidar
from gemdepth_ros.bags.images import read_depth_m, read_pixels, read_rgb
from gemdepth_ros.bags.messages import read_rectified_camera, read_transform
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.cli.evaluation.bag_truth import TruthTopics, choose_truth_topics
from gemdepth_ros.cli.main import main
from gemdepth_ros.cli.reconstruction.recording import SourceOptions, image_and_info
from gemdepth_ros.cli.reconstruction.sensors import SensorTopics, choose_topics
from gemdepth_ros.geometry.transform_tree import TransformTree

FRAMES, WIDTH, HEIGHT = 8, 160, 48
SIZE = ('--size', f'{WIDTH}x{HEIGHT}')
SMALL = (*SIZE, '--lidar-field', '90')
IMAGE, INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'
CLOUD, ODOMETRY = 'sensor_msgs/msg/PointCloud2', 'nav_msgs/msg/Odometry'
IMAGE_TOPIC, DEPTH_TOPIC = '/camera/image_rect', '/camera/depth_ground_truth'
TRUTH_TOPIC = '/ground_truth/odometry'

Messages = dict[str, list[Any]]


def synthesize(target: Path, *words: str) -> Path:
    assert main(['bag', 'synthesize', '-o', str(target), *words]) == 0
    return target


def read(bag: Path) -> Messages:
    found: Messages = {}
    with BagReader(bag) as reader:
        for item in reader.messages():
            found.setdefault(item.topic, []).append(item.message)
    return found


def stamps(messages: list[Any]) -> list[int]:
    return [header_stamp_ns(message) for message in messages]


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames with everything, and three LiDARs."""
    target = tmp_path_factory.mktemp('synthetic') / 'all'
    rings = ('--lidar-rings', '64', '16', '1')
    return synthesize(
        target, '--frames', str(FRAMES), *SMALL, *rings, '--masks', '--imu-orientation'
    )


@pytest.fixture(scope='module')
def drive(bag: Path) -> Messages:
    return read(bag)


@pytest.fixture(scope='module')
def tree(drive: Messages) -> TransformTree:
    tree = TransformTree()
    for item in drive['/tf_static'][0].transforms:
        tree.add(item.header.frame_id, item.child_frame_id, read_transform(item.transform))
    return tree


def test_types_counts_and_frames(bag: Path, drive: Messages) -> None:
    with BagReader(bag) as reader:
        found = {
            topic.name: (topic.message_type, topic.message_count)
            for topic in reader.topics.values()
        }
    imu, wheels = 10 * (FRAMES - 1) + 1, 5 * (FRAMES - 1) + 1
    assert found == {
        IMAGE_TOPIC: (IMAGE, FRAMES),
        '/camera/camera_info': (INFO, FRAMES),
        DEPTH_TOPIC: (IMAGE, FRAMES),
        f'{DEPTH_TOPIC}/camera_info': (INFO, FRAMES),
        '/ground_truth/sky_mask': (IMAGE, FRAMES),
        '/ground_truth/moving_mask': (IMAGE, FRAMES),
        TRUTH_TOPIC: (ODOMETRY, FRAMES),
        '/wheel/odometry': (ODOMETRY, wheels),
        '/imu/data': ('sensor_msgs/msg/Imu', imu),
        '/lidar_64/points': (CLOUD, FRAMES),
        '/lidar_16/points': (CLOUD, FRAMES),
        '/lidar_1/points': (CLOUD, FRAMES),
        '/tf_static': ('tf2_msgs/msg/TFMessage', 1),
    }
    frames = {topic: items[0].header.frame_id for topic, items in drive.items() if topic[1] != 't'}
    camera = 'camera_optical_frame'
    assert {frames[topic] for topic in found if 'camera' in topic or 'mask' in topic} == {camera}
    assert frames[TRUTH_TOPIC] == 'map'
    assert frames['/wheel/odometry'] == 'odom'
    assert frames['/imu/data'] == 'imu_link'
    assert frames['/lidar_16/points'] == 'lidar_16'
    for topic in (TRUTH_TOPIC, '/wheel/odometry'):
        assert drive[topic][0].child_frame_id == 'base_link'


def test_stamps_are_those_of_the_frames_and_of_steady_clocks(drive: Messages) -> None:
    images = stamps(drive[IMAGE_TOPIC])
    np.testing.assert_array_equal(np.diff(images), 100_000_000)
    for topic in ('/camera/camera_info', DEPTH_TOPIC, TRUTH_TOPIC, '/lidar_64/points'):
        assert stamps(drive[topic]) == images
    np.testing.assert_array_equal(np.diff(stamps(drive['/imu/data'])), 10_000_000)
    np.testing.assert_array_equal(np.diff(stamps(drive['/wheel/odometry'])), 20_000_000)
    assert stamps(drive['/imu/data'])[0] == stamps(drive['/wheel/odometry'])[0] == images[0]


def test_the_static_frames(drive: Messages, tree: TransformTree) -> None:
    pairs = {
        (item.header.frame_id, item.child_frame_id) for item in drive['/tf_static'][0].transforms
    }
    assert pairs == {
        ('base_link', 'camera_link'),
        ('camera_link', 'camera_optical_frame'),
        ('base_link', 'imu_link'),
        ('base_link', 'lidar_64'),
        ('base_link', 'lidar_16'),
        ('base_link', 'lidar_1'),
    }
    base_from_camera = tree.find('base_link', 'camera_optical_frame')
    assert base_from_camera is not None
    # 1.65 m above the ground, looking ahead; down in the image is down.
    np.testing.assert_allclose(base_from_camera[:3, 3], (0, 0, 1.65), atol=1e-12)
    np.testing.assert_allclose(base_from_camera[:3, 2], (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(base_from_camera[:3, 1], (0, 0, -1), atol=1e-12)
    base_from_link = tree.find('base_link', 'camera_link')
    assert base_from_link is not None
    np.testing.assert_allclose(base_from_link[:3, :3], np.eye(3), atol=1e-12)


def test_camera_info_describes_the_image(drive: Messages) -> None:
    info = drive['/camera/camera_info'][0]
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert not info.d.any()
    np.testing.assert_array_equal(info.k.reshape(3, 3), info.p.reshape(3, 4)[:, :3])
    assert info.k[0] == pytest.approx(0.581 * WIDTH)
    assert read_rgb(drive[IMAGE_TOPIC][0]).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(('rings', 'least'), [(64, 800), (16, 250), (1, 40)])
def test_the_lidar_measures_what_the_depth_image_shows(
    drive: Messages, tree: TransformTree, rings: int, least: int
) -> None:
    """Points go by the static transforms and the intrinsics into the image of the same stamp."""
    camera = read_rectified_camera(drive['/camera/camera_info'][0])
    camera_from_lidar = tree.find('camera_optical_frame', f'lidar_{rings}')
    assert camera_from_lidar is not None
    errors = []
    for cloud, image in zip(drive[f'/lidar_{rings}/points'], drive[DEPTH_TOPIC], strict=True):
        points = read_lidar(cloud)[:, :3].astype(np.float64)
        x, y, z = camera_from_lidar[:3, :3] @ points.T + camera_from_lidar[:3, 3:]
        column, row = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
        inside = (z > 0) & (column > 1) & (column < WIDTH - 2) & (row > 1) & (row < HEIGHT - 2)
        near, lower = np.rint(row[inside]).astype(int), np.rint(column[inside]).astype(int)
        depth = read_depth_m(image)
        patch = np.stack([depth[near + i, lower + j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
        # Between pixels depth is not known: within a smooth patch it lies in its range.
        smooth = patch.max(axis=0) < 1.15 * patch.min(axis=0)
        measured = z[inside][smooth]
        low, high = patch[:, smooth].min(axis=0), patch[:, smooth].max(axis=0)
        errors.append(np.maximum(low - measured, measured - high).clip(min=0.0))
    error = np.concatenate(errors)
    assert error.size > least
    # Noise of 2 or 3 cm; a few points hit what is hidden from the camera.
    assert np.mean(error < 0.1) > 0.97
    assert np.median(error) < 0.02


@pytest.mark.parametrize(('rings', 'low', 'high'), [(64, -24.8, 2.0), (16, -15, 15), (1, 0, 0)])
def test_rings_have_their_elevation(drive: Messages, rings: int, low: float, high: float) -> None:
    cloud = read_cloud(drive[f'/lidar_{rings}/points'][0]).reshape(-1)
    x, y, z = (cloud[name].astype(float) for name in 'xyz')
    elevation = np.degrees(np.arctan2(z, np.hypot(x, y)))
    expected = np.linspace(low, high, rings)[cloud['ring']]
    np.testing.assert_allclose(elevation, expected, atol=1e-3)
    assert np.abs(np.degrees(np.arctan2(y, x))).max() <= 45.0


def test_wheels_follow_the_truth_within_their_variance(drive: Messages) -> None:
    truth, wheels = drive[TRUTH_TOPIC][-1], drive['/wheel/odometry'][-1]
    assert stamps([truth]) == stamps([wheels])
    true, own = read_transform(truth.pose.pose), read_transform(wheels.pose.pose)
    way = true[0, 3]
    assert 4.5 < way < 7.0, '0.7 s at about 8 m/s'
    std = np.sqrt(wheels.pose.covariance[0])
    error = np.linalg.norm((own - true)[:2, 3])
    assert 1e-4 < error < 4 * std
    assert std < 0.03 * way
    assert wheels.twist.twist.linear.x == pytest.approx(truth.twist.twist.linear.x, rel=0.05)
    # What wheels do not measure says so.
    assert wheels.pose.covariance[14] > 1e5


def test_the_speeds_of_the_wheels_add_up_to_their_path_and_the_true_one(drive: Messages) -> None:
    wheels = drive['/wheel/odometry']
    seconds = np.diff(stamps(wheels)) / 1e9
    place, heading = np.zeros(2), 0.0
    # A message's twist is the mean one since the message before.
    for message, dt in zip(wheels[1:], seconds, strict=True):
        linear, turn = message.twist.twist.linear, message.twist.twist.angular.z * dt
        middle = Rotation.from_euler('Z', heading + turn / 2).as_matrix()[:2, :2]
        place, heading = place + middle @ np.array([linear.x, linear.y]) * dt, heading + turn
    own = read_transform(wheels[-1].pose.pose)
    np.testing.assert_allclose(place, own[:2, 3], atol=1e-6)
    true = read_transform(drive[TRUTH_TOPIC][-1].pose.pose)
    np.testing.assert_allclose(place, true[:2, 3], atol=0.03 * true[0, 3])


def test_the_imu_feels_gravity_and_turns(drive: Messages, tree: TransformTree) -> None:
    base_from_imu = tree.find('base_link', 'imu_link')
    assert base_from_imu is not None
    force = np.array([vector(message.linear_acceleration) for message in drive['/imu/data']])
    up = base_from_imu[:3, :3] @ force.mean(axis=0)
    assert np.linalg.norm(up) == pytest.approx(9.81, abs=0.3)
    assert np.degrees(np.arccos(up[2] / np.linalg.norm(up))) < 8.0, 'braking tilts it, no more'
    rates = np.array([vector(message.angular_velocity) for message in drive['/imu/data']])
    true = [read_transform(message.pose.pose) for message in drive[TRUTH_TOPIC]]
    turned = Rotation.from_matrix(true[0][:3, :3].T @ true[-1][:3, :3]).as_rotvec()
    seconds = (FRAMES - 1) / 10
    integral = base_from_imu[:3, :3] @ rates[:-1].mean(axis=0) * seconds
    np.testing.assert_allclose(integral, turned, atol=0.003)


def test_the_orientation_of_the_imu_is_near_the_truth(
    drive: Messages, tree: TransformTree
) -> None:
    base_from_imu = tree.find('base_link', 'imu_link')
    assert base_from_imu is not None
    message, truth = drive['/imu/data'][0], read_transform(drive[TRUTH_TOPIC][0].pose.pose)
    assert message.orientation_covariance[0] > 0
    turn = message.orientation
    own = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    # Its heading has no reference; up has.
    np.testing.assert_allclose(own[2], (truth @ base_from_imu)[2, :3], atol=0.02)


def test_masks(drive: Messages) -> None:
    sky = read_pixels(drive['/ground_truth/sky_mask'][0])
    depth = read_depth_m(drive[DEPTH_TOPIC][0])
    np.testing.assert_array_equal(sky == 255, np.isposinf(depth))
    assert set(np.unique(read_pixels(drive['/ground_truth/moving_mask'][0]))) <= {0, 255}


def digests(bag: Path) -> dict[str, str]:
    """Return a digest of all bytes of each topic."""
    found: dict[str, Any] = {}
    with BagReader(bag) as reader:
        for connection, stamp_ns, data in reader.serialized_messages():
            digest = found.setdefault(connection.topic, hashlib.sha256())
            digest.update(stamp_ns.to_bytes(8, 'little') + bytes(data))
    return {topic: digest.hexdigest() for topic, digest in found.items()}


def test_plain_rosbags_reads_it_with_its_qos(bag: Path) -> None:
    """Nothing of ours reads here; enumerators are those of rmw_qos_profile_t."""
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        for connection, _, data in reader.messages():
            assert reader.deserialize(data, connection.msgtype) is not None
        profiles = {}
        for connection in reader.connections:
            assert isinstance(connection.ext, ConnectionExtRosbag2)
            (profiles[connection.topic],) = connection.ext.offered_qos_profiles
    latched = profiles.pop('/tf_static')
    assert latched.durability == QosDurability.TRANSIENT_LOCAL
    assert {item.durability for item in profiles.values()} == {QosDurability.VOLATILE}
    assert {item.reliability for item in (latched, *profiles.values())} == {
        QosReliability.RELIABLE
    }


def test_the_same_command_writes_the_same_files(tmp_path: Path) -> None:
    few = ('--frames', '2', *SMALL, '--drop-frames', '0.5', '--compress')
    files = []
    for name in ('one', 'two'):
        bag = synthesize(tmp_path / name / 'bag', *few)
        files.append({file.name: file.read_bytes() for file in bag.iterdir()})
    assert files[0] == files[1]
    assert set(files[0]) == {'metadata.yaml', 'bag.mcap'}


def test_a_seed_means_the_same_bytes_whatever_else_is_in_the_bag(tmp_path: Path) -> None:
    few = ('--frames', '2', *SMALL)
    first = digests(synthesize(tmp_path / 'first', *few, '--seed', '5'))
    again = digests(synthesize(tmp_path / 'again', *few, '--seed', '5', '--storage', 'sqlite3'))
    assert first == again
    less = ('--no-lidar', '--no-odometry', '--no-depth')
    without = digests(synthesize(tmp_path / 'less', *few, '--seed', '5', *less))
    assert without == {topic: first[topic] for topic in without.keys() - {'/tf_static'}} | {
        '/tf_static': without['/tf_static']
    }
    assert set(first) - set(without) == {
        '/lidar/points',
        '/wheel/odometry',
        DEPTH_TOPIC,
        f'{DEPTH_TOPIC}/camera_info',
    }
    other = digests(synthesize(tmp_path / 'other', *few, '--seed', '6'))
    assert all(other[topic] != first[topic] for topic in (IMAGE_TOPIC, '/imu/data_raw'))


def test_the_raw_imu_has_no_orientation(tmp_path: Path) -> None:
    few = ('--frames', '1', *SIZE, '--no-lidar')
    messages = read(synthesize(tmp_path / 'bag', *few))['/imu/data_raw']
    assert messages[0].orientation_covariance[0] == -1


def vector(message: Any) -> tuple[float, float, float]:
    return message.x, message.y, message.z


def test_reconstruct_and_evaluate_find_its_topics_by_themselves(bag: Path) -> None:
    with BagReader(bag) as reader:
        topics = reader.topics
    image, info = image_and_info(bag, topics, SourceOptions())
    assert (image.name, info) == (IMAGE_TOPIC, '/camera/camera_info')
    notes: list[str] = []
    sensors = choose_topics(topics, '', '', notes.append)
    assert sensors == SensorTopics('', '/wheel/odometry')
    (note,) = notes
    assert 'choose with --lidar: ' in note
    assert all(f'/lidar_{rings}/points' in note for rings in (64, 16, 1))
    truth = choose_truth_topics(topics, (), '', automatic=True)
    assert truth == TruthTopics(DEPTH_TOPIC, TRUTH_TOPIC)

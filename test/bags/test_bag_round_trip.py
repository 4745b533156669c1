"""What is written is read: both storages, plain and compressed, by other readers too."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemdepth_ros.bags.clouds import lidar_message, read_lidar
from gemdepth_ros.bags.images import image_message, read_pixels
from gemdepth_ros.bags.messages import (
    camera_info_message,
    odometry_message,
    read_rectified_camera,
    read_transform,
    tf_message,
    transform_message,
)
from gemdepth_ros.bags.qos import LATCHED
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.bags.typestore import message_store
from gemdepth_ros.bags.writer import BagWriter, Storage, TimedMessage, in_time_order
from gemdepth_ros.errors import BagError
from gemdepth_ros.geometry.se3 import from_parts
from gemdepth_ros.interfaces import PinholeIntrinsics

BASE_NS = 1_316_995_200_000_000_000
CAMERA = PinholeIntrinsics(8, 6, 7.0, 7.5, 3.6, 2.4)
POSE = from_parts(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([1.0, 2.0, 3.0]))
FORMATS = [(storage, compress) for storage in Storage for compress in (False, True)]
IMAGES = np.random.default_rng(0).integers(0, 255, (5, 6, 8, 3), np.uint8)
POINTS = np.random.default_rng(1).uniform(0, 9, (7, 4)).astype(np.float32)


def write_example(path: Path, storage: Storage, compress: bool = False) -> None:
    with BagWriter(path, storage, compress=compress) as writer:
        writer.add_topic('/tf_static', 'tf2_msgs/msg/TFMessage', LATCHED)
        writer.add_topic('/image', 'sensor_msgs/msg/Image')
        writer.add_topic('/info', 'sensor_msgs/msg/CameraInfo')
        writer.add_topic('/points', 'sensor_msgs/msg/PointCloud2')
        writer.add_topic('/odometry', 'nav_msgs/msg/Odometry')
        static = tf_message([transform_message(POSE, BASE_NS, 'base', 'camera')])
        writer.write('/tf_static', static, BASE_NS)
        for index, image in enumerate(IMAGES):
            stamp_ns = BASE_NS + index * 100_000_000
            writer.write('/image', image_message(image, 'rgb8', stamp_ns, 'camera'), stamp_ns)
            writer.write('/info', camera_info_message(CAMERA, stamp_ns, 'camera'), stamp_ns)
            writer.write('/points', lidar_message(POINTS + index, stamp_ns, 'velo'), stamp_ns)
            odometry = odometry_message(POSE, np.arange(6.0), stamp_ns, 'odom', 'base')
            writer.write('/odometry', odometry, stamp_ns)


@pytest.mark.parametrize(('storage', 'compress'), FORMATS)
def test_messages_survive(tmp_path: Path, storage: Storage, compress: bool) -> None:
    write_example(tmp_path / 'bag', storage, compress)
    with BagReader(tmp_path / 'bag') as reader:
        summary = reader.summary
        messages = list(reader.messages())
    assert summary.storage == storage.value
    assert (summary.start_ns, summary.duration_ns) == (BASE_NS, 400_000_000)
    assert summary.message_count == len(messages) == 21
    counts = {topic.name: topic.message_count for topic in summary.topics.values()}
    assert counts == {'/tf_static': 1, '/image': 5, '/info': 5, '/points': 5, '/odometry': 5}
    assert [topic.name for topic in summary.topics.values() if topic.latched] == ['/tf_static']

    stamps = [message.stamp_ns for message in messages]
    assert stamps == sorted(stamps)
    by_topic = {name: [item.message for item in messages if item.topic == name] for name in counts}
    transform = by_topic['/tf_static'][0].transforms[0]
    np.testing.assert_allclose(read_transform(transform.transform), POSE, atol=1e-12)
    for index, message in enumerate(by_topic['/image']):
        assert header_stamp_ns(message) == BASE_NS + index * 100_000_000
        np.testing.assert_array_equal(read_pixels(message), IMAGES[index])
        np.testing.assert_array_equal(read_lidar(by_topic['/points'][index]), POINTS + index)
    info = by_topic['/info'][0]
    assert read_rectified_camera(info) == CAMERA
    assert info.distortion_model == 'plumb_bob'
    assert not info.d.any()
    np.testing.assert_array_equal(info.r.reshape(3, 3), np.eye(3))
    np.testing.assert_array_equal(info.k.reshape(3, 3), info.p.reshape(3, 4)[:, :3])
    odometry = by_topic['/odometry'][0]
    assert (odometry.header.frame_id, odometry.child_frame_id) == ('odom', 'base')
    np.testing.assert_allclose(read_transform(odometry.pose.pose), POSE, atol=1e-12)
    assert odometry.twist.twist.angular.z == 5.0


@pytest.mark.parametrize('storage', list(Storage))
def test_storage_file_alone_can_be_read(tmp_path: Path, storage: Storage) -> None:
    write_example(tmp_path / 'bag', storage)
    file = next(item for item in (tmp_path / 'bag').iterdir() if item.suffix != '.yaml')
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    with BagReader(file) as reader:
        assert reader.summary.storage == storage.value
        assert sum(1 for _ in reader.messages()) == 21


def test_selection_of_topics_and_times(tmp_path: Path) -> None:
    write_example(tmp_path / 'bag', Storage.MCAP)
    with BagReader(tmp_path / 'bag') as reader:
        window = (BASE_NS + 100_000_000, BASE_NS + 300_000_000)
        messages = list(reader.messages(['/image', '/info'], *window))
        assert {message.topic for message in messages} == {'/image', '/info'}
        assert [message.stamp_ns - BASE_NS for message in messages[::2]] == [
            100_000_000,
            200_000_000,
        ]
        with pytest.raises(BagError, match=r'no topic /images; it has /image, /info'):
            next(reader.messages(['/images']))


def test_own_messages_in_a_bag(tmp_path: Path) -> None:
    name = 'gemdepth_ros/msg/RelativePoses'
    pose_message = message_store().types[name](
        header=image_message(IMAGES[0], 'rgb8', 7, 'camera').header,
        stamps=[],
        poses=[],
        scale=1.0,
        scale_std=0.1,
        metric=False,
    )
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/poses', name)
        writer.write('/poses', pose_message, 7)
    with BagReader(tmp_path / 'bag') as reader:
        message = next(reader.messages()).message
    assert message.scale == 1.0
    assert message.header.frame_id == 'camera'


@pytest.mark.parametrize('compress', [False, True])
def test_the_mcap_library_reads_it(tmp_path: Path, compress: bool) -> None:
    mcap_reader = pytest.importorskip('mcap.reader')
    write_example(tmp_path / 'bag', Storage.MCAP, compress)
    with (tmp_path / 'bag' / 'bag.mcap').open('rb') as stream:
        reader = mcap_reader.make_reader(stream, validate_crcs=True)
        assert reader.get_header().profile == 'ros2'
        counts: dict[str, int] = {}
        for schema, channel, message in reader.iter_messages():
            assert schema.encoding == 'ros2msg'
            assert 'offered_qos_profiles' in channel.metadata
            counts[channel.topic] = counts.get(channel.topic, 0) + 1
            if channel.topic == '/image':
                read = message_store().deserialize_cdr(message.data, schema.name)
                index = (message.log_time - BASE_NS) // 100_000_000
                np.testing.assert_array_equal(read_pixels(read), IMAGES[index])
    assert counts == {'/tf_static': 1, '/image': 5, '/info': 5, '/points': 5, '/odometry': 5}


@pytest.mark.ros
def test_ros_itself_decodes_the_messages(tmp_path: Path) -> None:
    serialization = pytest.importorskip('rclpy.serialization')
    messages = pytest.importorskip('sensor_msgs.msg')
    navigation = pytest.importorskip('nav_msgs.msg')
    transforms = pytest.importorskip('tf2_msgs.msg')
    classes = {
        '/image': messages.Image,
        '/info': messages.CameraInfo,
        '/points': messages.PointCloud2,
        '/odometry': navigation.Odometry,
        '/tf_static': transforms.TFMessage,
    }
    write_example(tmp_path / 'bag', Storage.MCAP)
    read = {}
    with BagReader(tmp_path / 'bag') as reader:
        for connection, _, data in reader.serialized_messages():
            read[connection.topic] = serialization.deserialize_message(
                data, classes[connection.topic]
            )
    np.testing.assert_array_equal(read_pixels(read['/image']), IMAGES[4])
    np.testing.assert_array_equal(read_lidar(read['/points']), POINTS + 4)
    assert read_rectified_camera(read['/info']) == CAMERA
    np.testing.assert_allclose(read_transform(read['/odometry'].pose.pose), POSE, atol=1e-12)
    assert read['/tf_static'].transforms[0].child_frame_id == 'camera'


@pytest.mark.parametrize(('storage', 'compress'), FORMATS)
def test_memory_does_not_grow_with_the_bag(
    tmp_path: Path, storage: Storage, compress: bool
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (512, 1024), np.uint8)
    tracemalloc.start()
    try:
        with BagWriter(tmp_path / 'bag', storage, compress=compress) as writer:
            writer.add_topic('/image', 'sensor_msgs/msg/Image')
            for index in range(100):
                message = image_message(pixels, 'mono8', index + 1, 'camera')
                writer.write('/image', message, index + 1)
        with BagReader(tmp_path / 'bag') as reader:
            assert sum(item.message.height for item in reader.messages()) == 51_200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 15e6, f'{peak / 1e6:.1f} MB for a bag of 52 MB'


def stamped(*stamps_ns: int) -> list[TimedMessage]:
    return [TimedMessage('/t', stamp_ns, None) for stamp_ns in stamps_ns]


@pytest.mark.parametrize(
    ('xyz', 'xyzw', 'complaint'),
    [
        ((0, 0, 0), (0, 0, 0, 0), 'has no length'),
        ((0, 0, 0), (0, 0, 0, float('nan')), 'not finite'),
        ((0, float('inf'), 0), (0, 0, 0, 1), 'not finite'),
        ((0, 0, 0), (1e308, 1e308, 1e308, 1e308), 'too long'),
    ],
)
def test_a_pose_that_is_none_is_refused(
    xyz: tuple[float, ...], xyzw: tuple[float, ...], complaint: str
) -> None:
    pose = SimpleNamespace(
        position=SimpleNamespace(**dict(zip('xyz', xyz, strict=True))),
        orientation=SimpleNamespace(**dict(zip('xyzw', xyzw, strict=True))),
    )
    with pytest.raises(BagError, match=complaint):
        read_transform(pose)


def test_a_long_quaternion_is_normalised() -> None:
    """Its squares are too large for a float."""
    pose = SimpleNamespace(
        position=SimpleNamespace(x=1.0, y=2.0, z=3.0),
        orientation=SimpleNamespace(x=0.0, y=0.0, z=1e200, w=1e200),
    )
    turn = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    expected = from_parts(np.array(turn, np.float64), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(read_transform(pose), expected, atol=1e-12)


def test_groups_are_merged_by_time() -> None:
    groups = [stamped(100, 97, 103), stamped(200, 101, 199), [], stamped(300, 302)]
    stamps = [message.stamp_ns for message in in_time_order(groups)]
    assert stamps == [97, 100, 101, 103, 199, 200, 300, 302]


@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.lists(st.integers(0, 500), max_size=4)), max_size=20
    )
)
def test_any_groups_come_out_sorted_and_complete(groups: list[tuple[int, list[int]]]) -> None:
    start, lists = 0, []
    for step, offsets in groups:
        start += step
        lists.append([start, *(start + offset for offset in offsets)])
    merged = [item.stamp_ns for item in in_time_order(stamped(*item) for item in lists)]
    assert merged == sorted(stamp for item in lists for stamp in item)


def test_merging_looks_one_group_ahead_only() -> None:
    taken = 0

    def groups() -> Iterator[list[TimedMessage]]:
        nonlocal taken
        for index in range(1000):
            taken += 1
            yield stamped(index * 10, index * 10 + 3)

    merged = in_time_order(groups())
    for _ in range(20):
        next(merged)
    assert taken <= 11

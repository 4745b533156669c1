"""Converting a bag changes its storage and nothing else; ROS 1 bags become ROS 2 bags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from gemdepth_ros.bags.convert import convert_bag
from gemdepth_ros.bags.images import image_message, read_rgb
from gemdepth_ros.bags.messages import read_rectified_camera, tf_message
from gemdepth_ros.bags.qos import LATCHED
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.bags.writer import BagWriter, Storage
from gemdepth_ros.errors import BagError

PIXELS = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)
STAMP_NS = 1_316_995_200_123_456_789


def write_example(path: Path, storage: Storage) -> None:
    with BagWriter(path, storage) as writer:
        writer.add_topic('/tf_static', 'tf2_msgs/msg/TFMessage', LATCHED)
        writer.add_topic('/image', 'sensor_msgs/msg/Image')
        writer.write('/tf_static', tf_message([]), STAMP_NS)
        for index in range(5):
            stamp_ns = STAMP_NS + index
            writer.write('/image', image_message(PIXELS + index, 'rgb8', stamp_ns, 'c'), stamp_ns)


def serialized(path: Path) -> list[tuple[str, str, int, bytes]]:
    with BagReader(path) as reader:
        return [
            (connection.topic, connection.msgtype, stamp_ns, bytes(data))
            for connection, stamp_ns, data in reader.serialized_messages()
        ]


@pytest.mark.parametrize('compress', [False, True])
@pytest.mark.parametrize('target', list(Storage))
@pytest.mark.parametrize('source', list(Storage))
def test_every_byte_is_kept(
    tmp_path: Path, source: Storage, target: Storage, compress: bool
) -> None:
    write_example(tmp_path / 'source', source)
    calls = []
    count = convert_bag(
        tmp_path / 'source',
        tmp_path / 'target',
        target,
        compress=compress,
        on_message=lambda: calls.append(1),
    )
    assert count == len(calls) == 6
    assert serialized(tmp_path / 'target') == serialized(tmp_path / 'source')
    with BagReader(tmp_path / 'target') as reader:
        assert reader.summary.storage == target.value
        assert reader.topics['/tf_static'].latched
        assert not reader.topics['/image'].latched


def write_ros1(path: Path, fill: Callable[[Ros1Writer], None]) -> None:
    with Ros1Writer(path) as writer:
        fill(writer)


def write_ros1_example(path: Path) -> None:
    """Write a ROS 1 bag: an image, a camera_info (whose fields are K, P there), a /tf_static."""
    store = get_typestore(Stores.ROS1_NOETIC)
    # Under the name that it had before tf2.
    text = 'geometry_msgs/TransformStamped[] transforms\n'
    store.register(get_types_from_msg(text, 'tf/msg/tfMessage'))
    types = store.types
    time = types['builtin_interfaces/msg/Time'](*divmod(STAMP_NS, 10**9))
    header = types['std_msgs/msg/Header'](seq=7, stamp=time, frame_id='camera')
    image = types['sensor_msgs/msg/Image'](
        header=header,
        height=4,
        width=6,
        encoding='rgb8',
        is_bigendian=0,
        step=18,
        data=PIXELS.reshape(-1),
    )
    matrix = np.array([[7.0, 0, 3], [0, 8, 2], [0, 0, 1]])
    info = types['sensor_msgs/msg/CameraInfo'](
        header=header,
        height=4,
        width=6,
        distortion_model='plumb_bob',
        D=np.zeros(5),
        K=matrix.reshape(-1),
        R=np.eye(3).reshape(-1),
        P=np.hstack([matrix, np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
    )
    static = types['tf/msg/tfMessage'](transforms=[])

    def fill(writer: Ros1Writer) -> None:
        for topic, message, latching in (
            ('/image', image, 0),
            ('/info', info, 0),
            ('/tf_static', static, 1),
        ):
            name = message.__msgtype__
            connection = writer.add_connection(topic, name, typestore=store, latching=latching)
            writer.write(connection, STAMP_NS, store.serialize_ros1(message, name))

    write_ros1(path, fill)


def check_ros1_content(path: Path) -> None:
    with BagReader(path) as reader:
        assert [topic.name for topic in reader.topics.values() if topic.latched] == ['/tf_static']
        messages = {item.topic: item.message for item in reader.messages()}
    np.testing.assert_array_equal(read_rgb(messages['/image']), PIXELS)
    assert header_stamp_ns(messages['/image']) == STAMP_NS
    assert messages['/image'].header.frame_id == 'camera'
    camera = read_rectified_camera(messages['/info'])
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (7, 8, 3, 2)


def test_ros1_bags_are_read(tmp_path: Path) -> None:
    write_ros1_example(tmp_path / 'old.bag')
    with BagReader(tmp_path / 'old.bag') as reader:
        assert reader.is_ros1
        assert (reader.summary.storage, reader.summary.message_count) == ('ros1', 3)
    check_ros1_content(tmp_path / 'old.bag')


@pytest.mark.parametrize('storage', list(Storage))
def test_ros1_bags_are_converted(tmp_path: Path, storage: Storage) -> None:
    write_ros1_example(tmp_path / 'old.bag')
    assert convert_bag(tmp_path / 'old.bag', tmp_path / 'new', storage) == 3
    check_ros1_content(tmp_path / 'new')
    with BagReader(tmp_path / 'new') as reader:
        messages = {item.topic: item.message for item in reader.messages()}
        digests = {connection.msgtype: connection.digest for connection in reader.connections}
    # Types are ROS 2's own: no sequence number, small letters, the hash that ROS 2 expects.
    assert not hasattr(messages['/image'].header, 'seq')
    assert messages['/info'].p[0] == 7
    jazzy = get_typestore(Stores.ROS2_JAZZY)
    for name, digest in digests.items():
        assert digest == jazzy.hash_rihs01(name)


def test_ros1_types_without_a_ros2_twin_keep_their_definition(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    name = 'robot_msgs/msg/Wheel'
    store.register(get_types_from_msg('std_msgs/Header header\nfloat32[] speeds\n', name))
    time = store.types['builtin_interfaces/msg/Time'](1, 2)
    message = store.types[name](
        header=store.types['std_msgs/msg/Header'](seq=7, stamp=time, frame_id='wheel'),
        speeds=np.array([1.5, 2.5], np.float32),
    )

    def fill(writer: Ros1Writer) -> None:
        connection = writer.add_connection('/wheel', name, typestore=store)
        writer.write(connection, 5, store.serialize_ros1(message, name))

    write_ros1(tmp_path / 'old.bag', fill)
    convert_bag(tmp_path / 'old.bag', tmp_path / 'new', Storage.MCAP)
    with BagReader(tmp_path / 'new') as reader:
        converted = next(reader.messages()).message
    assert (converted.header.frame_id, converted.speeds.tolist()) == ('wheel', [1.5, 2.5])


def test_damaged_ros1_bag(tmp_path: Path) -> None:
    write_ros1_example(tmp_path / 'old.bag')
    content = (tmp_path / 'old.bag').read_bytes()
    for share in (0.0, 0.2, 0.9):
        (tmp_path / 'old.bag').write_bytes(content[: int(share * len(content))])
        with pytest.raises(BagError, match=r'old\.bag') as caught:
            convert_bag(tmp_path / 'old.bag', tmp_path / 'new', Storage.MCAP)
        assert '\n' not in str(caught.value)
        assert not (tmp_path / 'new').exists()


def test_faults_of_conversion(tmp_path: Path) -> None:
    write_example(tmp_path / 'bag', Storage.MCAP)
    with pytest.raises(BagError, match='into itself'):
        convert_bag(tmp_path / 'bag', tmp_path / 'bag', Storage.MCAP, overwrite=True)
    (tmp_path / 'other').mkdir()
    with pytest.raises(BagError, match='exists already'):
        convert_bag(tmp_path / 'bag', tmp_path / 'other', Storage.MCAP)

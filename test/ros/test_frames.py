"""Static transforms, foreign parents, bounded buffers and the path."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from geometry_msgs.msg import TransformStamped  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from gemdepth_ros.ros.conversions import fill_rotation, fill_vector, header  # noqa: E402
from gemdepth_ros.ros.frame_listener import OWN_STAMPS, FrameGuard  # noqa: E402
from gemdepth_ros.ros.path import PathBuilder  # noqa: E402
from gemdepth_ros.ros.sensor_buffers import StampedBuffer  # noqa: E402
from gemdepth_ros.ros.static_frames import MAX_FRAMES, StaticFrames  # noqa: E402

SECOND = 1_000_000_000
TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def transform(parent, child, xyz=(0.0, 0.0, 0.0), rotation=None, stamp_ns=0):
    entry = TransformStamped(header=header(stamp_ns, parent), child_frame_id=child)
    fill_vector(entry.transform.translation, np.array(xyz, float))
    fill_rotation(entry.transform.rotation, np.eye(3) if rotation is None else rotation)
    return entry


def tree(*entries):
    frames = StaticFrames()
    assert frames.add(TFMessage(transforms=list(entries))) == []
    return frames


def test_a_chain_over_a_common_ancestor():
    frames = tree(
        transform('base', 'mast', (0, 0, 2)),
        transform('mast', 'cam', (1, 0, 0), TURN),
        transform('/base', '/velodyne', (0, 3, 0)),
    )
    # A point of the velodyne's origin: base (0, 3, 0), mast (0, 3, -2), and turned back by 90.
    expected = TURN.T @ np.array([-1.0, 3.0, -2.0])
    np.testing.assert_allclose(frames.between('cam', 'velodyne')[:3, 3], expected)
    product = frames.between('cam', 'velodyne') @ frames.between('/velodyne', '/cam')
    np.testing.assert_allclose(product, np.eye(4), atol=1e-12)
    np.testing.assert_array_equal(frames.between('nobody', 'nobody'), np.eye(4))


def test_frames_that_nothing_connects():
    frames = tree(transform('base', 'cam'), transform('other', 'velodyne'))
    assert frames.between('cam', 'velodyne') is None
    assert frames.between('cam', 'elsewhere') is None


def test_a_newer_transform_replaces_the_older_and_a_loop_ends():
    frames = tree(transform('base', 'cam', (1, 0, 0)), transform('base', 'cam', (2, 0, 0)))
    assert frames.between('base', 'cam')[0, 3] == 2
    loop = tree(transform('a', 'b'), transform('b', 'a'))
    assert loop.between('a', 'elsewhere') is None


def test_transforms_that_cannot_be_used_are_named_and_the_rest_is():
    bad = transform('base', 'bad', (np.nan, 0, 0))
    empty = transform('base', 'empty')
    empty.transform.rotation.w = 0.0
    frames = StaticFrames()
    problems = frames.add(TFMessage(transforms=[bad, empty, transform('base', 'cam')]))
    assert '/tf_static base -> bad: a pose is not finite' in problems[0]
    assert '/tf_static base -> empty: the quaternion' in problems[1]
    assert frames.between('base', 'cam') is not None
    assert frames.between('base', 'bad') is None


def test_invented_names_do_not_fill_the_memory():
    frames = StaticFrames()
    for i in range(MAX_FRAMES + 10):
        frames.add(TFMessage(transforms=[transform('base', f'f{i}')]))
    assert frames.between('base', f'f{MAX_FRAMES - 1}') is not None
    assert frames.between('base', f'f{MAX_FRAMES + 1}') is None


def test_the_guard_knows_its_own_transforms_from_others():
    guard = FrameGuard()
    own = TFMessage(transforms=[transform('odom', 'base_link', stamp_ns=5)])
    guard.publishing(own)
    guard.heard(own)
    assert guard.other_parent('base_link') is None
    guard.heard(TFMessage(transforms=[transform('odom', 'base_link', stamp_ns=6)]))
    assert guard.other_parent('base_link') == 'odom', 'the very edge, by somebody else'
    guard.heard(TFMessage(transforms=[transform('/map', '/robot')]))
    assert guard.other_parent('robot') == 'map'


def test_the_guard_forgets_the_oldest_of_its_own():
    guard = FrameGuard()
    sent = [
        TFMessage(transforms=[transform('odom', f'key{i}', stamp_ns=stamp) for i in range(16)])
        for stamp in range(OWN_STAMPS // 16 + 1)
    ]
    for message in sent:
        guard.publishing(message)
    for message in sent[1:]:
        guard.heard(message)
    assert guard.other_parent('key0') is None
    guard.heard(sent[0])  # no message is that late: it is taken for somebody else's
    assert guard.other_parent('key0') == 'odom'


def test_the_guard_keeps_what_it_publishes_again():
    """A bag that plays in a loop brings the same stamps; they are as new as the others."""
    guard = FrameGuard()
    for stamp in range(OWN_STAMPS):
        guard.publishing(TFMessage(transforms=[transform('odom', 'cam', stamp_ns=stamp)]))
    again = TFMessage(
        transforms=[
            transform('odom', 'cam', stamp_ns=0),
            transform('odom', 'key0', stamp_ns=OWN_STAMPS),
        ]
    )
    guard.publishing(again)
    guard.heard(again)
    assert guard.other_parent('cam') is None


def stamps(entries):
    return [stamp for stamp, _ in entries]


def test_a_buffer_is_bounded_and_finds_the_nearest():
    buffer = StampedBuffer(3)
    assert buffer.nearest(5) is None
    for i in range(1, 6):
        buffer.add(i * SECOND, i)
    assert buffer.nearest(0) == (3 * SECOND, 3)
    assert buffer.nearest(round(4.4 * SECOND)) == (4 * SECOND, 4)
    assert buffer.nearest(9 * SECOND) == (5 * SECOND, 5)
    assert stamps(buffer.take()) == [3 * SECOND, 4 * SECOND, 5 * SECOND]
    assert (len(buffer), buffer.arrived) == (0, 5)


def test_late_messages_are_dropped_and_a_loop_begins_anew():
    buffer = StampedBuffer(9)
    for stamp in (10 * SECOND, 11 * SECOND, 10 * SECOND + 1):
        buffer.add(stamp, None)
    assert (len(buffer), buffer.late) == (2, 1)
    buffer.add(2 * SECOND, None)
    assert stamps(buffer.take()) == [2 * SECOND]
    buffer.add(2 * SECOND - 5, None)
    assert len(buffer) == 0, 'late, although the newer one has been taken'


def test_the_path_reaches_back_to_its_beginning_in_bounded_memory():
    path = PathBuilder('odom', 8, 1.0)
    sent = []
    for i in range(100):
        pose = np.eye(4)
        pose[0, 3] = i
        path.add((i + 1) * SECOND // 10, pose)
        assert len(path) <= 8
        message = path.message()
        if message is not None:
            sent.append(message)
    assert len(sent) == 10, 'once a second'
    last = sent[-1]
    assert last.header.frame_id == last.poses[0].header.frame_id == 'odom'
    places = [p.pose.position.x for p in last.poses]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 90)
    path.add(5, np.eye(4))
    assert len(path) == 1, 'a stamp that goes back begins a new path'
    assert len(path.message().poses) == 1

"""tf_mode over DDS: who owns which edge, and when nothing is sent."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from nav_msgs.msg import Path  # noqa: E402
from node_bench import NODE, Bench  # noqa: E402
from ros_harness import FRAME, SECOND, wait_for  # noqa: E402
from test_frames import transform  # noqa: E402
from test_node_sensors import LATCHED  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
METRES = {
    'grounding__manual__enabled': True,
    'grounding__manual__scale': 500.0,
    'grounding__manual__translation_factor': 2.0,
}


class Robot:
    """Publishes /tf and /tf_static beside the node."""

    def __init__(self, bench):
        self.bench = bench
        self.static = bench.listener.create_publisher(TFMessage, '/tf_static', LATCHED)
        self.moving = bench.listener.create_publisher(TFMessage, '/tf', 10)

    def mount(self):
        entry = transform('base_link', FRAME, (1.0, 0.0, 1.5), OPTICAL)
        self.static.publish(TFMessage(transforms=[entry]))
        frames = self.bench.node._frames.frames
        wait_for(lambda: frames.between('base_link', FRAME) is not None)

    def move(self, parent, child):
        wait_for(self.moving.get_subscription_count)
        guard = self.bench.node._frames.guard
        entry = transform(parent, child, stamp_ns=SECOND)
        self.moving.publish(TFMessage(transforms=[entry]))
        wait_for(lambda: guard.other_parent(child) == parent)


def start(world, mode, **parameters):
    bench = Bench(world, {'/tf': TFMessage, f'{NODE}/path': Path}, tf_mode=mode, **parameters)
    return bench, Robot(bench)


def edges(bench):
    """(parent, child) of the node's own transforms, whose stamps are of its images."""
    return {
        (t.header.frame_id, t.child_frame_id)
        for message in bench.listener.messages['/tf']
        for t in message.transforms
        if t.header.stamp.sec >= 100
    }


@pytest.mark.parametrize(
    ('mode', 'edge', 'odom'),
    [
        ('odom_to_base', ('odom', 'base_link'), 'odom'),
        ('inverted', ('base_link', 'gemdepth_odom'), 'gemdepth_odom'),
    ],
)
def test_the_motion_of_the_base_is_one_edge(world, mode, edge, odom):
    bench, robot = start(world, mode, **METRES)
    robot.mount()
    for _ in range(3):
        bench.send()
    wait_for(lambda: len(bench.listener.messages['/tf']) >= 3)
    assert edges(bench) == {edge}
    newest = bench.listener.messages['/tf'][-1].transforms[0].transform.translation
    # The camera went 6 m along its z since the session began.
    assert newest.x == pytest.approx(6.0 if mode == 'odom_to_base' else -6.0)
    assert newest.z == pytest.approx(0.0)
    odometry = bench.listener.messages[f'{NODE}/odometry'][-1]
    assert (odometry.header.frame_id, odometry.child_frame_id) == (odom, 'base_link')
    assert odometry.twist.twist.linear.x == pytest.approx(20.0)
    assert bench.diagnosis().level == b'\x00'


@pytest.mark.parametrize('mode', ['odom_to_base', 'inverted'])
def test_without_the_static_transform_the_modes_of_the_base_refuse(world, mode):
    bench, robot = start(world, mode, **METRES)
    bench.send()
    found = bench.diagnosis()
    assert found.level == b'\x02'
    assert f"tf_mode {mode} needs the static transform between 'base_link' and" in found.message
    assert FRAME in found.message
    assert edges(bench) == set()
    assert bench.listener.messages[f'{NODE}/odometry'] == []
    robot.mount()
    bench.send()
    wait_for(lambda: edges(bench))
    assert bench.diagnosis().level == b'\x00', 'it comes as soon as it can'


@pytest.mark.parametrize(
    ('mode', 'foreign'),
    [
        ('odom_to_base', ('odom', 'base_link')),
        ('odom_to_base', ('map', 'base_link')),
        ('inverted', ('somewhere', 'gemdepth_odom')),
        ('camera', ('somewhere', f'{FRAME}_gemdepth')),
    ],
)
def test_a_frame_never_gets_a_second_parent(world, mode, foreign):
    bench, robot = start(world, mode, **METRES)
    robot.mount()
    robot.move(*foreign)
    bench.send()
    found = bench.diagnosis()
    assert found.level == b'\x02'
    parent, child = foreign
    assert f"somebody else publishes '{parent}' -> '{child}'" in found.message
    assert edges(bench) == set()
    wait_for(lambda: bench.listener.messages[f'{NODE}/odometry'], what='odometry goes on')


def test_an_owner_that_comes_later_ends_it_too(world):
    bench, robot = start(world, 'odom_to_base', **METRES)
    robot.mount()
    bench.send()
    wait_for(lambda: edges(bench) == {('odom', 'base_link')})
    robot.move('odom', 'base_link')
    sent = len(bench.listener.messages['/tf'])
    bench.send()
    assert 'somebody else publishes' in bench.diagnosis().message
    assert len(bench.listener.messages['/tf']) == sent


def test_a_motion_that_is_not_in_metres_moves_no_base(world):
    bench, robot = start(world, 'odom_to_base')
    robot.mount()
    bench.send()
    assert 'the motion is not in metres, no transform is sent' in bench.diagnosis().message
    assert edges(bench) == set()
    wait_for(lambda: bench.listener.messages[f'{NODE}/odometry'])
    assert bench.listener.messages[f'{NODE}/odometry'][-1].pose.covariance[0] == 9999


def test_a_lost_camera_sends_no_transform_and_says_so(world):
    bench, robot = start(world, 'odom_to_base', **METRES)
    robot.mount()
    bench.send()
    bench.send(step_s=3.0)  # the fake pipeline is lost at a gap
    assert 'the camera is lost, no transform is sent' in bench.diagnosis().message
    lost = bench.listener.messages[f'{NODE}/odometry'][-1]
    assert (lost.pose.covariance[0], lost.twist.covariance[0]) == (9999, 9999)


def test_the_camera_mode_gives_every_frame_one_parent(world):
    bench, robot = start(world, 'camera', **METRES)
    robot.mount()
    for _ in range(5):
        bench.send()
    wait_for(lambda: len(bench.listener.messages['/tf']) >= 5)
    parents = {}
    for parent, child in edges(bench) | {('base_link', FRAME)}:
        parents.setdefault(child, set()).add(parent)
    assert {len(p) for p in parents.values()} == {1}
    assert 'map' not in parents
    assert 'odom' not in parents


def test_the_path_is_bounded_and_sent_now_and_then(world):
    bench, _ = start(world, 'none', path_poses=6, path_period_s=0.5)
    for _ in range(20):
        bench.send()
    topic = f'{NODE}/path'
    wait_for(lambda: len(bench.listener.messages[topic]) == 4)
    newest = bench.listener.messages[topic][-1]
    assert len(newest.poses) <= 6
    assert newest.header.frame_id == 'gemdepth_odom'
    assert bench.listener.stamps(topic)[1] - bench.listener.stamps(topic)[0] == SECOND // 2

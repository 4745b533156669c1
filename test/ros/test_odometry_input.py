"""Odometry for a camera: its speed, and what is said where nobody knows its place."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from nav_msgs.msg import Odometry  # noqa: E402
from test_frames import SECOND, transform, tree  # noqa: E402

from gemdepth_ros.ros.conversions import header  # noqa: E402
from gemdepth_ros.ros.odometry_input import OdometryInput  # noqa: E402
from gemdepth_ros.ros.sensor_messages import odometry_sample  # noqa: E402
from gemdepth_ros.ros.static_frames import StaticFrames  # noqa: E402

AHEAD = np.eye(4)
AHEAD[0, 3] = 2.0


def turning(stamp_ns=SECOND, child='base_link', frame='odom'):
    """2 m/s ahead and 0.5 rad/s to the left."""
    message = Odometry(header=header(stamp_ns, frame), child_frame_id=child)
    message.twist.twist.linear.x = 2.0
    message.twist.twist.angular.z = 0.5
    message.twist.covariance[0] = message.twist.covariance[35] = 0.1
    return message


def test_a_twist_and_a_place_give_the_speed_of_the_camera():
    """Two metres ahead of the axle it also goes to the left, at 1 m/s."""
    sample = odometry_sample(turning(), AHEAD)
    assert sample.speed_mps == pytest.approx(math.sqrt(5.0))
    assert sample.turn_radps == 0.5
    assert sample.base_from_camera is AHEAD
    alone = odometry_sample(turning())
    assert alone.speed_mps == 2.0
    assert alone.base_from_camera is None


def test_turning_that_nobody_measures_moves_no_camera():
    """A driver in the plane states that it knows no roll and no pitch: its numbers are void."""
    message = turning()
    message.twist.covariance[21] = message.twist.covariance[28] = 1e6
    message.twist.twist.angular.y = 100.0
    assert odometry_sample(message, AHEAD).speed_mps == pytest.approx(math.sqrt(5.0))
    message.twist.covariance[35] = -1.0
    assert odometry_sample(message, AHEAD).speed_mps == 2.0


def read(frames, *messages, at_ns=SECOND, own='gemdepth_odom'):
    stamped = [(m.header.stamp.sec * SECOND + m.header.stamp.nanosec, m) for m in messages]
    return OdometryInput(frames, 'chassis', own, 2.0).read(stamped, at_ns, 'camera')


def test_a_camera_without_a_place_costs_only_its_lever_arm():
    samples, line = read(StaticFrames(), turning())
    assert [sample.speed_mps for sample in samples] == [2.0]
    assert line == (
        "no static transform between 'base_link' and 'camera': publish it on /tf_static; until "
        'then its distances are not those of the camera where it turns'
    )
    frames = tree(transform('base_link', 'camera', (2, 0, 0)))
    samples, line = read(frames, turning())
    assert samples[0].speed_mps == pytest.approx(math.sqrt(5.0))
    assert not line
    assert not read(StaticFrames(), turning(child='camera'))[1], 'it is that of the camera itself'


def test_an_empty_child_frame_means_the_base():
    _, line = read(StaticFrames(), turning(child=''))
    assert "between 'chassis' (base_frame; the messages have no child_frame_id) and" in line
    samples, line = read(tree(transform('chassis', 'camera', (3, 0, 0))), turning(child=''))
    assert samples[0].base_from_camera[0, 3] == 3
    assert not line


def test_each_message_has_the_place_of_its_own_child():
    frames = tree(transform('axle', 'camera', (2, 0, 0)), transform('axle', 'imu', (0.5, 0, 0)))
    messages = turning(child='axle'), turning(SECOND + 1, child='imu')
    samples, _ = read(frames, *messages)
    assert [sample.base_from_camera[0, 3] for sample in samples] == [2.0, 1.5]


def test_two_faults_are_one_line():
    samples, line = read(StaticFrames(), turning(), turning(SECOND + 1, frame='gemdepth_odom'))
    assert len(samples) == 1
    assert line.startswith(
        "this is the node's own motion (gemdepth_odom), no measurement: remap odometry to the "
        "topic of the vehicle's; no static transform between"
    )
    samples, line = read(StaticFrames(), turning(), at_ns=60 * SECOND)
    assert not samples
    assert line == 'the newest message is 59.00 s away from the image (limit 2.0 s)'


@pytest.mark.parametrize('own', ['odom', 'robot/odom', 'visual_odom'])
def test_the_frame_of_the_own_motion_may_be_that_of_wheels_as_well(own):
    """Drivers call it odom, as tf_mode odom_to_base does: the name alone refuses no wheels."""
    samples, line = read(tree(transform('base_link', 'camera')), turning(frame=own), own=own)
    assert (len(samples), line) == (1, '')


@pytest.mark.parametrize('own', ['gemdepth_odom', 'front/gemdepth_odom'])
def test_a_frame_that_only_these_nodes_use_is_refused(own):
    samples, line = read(StaticFrames(), turning(frame=own), own=own)
    assert not samples
    assert line.startswith(f"this is the node's own motion ({own}), no measurement: remap")


def test_the_tree_is_searched_once_a_frame_not_once_a_message(monkeypatch):
    frames = tree(transform('base_link', 'camera', (2.0, 0.0, 0.0)))
    searches = []
    search = frames.between
    monkeypatch.setattr(frames, 'between', lambda *names: searches.append(names) or search(*names))
    messages = [(stamp, turning(stamp)) for stamp in range(SECOND, SECOND + 40)]
    samples, problem = OdometryInput(frames, 'base_link', 'own', 1.0).read(
        messages, SECOND, 'camera'
    )
    assert (len(samples), problem) == (40, '')
    assert len(searches) <= 2  # the place, and whether there is one
    assert all(sample.base_from_camera is samples[0].base_from_camera for sample in samples)

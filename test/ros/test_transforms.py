"""Frames: names that break no tree, REP 103 axes, covariances, twists."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from fake_pipeline import FakePipeline  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from gemdepth_ros.inference.config import StreamingConfig  # noqa: E402
from gemdepth_ros.interfaces import EgoMotion, ResetReason, VideoFrame  # noqa: E402
from gemdepth_ros.pipeline import (  # noqa: E402
    GroundingConfig,
    ManualConfig,
    PipelineConfig,
)
from gemdepth_ros.ros import transforms  # noqa: E402
from gemdepth_ros.ros.conversions import stamp_to_ns  # noqa: E402
from gemdepth_ros.ros.motion_outputs import PATH, MotionOutputs  # noqa: E402
from gemdepth_ros.ros.node_config import NodeConfig  # noqa: E402

SECOND = 1_000_000_000


def outputs(count=3, frame_id='cam', factor=math.nan):
    manual = ManualConfig(enabled=True, scale=5.0, translation_factor=factor)
    grounding = GroundingConfig(manual=manual)
    pipeline = FakePipeline(
        PipelineConfig(streaming=StreamingConfig(window=3), grounding=grounding)
    )
    image = np.zeros((4, 4, 3), np.uint8)
    return [
        pipeline.process(VideoFrame(image, (i + 1) * SECOND // 2, frame_id)) for i in range(count)
    ]


def moved(output, pose, **changes):
    motion = EgoMotion(pose, np.diag([1.0, 2, 3, 0.1, 0.2, 0.3]), True, False, None)
    return replace(output, motion=replace(motion, **changes))


class Builder:
    """An OdometryBuilder with the settings that it is used with."""

    def __init__(self, base_from_camera=None, **settings):
        self.config = NodeConfig(**settings)
        self.base_from_camera = base_from_camera
        self.builder = transforms.OdometryBuilder('odom')

    def message(self, output):
        return self.builder.message(output, self.place(output))

    def place(self, output):
        return transforms.placed_motion(output, self.config, self.base_from_camera)


def test_a_twist_begins_at_an_output_that_nobody_listened_to():
    heard, unheard = Builder(), Builder()
    first, second = outputs(2, factor=0.5)
    heard.message(first)
    unheard.builder.pass_over(first, unheard.place(first))
    message = unheard.message(second)
    assert message == heard.message(second)
    assert message.twist.twist.linear.z == 1.0


def built(output, **settings):
    return Builder(**settings).message(output)


@pytest.mark.parametrize(
    ('frame', 'leaf'),
    [('cam', 'cam_gemdepth'), ('/cam', 'cam_gemdepth'), ('', 'camera_gemdepth')],
)
def test_leaf_name_never_is_the_cameras_own_frame(frame, leaf):
    assert transforms.leaf_frame(frame) == leaf != frame


def test_camera_mode_broadcasts_the_leaf_and_the_key_frames_under_odom():
    message = transforms.transforms_message(outputs(5)[-1], 'gemdepth_odom')
    children = [t.child_frame_id for t in message.transforms]
    assert children == ['cam_gemdepth', 'cam_gemdepth_key0', 'cam_gemdepth_key1']
    assert {t.header.frame_id for t in message.transforms} == {'gemdepth_odom'}
    assert {stamp_to_ns(t.header.stamp) for t in message.transforms} == {5 * SECOND // 2}
    # Forward motion of the optical axes is x in the odometry frame; the camera went 5 units,
    # the window's first frame stands where it was two frames ago.
    assert [t.transform.translation.x for t in message.transforms] == [5, 3, 4]


def test_key_frames_are_in_metres_when_the_motion_is():
    message = transforms.transforms_message(outputs(5, factor=0.5)[-1], 'odom')
    assert [t.transform.translation.x for t in message.transforms] == [2.5, 1.5, 2.0]


def test_lost_camera_has_no_transform():
    output = moved(outputs(1)[0], np.eye(4), lost=True)
    assert transforms.transforms_message(output, 'odom') is None


def test_odometry_has_the_axes_of_rep_103():
    pose = np.eye(4)
    pose[:3, 3] = [1.0, 2.0, 3.0]  # right, down, forward
    message = built(moved(outputs(1)[0], pose))
    position = message.pose.pose.position
    assert (position.x, position.y, position.z) == (3.0, -1.0, -2.0)
    q = message.pose.pose.orientation
    forward = Rotation.from_quat([q.x, q.y, q.z, q.w]).apply([0, 0, 1])
    np.testing.assert_allclose(forward, [1, 0, 0], atol=1e-12)
    # The variances turn with the axes: forward is the session's z.
    assert np.diag(np.reshape(message.pose.covariance, (6, 6))).tolist() == pytest.approx(
        [3, 1, 2, 0.3, 0.1, 0.2]
    )


@pytest.mark.parametrize(('mode', 'child'), [('none', 'cam'), ('camera', 'cam_gemdepth')])
def test_child_frame_of_odometry(mode, child):
    message = built(outputs(1)[0], tf_mode=mode)
    assert (message.header.frame_id, message.child_frame_id) == ('odom', child)


@pytest.mark.parametrize(
    'changes',
    [{'lost': True}, {'metric': False}, {'covariance': np.full((6, 6), np.nan)}],
)
def test_unusable_poses_have_9999_on_the_diagonal(changes):
    output = moved(outputs(1)[0], np.eye(4), **changes)
    message = built(output)
    np.testing.assert_array_equal(np.reshape(message.pose.covariance, (6, 6)), np.eye(6) * 9999)


def test_twist_is_in_the_cameras_axes():
    builder = Builder()
    first, second, third = outputs(3)
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler('y', 90, degrees=True).as_matrix()
    further = turned.copy()
    further[:3, 3] = [2.0, 0.0, 0.0]  # the camera looks along the session's x now
    still = builder.message(moved(first, np.eye(4))).twist.twist
    assert (still.linear.z, still.angular.y) == (0, 0)
    turn = builder.message(moved(second, turned)).twist.twist
    assert turn.angular.y == pytest.approx(math.pi / 2 / 0.5)
    drive = builder.message(moved(third, further)).twist
    linear = drive.twist.linear
    assert (linear.x, linear.y, linear.z) == pytest.approx((0, 0, 4.0))
    assert drive.covariance[0] == 9999


def test_no_twist_across_a_reset():
    builder = Builder()
    first, second, third = outputs(3)
    builder.message(first)
    reset = builder.message(replace(second, reset=ResetReason.GAP))
    assert reset.twist.twist.linear.z == 0
    assert builder.message(third).twist.twist.linear.z == pytest.approx(2.0)


@pytest.mark.parametrize('base', [None, np.eye(4)])
def test_no_twist_when_the_unit_becomes_metres(base):
    """The pose before was in another unit: their difference is no way that was driven."""
    mode = {} if base is None else {'tf_mode': 'odom_to_base'}
    builder = Builder(base, **mode)
    metres = np.eye(4)
    metres[2, 3] = 100.0
    first, second, third = outputs()
    builder.message(moved(first, np.eye(4), metric=False))
    known = {'step_covariance': np.eye(6) * 1e-3}
    begun = builder.message(moved(second, metres, rescaled=True, **known)).twist
    assert begun.twist.linear.x == begun.twist.linear.z == 0
    assert begun.covariance[0] == 9999
    after = builder.message(moved(third, metres, **known)).twist
    assert after.covariance[0] == pytest.approx(1e-3 / 0.25)


def test_the_path_begins_anew_when_the_unit_becomes_metres():
    sent = []
    motions = MotionOutputs(
        NodeConfig(tf_mode='none', path_period_s=0.0),
        None,
        lambda topic, message: sent.append((topic, message)),
        lambda topic: topic == PATH,
    )
    metres = np.eye(4)
    metres[2, 3] = 100.0
    first, second, third = outputs()
    motions.publish(moved(first, np.eye(4), metric=False))
    motions.publish(moved(second, metres, rescaled=True))
    motions.publish(moved(third, metres))
    assert [topic for topic, _ in sent] == [PATH] * 3
    assert [pose.pose.position.x for pose in sent[-1][1].poses] == [100.0, 100.0]


def test_scale_of_the_window():
    scale, scale_std = transforms.metres_per_unit(outputs(2, factor=0.5)[-1])
    assert scale == 0.5
    assert math.isnan(scale_std)
    assert math.isnan(transforms.metres_per_unit(outputs(2)[-1])[0])


# The camera 1 m in front of the base and 1.5 m above it, looking forward.
BASE_FROM_CAMERA = np.array(
    [[0.0, 0.0, 1.0, 1.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 1.5], [0.0, 0.0, 0.0, 1.0]]
)


def of_base(mode='odom_to_base'):
    return Builder(BASE_FROM_CAMERA, tf_mode=mode, base_frame='base_link')


def turned_left():
    """The vehicle turned by 90 degrees to the left on the spot: its camera went round it."""
    base = np.eye(4)
    base[:3, :3] = Rotation.from_euler('z', 90, degrees=True).as_matrix()
    return np.linalg.inv(BASE_FROM_CAMERA) @ base @ BASE_FROM_CAMERA


def position(message):
    place = message.pose.pose.position
    return [place.x, place.y, place.z]


def test_odometry_of_the_base_begins_at_the_identity_and_turns_with_the_vehicle():
    builder, (first, second) = of_base(), outputs(2)
    start = builder.message(moved(first, np.eye(4)))
    assert start.child_frame_id == 'base_link'
    np.testing.assert_allclose(position(start), 0, atol=1e-12)
    assert start.pose.pose.orientation.w == pytest.approx(1.0)
    turn = builder.message(moved(second, turned_left()))
    np.testing.assert_allclose(position(turn), 0, atol=1e-12)
    assert turn.twist.twist.angular.z == pytest.approx(math.pi / 2 / 0.5)
    assert turn.twist.twist.linear.x == pytest.approx(0, abs=1e-12)


def test_covariance_of_the_base_has_the_cameras_lever():
    message = of_base().message(moved(outputs(1)[0], np.eye(4)))
    covariance = np.reshape(message.pose.covariance, (6, 6))
    # Session axes (right, down, forward) = (-y, -z, x); rotations likewise.
    np.testing.assert_allclose(np.diag(covariance)[3:], [0.3, 0.1, 0.2], atol=1e-12)
    # x: forward 3, and pitch (about y, 0.1) times the height of 1.5 m.
    assert covariance[0, 0] == pytest.approx(3 + 0.1 * 1.5**2)
    assert covariance[2, 2] == pytest.approx(2 + 0.1 * 1.0**2)


def test_covariance_of_the_twist_is_that_of_the_step():
    step = np.diag([0.01] * 3 + [0.0004] * 3)
    first, second = (moved(o, np.eye(4), step_covariance=step) for o in outputs(2))
    builder = Builder()
    assert builder.message(first).twist.covariance[0] == 9999, 'there was no frame before'
    found = np.diag(np.reshape(builder.message(second).twist.covariance, (6, 6)))
    np.testing.assert_allclose(found, np.diag(step) / 0.5**2)
    base = of_base()
    base.message(first)
    covariance = np.reshape(base.message(second).twist.covariance, (6, 6))
    assert covariance[0, 0] == pytest.approx((0.01 + 0.0004 * 1.5**2) / 0.25)
    lost = base.message(replace(second, motion=replace(second.motion, lost=True)))
    assert lost.twist.covariance[0] == 9999


@pytest.mark.parametrize(
    ('mode', 'edge', 'x'),
    [
        ('odom_to_base', ('odom', 'base_link'), 4.0),
        ('inverted', ('base_link', 'odom'), -4.0),
    ],
)
def test_edge_of_the_base(mode, edge, x):
    forward = np.eye(4)
    forward[2, 3] = 4.0
    builder, output = of_base(mode), moved(outputs(1)[0], forward)
    message = transforms.base_transform_message(
        builder.place(output), output.stamp_ns, builder.config, 'odom'
    )
    (entry,) = message.transforms
    assert (entry.header.frame_id, entry.child_frame_id) == edge
    assert entry.transform.translation.x == pytest.approx(x)
    assert stamp_to_ns(entry.header.stamp) == output.stamp_ns

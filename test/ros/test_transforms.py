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
    message = transforms.OdometryBuilder('odom', 'none').message(moved(outputs(1)[0], pose))
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
    message = transforms.OdometryBuilder('odom', mode).message(outputs(1)[0])
    assert (message.header.frame_id, message.child_frame_id) == ('odom', child)


@pytest.mark.parametrize(
    'changes',
    [{'lost': True}, {'metric': False}, {'covariance': np.full((6, 6), np.nan)}],
)
def test_unusable_poses_have_9999_on_the_diagonal(changes):
    output = moved(outputs(1)[0], np.eye(4), **changes)
    message = transforms.OdometryBuilder('odom', 'none').message(output)
    np.testing.assert_array_equal(np.reshape(message.pose.covariance, (6, 6)), np.eye(6) * 9999)


def test_twist_is_in_the_cameras_axes():
    builder = transforms.OdometryBuilder('odom', 'none')
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
    builder = transforms.OdometryBuilder('odom', 'none')
    first, second, third = outputs(3)
    builder.message(first)
    reset = builder.message(replace(second, reset=ResetReason.GAP))
    assert reset.twist.twist.linear.z == 0
    assert builder.message(third).twist.twist.linear.z == pytest.approx(2.0)


def test_scale_of_the_window():
    scale, scale_std = transforms.metres_per_unit(outputs(2, factor=0.5)[-1])
    assert scale == 0.5
    assert math.isnan(scale_std)
    assert math.isnan(transforms.metres_per_unit(outputs(2)[-1])[0])

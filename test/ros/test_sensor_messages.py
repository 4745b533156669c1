"""Clouds of every layout, odometry, IMU, sky masks: read, or refused in one line."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from nav_msgs.msg import Odometry  # noqa: E402
from sensor_msgs.msg import Image, Imu, PointCloud2, PointField  # noqa: E402

from gemdepth_ros.errors import SensorError  # noqa: E402
from gemdepth_ros.ros.point_clouds import LIBRARY, read_points  # noqa: E402
from gemdepth_ros.ros.sensor_messages import (  # noqa: E402
    down_of_imu,
    odometry_sample,
    sky_of_mask,
)

NAMES = {'<f4': 7, '>f4': 7, '<f8': 8, '>f8': 8, 'u2': 4, '<u2': 4}
POINTS = np.arange(18, dtype=float).reshape(6, 3) - 4.5
POINTS[2] = np.nan
BOTH = pytest.mark.parametrize(
    'library', [(LIBRARY, True), (LIBRARY, False)], ids=['library', 'own'], indirect=True
)


def both_ways(test):
    """Run a test by sensor_msgs_py, and by our own code alone."""
    return BOTH(pytest.mark.usefixtures('library')(test))


def cloud(kind='<f4', step=0, offsets=(0, 1, 2), size=(1, 6), row_padding=0, extra=()):
    """A cloud of POINTS; offsets in multiples of the coordinate's size."""
    item = np.dtype(kind).itemsize
    step = step or item * 3
    layout = np.dtype(
        {
            'names': ['x', 'y', 'z'],
            'formats': [kind] * 3,
            'offsets': [o * item for o in offsets],
            'itemsize': step,
        }
    )
    table = np.zeros(6, layout)
    for index, name in enumerate('xyz'):
        table[name] = POINTS[:, index]
    height, width = size
    rows = table.reshape(size).view(np.uint8).reshape(height, width * step)
    rows = np.pad(rows, ((0, 0), (0, row_padding)), constant_values=0xAA)
    message = PointCloud2(height=height, width=width, point_step=step)
    message.row_step = width * step + row_padding
    message.is_bigendian = kind.startswith('>')
    message.fields = [
        PointField(name=name, offset=offset * item, datatype=NAMES[kind], count=1)
        for name, offset in zip('xyz', offsets, strict=True)
    ] + list(extra)
    message.data.frombytes(rows.tobytes())
    return message


@both_ways
@pytest.mark.parametrize(
    'layout',
    [
        {},
        {'kind': '<f8'},
        {'kind': '>f4'},
        {'kind': '>f8', 'step': 40},
        {'step': 22, 'extra': [PointField(name='ring', offset=20, datatype=4, count=1)]},
        {'step': 32, 'offsets': (2, 0, 5)},
        {'size': (2, 3)},
        {'size': (3, 2), 'row_padding': 7},
        {'size': (2, 3), 'row_padding': 5, 'kind': '<f8', 'step': 32},
    ],
)
def test_layouts(layout):
    points = read_points(cloud(**layout))
    assert points.shape == layout.get('size', (1, 6))
    found = np.stack([points[name].ravel() for name in 'xyz'], axis=1)
    np.testing.assert_array_equal(found, POINTS)


@both_ways
def test_a_row_step_of_zero_is_no_fault_of_an_unordered_cloud():
    message = cloud()
    message.row_step = 0
    assert read_points(message).shape == (1, 6)


@both_ways
def test_an_empty_cloud_has_no_points():
    message = cloud()
    message.width, message.row_step = 0, 0
    message.data = type(message.data)('B')
    assert read_points(message).size == 0


def damaged(**changes):
    message = cloud(**{k: v for k, v in changes.items() if k in ('size', 'kind')})
    for name, value in changes.items():
        if name not in ('size', 'kind'):
            setattr(message, name, value)
    return message


@both_ways
@pytest.mark.parametrize(
    ('message', 'words'),
    [
        (damaged(width=7, row_step=84), 'has 72 bytes but 7x1 points of 12 bytes need 84'),
        (damaged(size=(2, 3), row_step=8), 'row_step 8 but 3 points of 12 bytes need 36'),
        (damaged(height=2**31, width=2**31, row_step=2**32 - 1), 'row_step'),
        (damaged(fields=cloud().fields[:2]), r'no field z; its fields: x, y'),
        (damaged(fields=[]), 'no field x, y, z; its fields: none'),
        (damaged(point_step=2**32 - 1), 'point_step 4294967295, which no sensor has'),
        (
            damaged(fields=[PointField(name=n, offset=2**31 - 1, datatype=7) for n in 'xyz']),
            'field x of the cloud ends at byte 2147483651',
        ),
        (damaged(point_step=8), 'field z of the cloud ends at byte 12 but point_step is 8'),
        (
            damaged(fields=[PointField(name=n, datatype=5, count=1) for n in 'xyz']),
            r'field x of the cloud has datatype 5; FLOAT32 \(7\)',
        ),
        (
            damaged(fields=[PointField(name=n, datatype=99, count=1) for n in 'xyz']),
            'datatype 99',
        ),
    ],
)
def test_bad_clouds_are_refused_in_one_line(message, words):
    with pytest.raises(SensorError, match=words):
        read_points(message)


def odometry(position=(1.0, 2.0, 3.0), speed=(3.0, 4.0, 0.0), **variances):
    message = Odometry()
    message.header.stamp.sec = 7
    pose = message.pose.pose
    pose.position.x, pose.position.y, pose.position.z = position
    linear = message.twist.twist.linear
    linear.x, linear.y, linear.z = speed
    message.pose.covariance[0] = variances.get('pose', 0.1)
    message.twist.covariance[0] = variances.get('twist', 0.1)
    return message


def test_odometry_gives_pose_and_speed():
    sample = odometry_sample(odometry())
    assert sample.stamp_ns == 7_000_000_000
    np.testing.assert_array_equal(sample.odom_from_base[:3, 3], [1, 2, 3])
    assert sample.speed_mps == 5.0


@pytest.mark.parametrize('variance', [-1.0, 9999.0, 1e6])
def test_what_odometry_does_not_know_is_left_out(variance):
    assert odometry_sample(odometry(pose=variance)).odom_from_base is None
    assert math.isnan(odometry_sample(odometry(twist=variance)).speed_mps)
    with pytest.raises(SensorError, match='neither pose nor twist'):
        odometry_sample(odometry(pose=variance, twist=variance))


def test_a_twist_that_nobody_filled_in_is_no_standstill():
    assert math.isnan(odometry_sample(odometry(speed=(0.0, 0.0, 0.0), twist=0.0)).speed_mps)
    assert odometry_sample(odometry(speed=(0.0, 0.0, 0.0))).speed_mps == 0.0


def test_zeros_that_nobody_filled_in_are_no_measurement_of_turning():
    still = odometry(speed=(0.0, 0.0, 0.0))
    assert math.isnan(odometry_sample(still).turn_radps)
    still.twist.covariance[35] = 0.01
    assert odometry_sample(still).turn_radps == 0.0
    still.twist.twist.angular.z = -0.5
    assert odometry_sample(still).turn_radps == 0.5
    still.twist.covariance[35] = 9999.0
    assert math.isnan(odometry_sample(still).turn_radps)


def test_odometry_that_is_not_finite_is_refused():
    with pytest.raises(SensorError, match='pose is not finite'):
        odometry_sample(odometry(position=(math.nan, 0.0, 0.0)))
    with pytest.raises(SensorError, match='twist is not finite'):
        odometry_sample(odometry(speed=(math.inf, 0.0, 0.0)))
    message = odometry()
    message.pose.pose.orientation.w = 0.0
    with pytest.raises(SensorError, match='has no length'):
        odometry_sample(message)
    message.pose.pose.orientation.w = message.pose.pose.orientation.x = 1.7e308
    with pytest.raises(SensorError, match='too long'):
        odometry_sample(message)


def test_down_comes_from_the_orientation_and_not_from_the_accelerometer():
    message = Imu()
    message.linear_acceleration.x = 5.0
    message.orientation_covariance[0] = 0.01
    np.testing.assert_allclose(down_of_imu(message), [0, 0, -1])
    message.orientation.y = message.orientation.w = math.sqrt(0.5)  # nose down by 90 degrees
    np.testing.assert_allclose(down_of_imu(message), [1, 0, 0], atol=1e-12)


@pytest.mark.parametrize('variance', [-1.0, 0.0])
def test_an_imu_without_orientation_is_refused_with_the_remedy(variance):
    message = Imu()
    message.orientation_covariance[0] = variance
    with pytest.raises(SensorError, match=r'no orientation .* run an orientation filter'):
        down_of_imu(message)


def test_sky_mask():
    message = Image(height=2, width=3, encoding='mono8', step=4)
    message.data = bytes([255, 1, 0, 9, 0, 0, 0, 9])
    assert sky_of_mask(message).tolist() == [[True, True, False], [False, False, False]]
    message.data = bytes(5)
    with pytest.raises(SensorError, match='has 5 bytes'):
        sky_of_mask(message)
    message.encoding = 'rgb8'
    with pytest.raises(SensorError, match="must be mono8 or 8UC1, got 'rgb8'"):
        sky_of_mask(message)

"""Messages of odometry, IMU and a sky mask to values; what they leave open is not invented."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ImageError, SensorError
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.pipeline.base_motion import speed_at
from gemdepth_ros.pipeline.readings import OdometrySample
from gemdepth_ros.ros.conversions import image_to_rgb, stamp_to_ns
from gemdepth_ros.ros.static_frames import matrix_of

UNKNOWN_VARIANCE = 9999.0  # from here on a covariance says "unknown"
TURNING = (21, 28, 35)  # variances of turning in a covariance
NOT_ESTIMATED = -1.0  # in the first element of an Imu's covariance
SKY_ENCODINGS = ('mono8', '8UC1')


def odometry_sample(message: Any, base_from_camera: Float64Array | None = None) -> OdometrySample:
    """Return the pose and the speed of a nav_msgs/Odometry.

    A pose or twist counts as not given when its first variance is negative or 9999 and more, and
    a twist also when nobody filled it in (all its numbers and its covariance are 0).

    Args:
        message: pose and twist of ``child_frame_id``, the twist in its axes.
        base_from_camera: float64 [4, 4], optical frame to ``child_frame_id``; then the speed is
            the camera's. None: nobody knows it, and the speed is the base's.

    Raises:
        SensorError: neither is given, or a number is not finite.
    """
    pose, twist = message.pose, message.twist
    stamp_ns = stamp_to_ns(message.header.stamp)
    odom_from_base = None
    if _given(pose.covariance):
        odom_from_base = matrix_of(pose.pose.position, pose.pose.orientation)
    linear, angular = twist.twist.linear, twist.twist.angular
    numbers = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
    if not np.isfinite(numbers).all():
        raise SensorError(f'a twist is not finite: {numbers}')
    filled = bool(numbers.any() or np.asarray(twist.covariance).any()) or odom_from_base is None
    speed_mps = math.nan
    if _given(twist.covariance) and filled:
        place = np.eye(4) if base_from_camera is None else base_from_camera
        speed_mps = speed_at(place, numbers[:3], numbers[3:] * _measured(twist.covariance))
    if odom_from_base is None and math.isnan(speed_mps):
        raise SensorError('neither pose nor twist is given (variances of 9999 or negative)')
    turn_radps = _turning(numbers[3:], twist.covariance)
    return OdometrySample(stamp_ns, odom_from_base, speed_mps, turn_radps, base_from_camera)


def _turning(angular: Float64Array, covariance: Any) -> float:
    """Speed of turning [rad/s]; NaN where nobody measures it: zeros alone are no measurement."""
    if not _measured(covariance).all():
        return math.nan
    if not (angular.any() or any(covariance[i] for i in TURNING)):
        return math.nan
    return float(np.linalg.norm(angular))


def _measured(covariance: Any) -> npt.NDArray[np.bool_]:
    """Which turns of a twist are measured, bool [3]; a driver in the plane knows only the last."""
    return np.array([0.0 <= covariance[i] < UNKNOWN_VARIANCE for i in TURNING])


def _given(covariance: Any) -> bool:
    return bool(0.0 <= covariance[0] < UNKNOWN_VARIANCE)


def down_of_imu(message: Any) -> Float64Array:
    """Return the direction of gravity (down) in the IMU's frame from its orientation.

    The orientation is that of REP 145: in a world whose z points up. An accelerometer alone is
    not used: 1 m/s^2 of braking looks like 6 degrees of pitch.

    Returns:
        float64 [3], unit length.

    Raises:
        SensorError: the message has no orientation.
    """
    quaternion = message.orientation
    stated = message.orientation_covariance[0] != NOT_ESTIMATED
    xyz_are_zero = not (quaternion.x or quaternion.y or quaternion.z)
    untouched = xyz_are_zero and not np.asarray(message.orientation_covariance).any()
    if not stated or untouched:
        raise SensorError(
            'the messages have no orientation (orientation_covariance[0] is -1, or nobody filled '
            'it in): run an orientation filter such as imu_filter_madgwick'
        )
    world_from_imu = matrix_of(_ORIGIN, quaternion)
    down: Float64Array = -world_from_imu[2, :3]
    return down


class _Origin:
    x = y = z = 0.0


_ORIGIN = _Origin()


def sky_of_mask(message: Any) -> npt.NDArray[np.bool_]:
    """Return where a mask image (mono8 or 8UC1; not 0 is sky) shows sky, bool [H, W].

    Raises:
        SensorError: another encoding, or too little data.
    """
    if message.encoding not in SKY_ENCODINGS:
        raise SensorError(f'a sky mask must be mono8 or 8UC1, got {message.encoding!r}')
    try:
        grey = image_to_rgb(message)[..., 0]
    except ImageError as error:
        raise SensorError(str(error)) from None
    sky: npt.NDArray[np.bool_] = grey > 0
    return sky

"""Builders of the other messages of a recording: camera, motion, static transforms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.typesys.stores.ros2_jazzy import geometry_msgs__msg__Point as Point
from rosbags.typesys.stores.ros2_jazzy import geometry_msgs__msg__Pose as Pose
from rosbags.typesys.stores.ros2_jazzy import (
    geometry_msgs__msg__PoseWithCovariance as PoseWithCovariance,
)
from rosbags.typesys.stores.ros2_jazzy import geometry_msgs__msg__Quaternion as Quaternion
from rosbags.typesys.stores.ros2_jazzy import geometry_msgs__msg__Transform as Transform
from rosbags.typesys.stores.ros2_jazzy import (
    geometry_msgs__msg__TransformStamped as TransformStamped,
)
from rosbags.typesys.stores.ros2_jazzy import geometry_msgs__msg__Twist as Twist
from rosbags.typesys.stores.ros2_jazzy import (
    geometry_msgs__msg__TwistWithCovariance as TwistWithCovariance,
)
from rosbags.typesys.stores.ros2_jazzy import geometry_msgs__msg__Vector3 as Vector3
from rosbags.typesys.stores.ros2_jazzy import nav_msgs__msg__Odometry as Odometry
from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__CameraInfo as CameraInfo
from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__Imu as Imu
from rosbags.typesys.stores.ros2_jazzy import (
    sensor_msgs__msg__RegionOfInterest as RegionOfInterest,
)
from rosbags.typesys.stores.ros2_jazzy import tf2_msgs__msg__TFMessage as TFMessage
from scipy.spatial.transform import Rotation

from gemdepth_ros.bags.stamps import header_message
from gemdepth_ros.errors import BagError
from gemdepth_ros.geometry.se3 import from_parts, quaternion_xyzw
from gemdepth_ros.interfaces import PinholeIntrinsics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gemdepth_ros.interfaces import Float64Array


def camera_info_message(camera: PinholeIntrinsics, stamp_ns: int, frame_id: str) -> CameraInfo:
    """Return the CameraInfo of a rectified image: D zero, R identity, K the left 3x3 of P.

    P's fourth column is zero: ``frame_id`` is this camera's own optical centre. (KITTI's own P
    takes points in the frame of camera 0; that offset belongs to the transforms.)
    """
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    return CameraInfo(
        header=header_message(stamp_ns, frame_id),
        height=camera.height,
        width=camera.width,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        k=matrix.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=np.hstack([matrix, np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=RegionOfInterest(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def read_rectified_camera(message: Any) -> PinholeIntrinsics:
    """Return the intrinsics of a rectified image from a CameraInfo (its P)."""
    projection = np.asarray(getattr(message, 'p', getattr(message, 'P', ()))).reshape(3, 4)
    return PinholeIntrinsics(
        width=int(message.width),
        height=int(message.height),
        fx=float(projection[0, 0]),
        fy=float(projection[1, 1]),
        cx=float(projection[0, 2]),
        cy=float(projection[1, 2]),
    )


def odometry_message(
    odom_from_child: Float64Array,
    twist: Float64Array,
    stamp_ns: int,
    frame_id: str,
    child_frame_id: str,
    pose_variances: Sequence[float] = (0.0,) * 6,
    twist_variances: Sequence[float] = (0.0,) * 6,
) -> Odometry:
    """Return a nav_msgs/Odometry; without variances its covariances are zero (ground truth).

    Args:
        odom_from_child: float64 [4, 4] pose of the child frame.
        twist: float64 [6] velocity in the child frame: linear [m/s], angular [rad/s].
        stamp_ns: time of the pose [ns].
        frame_id: the fixed frame.
        child_frame_id: the moving frame.
        pose_variances: of x, y, z [m^2] and of the turns about them [rad^2].
        twist_variances: likewise, of the velocities.
    """
    return Odometry(
        header=header_message(stamp_ns, frame_id),
        child_frame_id=child_frame_id,
        pose=PoseWithCovariance(
            pose=Pose(
                position=Point(*_floats(odom_from_child[:3, 3])),
                orientation=_quaternion(odom_from_child),
            ),
            covariance=_diagonal(pose_variances),
        ),
        twist=TwistWithCovariance(
            twist=Twist(linear=Vector3(*_floats(twist[:3])), angular=Vector3(*_floats(twist[3:]))),
            covariance=_diagonal(twist_variances),
        ),
    )


def imu_message(
    rates_rps: Float64Array,
    force_mps2: Float64Array,
    world_from_imu: Float64Array | None,
    variances: tuple[float, float, float],
    stamp_ns: int,
    frame_id: str,
) -> Imu:
    """Return a sensor_msgs/Imu (REP 145).

    Args:
        rates_rps: float64 [3], turn rates in the unit's axes [rad/s].
        force_mps2: float64 [3], specific force: +9.81 upwards at rest [m/s^2].
        world_from_imu: float64 [3, 3], or None: the unit has no orientation, said by -1.
        variances: of one turn rate, one force, one angle of the orientation.
        stamp_ns: time of the measurement [ns].
        frame_id: the unit's frame.
    """
    orientation, stated = Quaternion(0.0, 0.0, 0.0, 1.0), np.zeros(9)
    stated[0] = -1.0
    if world_from_imu is not None:
        orientation = _quaternion(from_parts(world_from_imu, np.zeros(3)))
        stated = _diagonal((variances[2],) * 3)
    return Imu(
        header=header_message(stamp_ns, frame_id),
        orientation=orientation,
        orientation_covariance=stated,
        angular_velocity=Vector3(*_floats(rates_rps)),
        angular_velocity_covariance=_diagonal((variances[0],) * 3),
        linear_acceleration=Vector3(*_floats(force_mps2)),
        linear_acceleration_covariance=_diagonal((variances[1],) * 3),
    )


def transform_message(
    parent_from_child: Float64Array, stamp_ns: int, parent: str, child: str
) -> TransformStamped:
    """Return a TransformStamped: the pose of ``child`` in ``parent``."""
    return TransformStamped(
        header=header_message(stamp_ns, parent),
        child_frame_id=child,
        transform=Transform(
            translation=Vector3(*_floats(parent_from_child[:3, 3])),
            rotation=_quaternion(parent_from_child),
        ),
    )


def tf_message(transforms: Iterable[TransformStamped]) -> TFMessage:
    """Return a TFMessage of several transforms."""
    return TFMessage(transforms=list(transforms))


def read_transform(transform: Any) -> Float64Array:
    """Return a geometry_msgs/Transform or Pose as a matrix, float64 [4, 4].

    Raises:
        BagError: a number is not finite, or the quaternion has no length: drivers that know no
            orientation leave it at zero.
    """
    translation = getattr(transform, 'translation', None) or transform.position
    rotation = getattr(transform, 'rotation', None) or transform.orientation
    xyz = [translation.x, translation.y, translation.z]
    xyzw = [rotation.x, rotation.y, rotation.z, rotation.w]
    if not all(map(math.isfinite, (*xyz, *xyzw))):
        raise BagError(f'a pose is not finite: position {xyz}, quaternion {xyzw}')
    length = math.hypot(*xyzw)  # its squares may be too large for a float
    if length < 0.5:
        raise BagError(f'the quaternion {xyzw} has no length: nobody filled it in')
    if math.isinf(length):
        raise BagError(f'the quaternion {xyzw} is too long for a rotation')
    unit = np.array(xyzw, np.float64) / length
    return from_parts(Rotation.from_quat(unit).as_matrix(), np.array(xyz, np.float64))


def _quaternion(matrix: Float64Array) -> Quaternion:
    return Quaternion(*_floats(quaternion_xyzw(matrix)))


def _diagonal(variances: Sequence[float]) -> Float64Array:
    return np.diag(np.asarray(variances, np.float64)).reshape(-1)


def _floats(values: Float64Array) -> list[float]:
    return [float(value) for value in values]

"""Where the instruments sit on the vehicle, and what their frames and topics are called.

REP 103 and 105: ``base_link`` lies on the ground below the camera, x ahead, y left, z up. The
truth has a world of its own, ``map``; ``odom`` belongs to the wheels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.bags.from_recording import (
    BASE_FRAME,
    CAMERA_FRAME,
    LIDAR_TOPIC,
    ODOM_FRAME,
    TF_STATIC_TOPIC,
)
from gemdepth_ros.bags.messages import tf_message, transform_message
from gemdepth_ros.bags.writer import TimedMessage
from gemdepth_ros.geometry.se3 import from_parts, inverse

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array

COMPRESSED_TOPIC = '/camera/image_rect/compressed'
WHEELS_TOPIC = '/wheel/odometry'
IMU_TOPIC, RAW_IMU_TOPIC = '/imu/data', '/imu/data_raw'
SKY_TOPIC, MOVING_TOPIC = '/ground_truth/sky_mask', '/ground_truth/moving_mask'

TRUTH_FRAME, WHEELS_FRAME = 'map', ODOM_FRAME
CAMERA_LINK, IMU_FRAME = 'camera_link', 'imu_link'

_LINK_FROM_OPTICAL = from_parts(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))
_LOWEST_LIDAR_M = 0.25  # above every kerb
BASE_FROM_IMU = from_parts(
    Rotation.from_euler('ZYX', [3.0, -1.0, 0.5], degrees=True).as_matrix(),
    np.array([-0.3, 0, 0.3]),
)
"""Not quite straight, as in every vehicle."""


def base_from_lidar(rings: int, camera_height_m: float) -> Float64Array:
    """Return where a LiDAR sits, float64 [4, 4].

    A single ring lies level, low and ahead, as a scanner for safety; others sit above and behind
    the camera and are turned a little.
    """
    if rings == 1:
        height = max(0.35 * camera_height_m, _LOWEST_LIDAR_M)
        return from_parts(np.eye(3), np.array([0.3, 0.0, height]))
    turn = Rotation.from_euler('ZYX', [1.0, 0.6, -0.4], degrees=True).as_matrix()
    return from_parts(turn, np.array([-0.27, 0.05, camera_height_m + 0.08]))


def lidar_topic(rings: int, of: tuple[int, ...]) -> str:
    """Return the topic of a LiDAR among those of the vehicle."""
    return LIDAR_TOPIC if len(of) == 1 else f'/lidar_{rings}/points'


def lidar_frame(rings: int, of: tuple[int, ...]) -> str:
    """Return the frame of a LiDAR among those of the vehicle."""
    return 'lidar' if len(of) == 1 else f'lidar_{rings}'


def static_transforms(
    base_from_camera: Float64Array, rings: tuple[int, ...], *, imu: bool, stamp_ns: int
) -> TimedMessage:
    """Return /tf_static: base to camera link to optical frame, base to each instrument."""
    base_from_link = base_from_camera @ inverse(_LINK_FROM_OPTICAL)
    frames: list[tuple[str, str, Float64Array]] = [
        (BASE_FRAME, CAMERA_LINK, base_from_link),
        (CAMERA_LINK, CAMERA_FRAME, _LINK_FROM_OPTICAL),
    ]
    if imu:
        frames.append((BASE_FRAME, IMU_FRAME, BASE_FROM_IMU))
    height = float(base_from_camera[2, 3])
    for number in rings:
        frames.append((BASE_FRAME, lidar_frame(number, rings), base_from_lidar(number, height)))
    transforms = [
        transform_message(pose, stamp_ns, parent, child) for parent, child, pose in frames
    ]
    return TimedMessage(TF_STATIC_TOPIC, stamp_ns, tf_message(transforms))

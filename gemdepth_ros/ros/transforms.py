"""The camera's motion as /tf and nav_msgs/Odometry.

The pipeline gives poses in the optical axes of the session's first camera (x right, y down,
z forward). The odometry frame has its origin there and the axes of REP 103 (x forward, y left,
z up), so that what RViz shows stands upright. The camera keeps its optical axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

from gemdepth_ros.interfaces import EgoMotion, Float64Array, PipelineOutput
from gemdepth_ros.ros.conversions import fill_rotation, fill_vector, header
from gemdepth_ros.ros.node_config import TfMode

UNKNOWN_VARIANCE = 9999.0
ODOM_FROM_SESSION = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)


def leaf_frame(camera_frame: str) -> str:
    """Return the name of the camera's own frame in the odometry tree.

    The camera's optical frame has a parent already, in the robot's tree; a second one would
    break it. The leaf stands at the same place and is nobody's parent.
    """
    return f'{camera_frame.lstrip("/") or "camera"}_gemdepth'


def key_frame(camera_frame: str, slot: int) -> str:
    """Return the frame name of the window's frame in ``slot``."""
    return f'{leaf_frame(camera_frame)}_key{slot}'


def transforms_message(output: PipelineOutput, odom_frame: str) -> Any | None:
    """Return the TFMessage of ``tf_mode: camera``: the camera and the window's key frames.

    All transforms carry the stamp of the newest image: they say where the key frames are at that
    time. (With their own stamps, a key frame that stays would be sent twice with one stamp.)

    Returns:
        None when the camera is lost.
    """
    motion = output.motion
    if motion.lost:
        return None
    camera = output.frame_id
    message = TFMessage()
    poses = {leaf_frame(camera): ODOM_FROM_SESSION @ motion.odom_from_camera}
    poses.update((key_frame(camera, slot), pose) for slot, pose in _key_poses(output))
    for child, pose in poses.items():
        transform = TransformStamped(
            header=header(output.stamp_ns, odom_frame), child_frame_id=child
        )
        fill_vector(transform.transform.translation, pose[:3, 3])
        fill_rotation(transform.transform.rotation, pose[:3, :3])
        message.transforms.append(transform)
    return message


def _key_poses(output: PipelineOutput) -> Iterator[tuple[int, Float64Array]]:
    """Yield (slot, odom_from_key) of the window's frames but the newest."""
    window = output.motion.window
    if window is None:
        return
    for slot, reference_from_key in enumerate(window.reference_from_camera):
        if window.stamps_ns[slot] == output.stamp_ns:
            continue
        scaled = reference_from_key.copy()
        scaled[:3, 3] *= window.unit_in_session
        yield slot, ODOM_FROM_SESSION @ window.session_from_reference @ scaled


class OdometryBuilder:
    """Turn the pipeline's motion into Odometry; remembers one pose for the twist."""

    def __init__(self, odom_frame: str, tf_mode: TfMode) -> None:
        self._odom_frame = odom_frame
        self._tf_mode = tf_mode
        self._previous: tuple[int, Float64Array] | None = None

    def message(self, output: PipelineOutput) -> Any:
        """Return the nav_msgs/Odometry of an output.

        The covariance is 9999 on the diagonal when the camera is lost or translations are not
        metres, and always for the twist, whose covariance is not estimated.
        """
        motion = output.motion
        pose = ODOM_FROM_SESSION @ motion.odom_from_camera
        message = Odometry(header=header(output.stamp_ns, self._odom_frame))
        # Twists are read in the child frame: where no leaf is broadcast, the camera's own frame.
        leaf = leaf_frame(output.frame_id)
        message.child_frame_id = leaf if self._tf_mode == 'camera' else output.frame_id
        fill_vector(message.pose.pose.position, pose[:3, 3])
        fill_rotation(message.pose.pose.orientation, pose[:3, :3])
        message.pose.covariance = pose_covariance(motion).ravel().tolist()
        linear, angular = self._twist(output)
        fill_vector(message.twist.twist.linear, linear)
        fill_vector(message.twist.twist.angular, angular)
        message.twist.covariance = unknown_covariance().ravel().tolist()
        return message

    def _twist(self, output: PipelineOutput) -> tuple[Float64Array, Float64Array]:
        """Return velocity and angular velocity in the camera's axes; zero when not known."""
        pose, stamp_ns = output.motion.odom_from_camera, output.stamp_ns
        continues = not output.motion.lost and output.reset is None
        previous, self._previous = self._previous, (stamp_ns, pose)
        if previous is None or not continues or stamp_ns <= previous[0]:
            return np.zeros(3), np.zeros(3)
        dt_s = (stamp_ns - previous[0]) * 1e-9
        rotation = pose[:3, :3].T
        linear = rotation @ (pose[:3, 3] - previous[1][:3, 3]) / dt_s
        angular = Rotation.from_matrix(previous[1][:3, :3].T @ pose[:3, :3]).as_rotvec() / dt_s
        return linear, angular


def unknown_covariance() -> Float64Array:
    """Return the covariance that says nothing is known, float64 [6, 6]."""
    return np.eye(6) * UNKNOWN_VARIANCE


def pose_covariance(motion: EgoMotion) -> Float64Array:
    """Return the covariance of the pose in the odometry frame's axes, float64 [6, 6]."""
    usable = motion.metric and not motion.lost and np.isfinite(motion.covariance).all()
    if not usable:
        return unknown_covariance()
    turn = np.kron(np.eye(2), ODOM_FROM_SESSION[:3, :3])
    return turn @ motion.covariance @ turn.T


def metres_per_unit(output: PipelineOutput) -> tuple[float, float]:
    """Return metres per unit of the window's translations and the standard deviation, or NaN."""
    window, grounding = output.motion.window, output.grounding
    if window is None or not output.motion.metric:
        return math.nan, math.nan
    unit = window.unit_in_session
    relative_std = grounding.translation_factor_std / grounding.translation_factor
    return unit, unit * relative_std

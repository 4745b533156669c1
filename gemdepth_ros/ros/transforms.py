"""The camera's motion as /tf and nav_msgs/Odometry.

The pipeline gives poses in the optical axes of the session's first camera (x right, y down,
z forward). The odometry frame has its origin there and the axes of REP 103 (x forward, y left,
z up), so that what RViz shows stands upright. The camera keeps its optical axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

from gemdepth_ros.geometry import se3
from gemdepth_ros.interfaces import EgoMotion, Float64Array, PipelineOutput
from gemdepth_ros.pipeline.base_motion import base_motion
from gemdepth_ros.ros.conversions import fill_rotation, fill_rotations, fill_vector, header
from gemdepth_ros.ros.node_config import BASE_MODES, NodeConfig

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


def motion_of(output: PipelineOutput) -> EgoMotion:
    """Return the motion of an output; ``MotionOutputs`` lets no output pass that has none."""
    assert output.motion is not None
    return output.motion


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
    motion = motion_of(output)
    if motion.lost:
        return None
    camera = output.frame_id
    poses = {leaf_frame(camera): ODOM_FROM_SESSION @ motion.odom_from_camera}
    poses.update((key_frame(camera, slot), pose) for slot, pose in _key_poses(output))
    return _transforms(output.stamp_ns, odom_frame, poses)


def _key_poses(output: PipelineOutput) -> Iterator[tuple[int, Float64Array]]:
    """Yield (slot, odom_from_key) of the window's frames but the newest."""
    window = motion_of(output).window
    if window is None:
        return
    for slot, reference_from_key in enumerate(window.reference_from_camera):
        if window.stamps_ns[slot] == output.stamp_ns:
            continue
        scaled = reference_from_key.copy()
        scaled[:3, 3] *= window.unit_in_session
        yield slot, ODOM_FROM_SESSION @ window.session_from_reference @ scaled


@dataclass(frozen=True, eq=False)
class PlacedMotion:
    """Where the frame is whose motion is published.

    Attributes:
        child: name of the frame: the camera, its leaf, or the vehicle's base.
        odom_from_child: float64 [4, 4].
        covariance: of that pose, in the odometry frame's axes, float64 [6, 6].
        step_covariance: of the motion since the frame before, in the child's axes, or None.
    """

    child: str
    odom_from_child: Float64Array
    covariance: Float64Array
    step_covariance: Float64Array | None


def placed_motion(
    output: PipelineOutput, config: NodeConfig, base_from_camera: Float64Array | None
) -> PlacedMotion:
    """Return the motion of the frame that ``tf_mode`` speaks of.

    Args:
        output: of the pipeline.
        config: mode and names.
        base_from_camera: static transform, float64 [4, 4]; needed by the modes of the base.
    """
    motion, known = motion_of(output), _is_known(motion_of(output))
    step = motion.step_covariance if known else None
    if config.tf_mode in BASE_MODES:
        assert base_from_camera is not None
        covariance = motion.covariance if known else unknown_covariance()
        pose, covariance = base_motion(motion.odom_from_camera, covariance, base_from_camera)
        if step is not None:  # the same lever and axes; the camera is at the origin of its step
            step = base_motion(np.eye(4), step, base_from_camera)[1]
        return PlacedMotion(config.base_frame, pose, covariance, step)
    # Twists are read in the child frame: where no leaf is broadcast, the camera's own frame.
    leaf = leaf_frame(output.frame_id)
    child = leaf if config.tf_mode == 'camera' else output.frame_id
    pose = ODOM_FROM_SESSION @ motion.odom_from_camera
    return PlacedMotion(child, pose, pose_covariance(motion), step)


def base_transform_message(
    place: PlacedMotion, stamp_ns: int, config: NodeConfig, odom_frame: str
) -> Any:
    """Return the TFMessage of ``tf_mode`` odom_to_base or inverted.

    Args:
        place: of the base.
        stamp_ns: capture time [ns].
        config: mode and names.
        odom_frame: name of the odometry frame.
    """
    parent, child, pose = odom_frame, place.child, place.odom_from_child
    if config.tf_mode == 'inverted':
        parent, child, pose = child, parent, se3.inverse(pose)
    return _transforms(stamp_ns, parent, {child: pose})


def _transforms(stamp_ns: int, parent: str, poses: Mapping[str, Float64Array]) -> Any:
    """Return the TFMessage of the poses of children, by their names."""
    shared = header(stamp_ns, parent)  # a message object costs more than what is in it
    entries = [TransformStamped(header=shared, child_frame_id=child) for child in poses]
    for entry, pose in zip(entries, poses.values(), strict=True):
        fill_vector(entry.transform.translation, pose[:3, 3])
    turns = [entry.transform.rotation for entry in entries]
    fill_rotations(turns, np.stack([pose[:3, :3] for pose in poses.values()]))
    return TFMessage(transforms=entries)


class OdometryBuilder:
    """Turn the camera's or the base's motion into Odometry; remembers one pose for the twist."""

    def __init__(self, odom_frame: str) -> None:
        self._odom_frame = odom_frame
        self._previous: tuple[int, PlacedMotion] | None = None

    def message(self, output: PipelineOutput, place: PlacedMotion) -> Any:
        """Return the nav_msgs/Odometry of an output.

        The covariances are 9999 on the diagonal when the camera is lost or translations are not
        metres, and that of the twist also when there was no frame before, or none in metres.
        """
        pose = place.odom_from_child
        message = Odometry(header=header(output.stamp_ns, self._odom_frame))
        message.child_frame_id = place.child
        fill_vector(message.pose.pose.position, pose[:3, 3])
        fill_rotation(message.pose.pose.orientation, pose[:3, :3])
        message.pose.covariance = place.covariance.ravel().tolist()
        linear, angular, covariance = self._twist(output, place)
        fill_vector(message.twist.twist.linear, linear)
        fill_vector(message.twist.twist.angular, angular)
        message.twist.covariance = covariance.ravel().tolist()
        return message

    def pass_over(self, output: PipelineOutput, place: PlacedMotion) -> None:
        """Note an output that nobody listens to; the next one's twist begins there."""
        self._previous = (output.stamp_ns, place)

    def _twist(
        self, output: PipelineOutput, place: PlacedMotion
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return both velocities in the child's axes, zero when not known, and the covariance."""
        pose, stamp_ns = place.odom_from_child, output.stamp_ns
        motion = motion_of(output)
        continues = not (motion.lost or motion.rescaled) and output.reset is None
        previous, self._previous = self._previous, (stamp_ns, place)
        if previous is None or not continues or stamp_ns <= previous[0]:
            return np.zeros(3), np.zeros(3), unknown_covariance()
        before = previous[1].odom_from_child
        dt_s = (stamp_ns - previous[0]) * 1e-9
        linear = pose[:3, :3].T @ (pose[:3, 3] - before[:3, 3]) / dt_s
        angular = Rotation.from_matrix(before[:3, :3].T @ pose[:3, :3]).as_rotvec() / dt_s
        step = place.step_covariance
        return linear, angular, unknown_covariance() if step is None else step / dt_s**2


def unknown_covariance() -> Float64Array:
    """Return the covariance that says nothing is known, float64 [6, 6]."""
    return np.eye(6) * UNKNOWN_VARIANCE


def pose_covariance(motion: EgoMotion) -> Float64Array:
    """Return the covariance of the pose in the odometry frame's axes, float64 [6, 6]."""
    if not _is_known(motion):
        return unknown_covariance()
    turn = np.kron(np.eye(2), ODOM_FROM_SESSION[:3, :3])
    return turn @ motion.covariance @ turn.T


def _is_known(motion: EgoMotion) -> bool:
    return bool(motion.metric and not motion.lost and np.isfinite(motion.covariance).all())


def metres_per_unit(output: PipelineOutput) -> tuple[float, float]:
    """Return metres per unit of the window's translations and the standard deviation, or NaN."""
    window, grounding = motion_of(output).window, output.grounding
    if window is None or not motion_of(output).metric:
        return math.nan, math.nan
    unit = window.unit_in_session
    relative_std = grounding.translation_factor_std / grounding.translation_factor
    return unit, unit * relative_std

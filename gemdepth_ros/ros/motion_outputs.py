"""The camera's or the vehicle's motion: odometry, path, transforms; and when they are withheld."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gemdepth_ros.interfaces import PipelineOutput, ResetReason
from gemdepth_ros.ros import transforms
from gemdepth_ros.ros.frame_listener import FrameListener
from gemdepth_ros.ros.node_config import BASE_MODES, NodeConfig
from gemdepth_ros.ros.path import PathBuilder
from gemdepth_ros.ros.transforms import PlacedMotion

ODOMETRY, PATH, TF = '~/odometry', '~/path', '/tf'
NEW_PATH = (ResetReason.REQUEST, ResetReason.BACKWARD_TIME)  # the trajectory itself starts anew
NO_POSES = (
    'this network predicts no poses: no odometry, path or transforms; odometry can stand in: '
    'grounding.odometry.enabled, its topic with poses, and the mounting of the camera'
)
Send = Callable[[str, Any], None]


class MotionOutputs:
    """Publishes the motion of one stream.

    Attributes:
        fault: why something is refused; empty when nothing is.
        note: why something is withheld for the time being; empty when nothing is.
    """

    def __init__(
        self,
        config: NodeConfig,
        frames: FrameListener | None,
        send: Send,
        wanted: Callable[[str], bool],
    ) -> None:
        """Begin a stream.

        Args:
            config: mode and names; ``odom_frame`` is final.
            frames: what others publish; needed by every mode but none.
            send: publishes (topic, message).
            wanted: whether somebody listens to a topic.
        """
        self.fault = ''
        self.note = ''
        self._config = config
        self._frames = frames
        self._send = send
        self._wanted = wanted
        self._odometry = transforms.OdometryBuilder(config.odom_frame)
        self._path = PathBuilder(config.odom_frame, config.path_poses, config.path_period_s)

    def publish(self, output: PipelineOutput) -> None:
        """Publish the motion of an output, as far as it may be."""
        self.fault = self.note = ''
        if output.motion is None:
            self.note = NO_POSES
            return
        place = self._place(output)
        if place is None:
            return
        if self._wanted(ODOMETRY):
            self._send(ODOMETRY, self._odometry.message(output, place))
        else:
            self._odometry.pass_over(output, place)
        self._publish_path(output, place)
        if self._config.tf_mode != 'none':
            self._publish_transforms(output, place)

    def _place(self, output: PipelineOutput) -> PlacedMotion | None:
        config, base_from_camera = self._config, None
        if config.tf_mode in BASE_MODES:
            assert self._frames is not None
            base_from_camera = self._frames.frames.between(config.base_frame, output.frame_id)
            if base_from_camera is None:
                self.fault = (
                    f'tf_mode {config.tf_mode} needs the static transform between '
                    f'{config.base_frame!r} and {output.frame_id!r}, which nobody publishes on '
                    '/tf_static: no odometry'
                )
                return None
        return transforms.placed_motion(output, config, base_from_camera)

    def _publish_path(self, output: PipelineOutput, place: PlacedMotion) -> None:
        motion = transforms.motion_of(output)
        # Poses of before are in another unit: a path with both would have a leap.
        if output.reset in NEW_PATH or motion.rescaled:
            self._path.forget()
        if motion.lost:
            return
        self._path.add(output.stamp_ns, place.odom_from_child)
        if self._wanted(PATH):
            message = self._path.message()
            if message is not None:
                self._send(PATH, message)

    def _publish_transforms(self, output: PipelineOutput, place: PlacedMotion) -> None:
        config = self._config
        child = config.odom_frame if config.tf_mode == 'inverted' else place.child
        parent = config.base_frame if config.tf_mode == 'inverted' else config.odom_frame
        assert self._frames is not None
        guard = self._frames.guard
        assert guard is not None
        other = guard.other_parent(child)
        if other is not None:
            self.fault = (
                f'tf_mode {config.tf_mode} would publish {parent!r} -> {child!r}, but somebody '
                f'else publishes {other!r} -> {child!r}: no transform is sent; stop the other '
                'one, or choose another tf_mode'
            )
            return
        message = self._transforms(output, place)
        if message is not None:
            guard.publishing(message)
            self._send(TF, message)

    def _transforms(self, output: PipelineOutput, place: PlacedMotion) -> Any | None:
        config = self._config
        if config.tf_mode == 'camera':
            return transforms.transforms_message(output, config.odom_frame)
        if transforms.motion_of(output).lost:
            self.note = f'tf_mode {config.tf_mode}: the camera is lost, no transform is sent'
            return None
        if not transforms.motion_of(output).metric:
            self.note = (
                f'tf_mode {config.tf_mode}: the motion is not in metres, no transform is sent; '
                'a source of the translation factor (odometry, parallax with odometry, manual) '
                'is needed'
            )
            return None
        return transforms.base_transform_message(place, output.stamp_ns, config, config.odom_frame)

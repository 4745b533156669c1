"""Messages of the vehicle's odometry, with the place of the camera on what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gemdepth_ros.errors import SensorError
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.pipeline.readings import OdometrySample
from gemdepth_ros.ros.node_config import ODOM_FRAME
from gemdepth_ros.ros.sensor_messages import odometry_sample
from gemdepth_ros.ros.static_frames import StaticFrames


class OdometryInput:
    """Reads nav_msgs/Odometry for a camera.

    Pose and twist are those of ``child_frame_id``. Where /tf_static joins it to the camera's frame
    the samples carry that transform; where it does not they go without, and a line says so.

    Args:
        frames: the robot's static transforms.
        base_frame: stands in for an empty ``child_frame_id``.
        own_frame: in which the node gives its own motion, which is no measurement. Only a name
            that nobody else takes tells it (``gemdepth_odom``, in any namespace): ``odom``, and
            what a user chose, may be the frame of wheel odometry as well.
        max_age_s: messages further from the image are left out [s].
    """

    def __init__(
        self, frames: StaticFrames, base_frame: str, own_frame: str, max_age_s: float
    ) -> None:
        self._frames = frames
        self._base_frame = base_frame
        self._own_frame = own_frame if own_frame.rpartition('/')[2] == ODOM_FRAME else None
        self._max_age_s = max_age_s
        self._child_frame: str | None = None  # of the newest message, None before it

    def read(
        self, messages: Iterable[tuple[int, Any]], stamp_ns: int, camera_frame: str
    ) -> tuple[tuple[OdometrySample, ...], str]:
        """Return the samples near an image, and one line about what is wrong; empty: nothing.

        Args:
            messages: (stamp [ns], message) since the last image, oldest first; may be none.
            stamp_ns: capture time of the image [ns].
            camera_frame: its optical frame.
        """
        samples, problem, newest = [], '', None
        places: dict[str, Float64Array | None] = {}  # one search a frame, not one a message
        for newest, message in messages:
            if abs(newest - stamp_ns) > self._max_age_s * 1e9:
                continue
            try:
                samples.append(self._sample(message, camera_frame, places))
            except SensorError as error:
                problem = str(error)
        if newest is not None and not samples and not problem:
            age_s = abs(newest - stamp_ns) * 1e-9
            problem = (
                f'the newest message is {age_s:.2f} s away from the image '
                f'(limit {self._max_age_s} s)'
            )
        lines = (problem, self._unplaced(camera_frame))
        return tuple(samples), '; '.join(line for line in lines if line)

    def _sample(
        self, message: Any, camera_frame: str, places: dict[str, Float64Array | None]
    ) -> OdometrySample:
        if message.header.frame_id == self._own_frame:
            raise SensorError(
                f"this is the node's own motion ({self._own_frame}), no measurement: remap "
                "odometry to the topic of the vehicle's"
            )
        child = self._child_frame = message.child_frame_id
        if child not in places:
            places[child] = self._base_from_camera(camera_frame)
        return odometry_sample(message, places[child])

    def _base_from_camera(self, camera_frame: str) -> Float64Array | None:
        return self._frames.between(self._child_frame or self._base_frame, camera_frame)

    def _unplaced(self, camera_frame: str) -> str:
        """Say that nobody knows where the camera sits, also while no message comes."""
        child = self._child_frame
        if child is None or self._base_from_camera(camera_frame) is not None:
            return ''
        origin = '' if child else ' (base_frame; the messages have no child_frame_id)'
        return (
            f'no static transform between {child or self._base_frame!r}{origin} and '
            f'{camera_frame!r}: publish it on /tf_static; until then its distances are not those '
            'of the camera where it turns'
        )

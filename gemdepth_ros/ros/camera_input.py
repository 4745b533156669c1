"""The camera's topics: callbacks that only enqueue, and CameraInfo paired by stamp."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from gemdepth_ros.pipeline.latest_queue import LatestQueue
from gemdepth_ros.ros import qos
from gemdepth_ros.ros.calibration import delivered_size_of
from gemdepth_ros.ros.conversions import stamp_to_ns
from gemdepth_ros.ros.node_config import NodeConfig
from gemdepth_ros.ros.statistics import NodeStatistics
from gemdepth_ros.ros.transport import TransportCounter

FOLLOW_PERIOD_S = 0.5  # how often the publishers' quality of service is looked at
CAMERA_INFO_DEPTH = 32  # messages kept for pairing: three seconds at 10 Hz
CAMERA_INFO_WAIT_S = 0.1  # an image may arrive this much before its CameraInfo


@dataclass(frozen=True, eq=False)
class QueuedImage:
    """An image message as it arrived, not decoded yet.

    Attributes:
        message: sensor_msgs/Image or CompressedImage.
        arrived_s: time of its callback on the steady clock [s].
    """

    message: Any
    arrived_s: float


class CameraInfoBuffer:
    """The newest CameraInfo messages; filled by callbacks, searched by the worker.

    A calibration does not age: drivers send it rarely, or once. Stamps only choose between
    several; the last one of a camera stays in force until another one comes, also while the node
    is inactive.
    """

    def __init__(self, capacity: int = CAMERA_INFO_DEPTH) -> None:
        self._messages: deque[tuple[int, Any]] = deque(maxlen=capacity)
        self._accepted: tuple[str, Any] | None = None  # (frame of the image, CameraInfo)
        self._changed = threading.Condition()
        self._patient = True

    def begin(self) -> None:
        """Begin a stream: what is kept stays in force, and the first image may wait again."""
        with self._changed:
            self._patient = True

    def add(self, message: Any) -> None:
        """Keep a message."""
        with self._changed:
            self._messages.append((stamp_to_ns(message.header.stamp), message))
            self._changed.notify_all()

    def find(
        self,
        stamp_ns: int,
        size: tuple[int, int],
        frame_id: str,
        tolerance_s: float,
        wait_s: float = 0.0,
    ) -> Any | None:
        """Return the CameraInfo of an image.

        In this order: one with the same stamp, the newest within the tolerance, the newest of the
        same frame, the one that the last image of this frame took. All of them have the image's
        size; one of another size is returned only when none fits, so that its numbers can be
        reported.

        Args:
            stamp_ns: stamp of the image [ns].
            size: (height, width) of the image [px].
            frame_id: frame of the image.
            tolerance_s: largest difference of the stamps [s].
            wait_s: how long to wait for a fitting one [s]; after a vain wait the next calls do
                not wait, until one fits again.
        """
        with self._changed:
            self._patient = self._changed.wait_for(
                lambda: self._fitting(stamp_ns, size, frame_id, tolerance_s) is not None,
                wait_s if self._patient else 0.0,
            )
            found = self._fitting(stamp_ns, size, frame_id, tolerance_s)
            if found is not None:
                self._accepted = (frame_id, found)
                return found
            return self._by_stamp(stamp_ns, None, tolerance_s)

    def _fitting(
        self, stamp_ns: int, size: tuple[int, int], frame_id: str, tolerance_s: float
    ) -> Any | None:
        found = self._by_stamp(stamp_ns, size, tolerance_s)
        return found if found is not None else self._in_force(size, frame_id)

    def _by_stamp(
        self, stamp_ns: int, size: tuple[int, int] | None, tolerance_s: float
    ) -> Any | None:
        near = None
        for message_ns, message in reversed(self._messages):
            if size is not None and delivered_size_of(message) != size:
                continue
            if message_ns == stamp_ns:
                return message
            if near is None and abs(message_ns - stamp_ns) <= tolerance_s * 1e9:
                near = message
        return near

    def _in_force(self, size: tuple[int, int], frame_id: str) -> Any | None:
        """The last CameraInfo of a camera, whatever its stamp."""
        frames, accepted = {frame_id}, None
        if self._accepted is not None and self._accepted[0] == frame_id:
            accepted = self._accepted[1]
            frames.add(accepted.header.frame_id)  # some drivers name it differently
        for _, message in reversed(self._messages):
            if message.header.frame_id in frames and delivered_size_of(message) == size:
                return message
        fits = accepted is not None and delivered_size_of(accepted) == size
        return accepted if fits else None


class CameraInput:
    """Subscriptions to one camera."""

    def __init__(
        self,
        node: Node,
        config: NodeConfig,
        queue: LatestQueue[QueuedImage],
        statistics: NodeStatistics,
        camera_infos: CameraInfoBuffer | None = None,
    ) -> None:
        """Subscribe.

        Args:
            node: owner of the subscriptions.
            config: topics and quality of service.
            queue: where images go.
            statistics: where they are counted.
            camera_infos: where calibrations go, with those of the streams before; None: new.

        Raises:
            ConfigError: a QoS override has a value that its policy does not know.
        """
        self.camera_infos = CameraInfoBuffer() if camera_infos is None else camera_infos
        self.camera_infos.begin()
        self._node = node
        self._queue = queue
        self._statistics = statistics
        if not qos.PASSES_MESSAGE_INFO:
            self._statistics.losses_counted = False
            node.get_logger().info(
                "this ROS's rclpy tells no sequence numbers: images that are lost on the way are "
                'not counted',
                once=True,
            )
        if config.image_transport == 'compressed':
            kind, topic = CompressedImage, f'{node.resolve_topic_name("image")}/compressed'
        else:
            kind, topic = Image, 'image'
        with ExitStack() as made:  # undone when a later line raises
            self._infos = qos.FollowingSubscription(
                node,
                CameraInfo,
                'camera_info',
                self._on_camera_info,
                config.qos,
                CAMERA_INFO_DEPTH,
                latched=True,  # a driver may send it once, before this node was there
            )
            made.callback(self._infos.destroy)
            self._images = qos.FollowingSubscription(node, kind, topic, self._on_image, config.qos)
            made.callback(self._images.destroy)
            self._transport = TransportCounter(self._images.publisher_ids)
            self._transport.watch()
            # The steady clock: with use_sim_time the node's clock stands still while a bag pauses.
            timer = node.create_timer(
                FOLLOW_PERIOD_S, self._follow, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )
            made.callback(node.destroy_timer, timer)
            self._made = made.pop_all()

    @property
    def topic(self) -> str:
        """Resolved name of the image topic."""
        return self._images.topic

    def find_camera_info(
        self, stamp_ns: int, size: tuple[int, int], frame_id: str, tolerance_s: float
    ) -> Any | None:
        """Return the CameraInfo of an image, or None; see ``CameraInfoBuffer.find``."""
        expected = self._node.count_publishers(self._infos.topic) > 0
        wait_s = CAMERA_INFO_WAIT_S if expected else 0.0
        return self.camera_infos.find(stamp_ns, size, frame_id, tolerance_s, wait_s)

    def destroy(self) -> None:
        """Unsubscribe."""
        self._made.close()

    def _follow(self) -> None:
        self._images.follow()
        self._infos.follow()
        self._transport.watch()

    def _on_camera_info(self, message: Any, _info: dict[str, Any]) -> None:
        self.camera_infos.add(message)

    def _on_image(self, message: Any, info: dict[str, Any]) -> None:
        now_s = time.monotonic()
        lost = self._transport.lost_before(info.get('publication_sequence_number'))
        self._statistics.arrived(now_s, lost)
        dropped = self._queue.put(QueuedImage(message, now_s), lost)
        self._statistics.counter.dropped(dropped)

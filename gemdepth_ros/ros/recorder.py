"""Write the messages of topics as they come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from gemdepth_ros.errors import DependencyError
from gemdepth_ros.ros.qos import callback_for_rclpy
from gemdepth_ros.ros.session import message_class, ros_session

NODE_NAME = 'bag_recorder'
DEPTH = 50  # messages of one topic that may wait while the disk is slow
FOLLOW_PERIOD_S = 0.1
SPIN_PERIOD_S = 0.1
DRAIN_S = 2.0


class MessageSink(Protocol):
    """Where messages go: a bag."""

    def add_topic(self, topic: str, message_type: str, *, latched: bool) -> None:
        """Announce a topic, once, before its first message."""

    def write_serialized(self, topic: str, data: bytes, stamp_ns: int) -> None:
        """Write CDR bytes, received at ``stamp_ns``."""


def record(
    topics: Iterable[str],
    sink: MessageSink,
    *,
    duration_s: float = math.inf,
    on_subscribed: Callable[[str], None] = lambda topic: None,
) -> dict[str, int]:
    """Record topics until Ctrl-C, SIGTERM or the end of the duration; returns normally then.

    Args:
        topics: full names; each is subscribed as soon as somebody publishes it.
        sink: where messages go; they are stamped with the time of their reception.
        duration_s: limit [s].
        on_subscribed: told of each topic that is now recorded.

    Returns:
        Messages by topic.

    Raises:
        DependencyError: a message type is not installed.
        BagError: the sink cannot write.
    """
    with ros_session(NODE_NAME) as (node, stop):
        recorder = _Recorder(node, topics, sink, on_subscribed)
        end_s = time.monotonic() + duration_s
        while not stop.is_set() and time.monotonic() < end_s:
            recorder.follow()
            recorder.spin(SPIN_PERIOD_S)
        recorder.drain()
        recorder.close()
        return recorder.counts


class _Recorder:
    def __init__(
        self,
        node: Node,
        topics: Iterable[str],
        sink: MessageSink,
        on_subscribed: Callable[[str], None],
    ) -> None:
        self.counts = dict.fromkeys(topics, 0)
        self._node = node
        self._sink = sink
        self._on_subscribed = on_subscribed
        self._waiting = list(self.counts)
        self._subscriptions: list[Any] = []
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._next_follow_s = 0.0

    def follow(self) -> None:
        """Subscribe the topics that have got a publisher since."""
        now_s = time.monotonic()
        if not self._waiting or now_s < self._next_follow_s:
            return
        self._next_follow_s = now_s + FOLLOW_PERIOD_S
        for topic in list(self._waiting):
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                self._waiting.remove(topic)
                self._subscribe(topic, publishers)

    def spin(self, timeout_s: float) -> None:
        """Handle one message, or wait."""
        self._executor.spin_once(timeout_sec=timeout_s)

    def drain(self) -> None:
        """Write what has arrived already, as long as there is something."""
        end_s = time.monotonic() + DRAIN_S
        before = -1
        while (written := sum(self.counts.values())) > before and time.monotonic() < end_s:
            before = written
            self.spin(SPIN_PERIOD_S)

    def close(self) -> None:
        """Let go of the node."""
        self._executor.shutdown()

    def _subscribe(self, topic: str, publishers: list[Any]) -> None:
        message_type = publishers[0].topic_type
        latched = all(
            info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for info in publishers
        )
        reliable = all(
            info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in publishers
        )
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=DEPTH,
            reliability=(
                ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
            ),
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
            ),
        )
        try:
            kind = message_class(message_type)
        except DependencyError as error:
            raise DependencyError(f'topic {topic}: {error}') from error
        self._sink.add_topic(topic, message_type, latched=latched)

        def write(data: bytes, info: dict[str, Any]) -> None:
            # Where the middleware, or rclpy, does not say when, it was about now.
            self._sink.write_serialized(
                topic, data, info.get('received_timestamp') or time.time_ns()
            )
            self.counts[topic] += 1

        # raw: the bytes are what a bag holds, decoding them would be work for nothing.
        self._subscriptions.append(
            self._node.create_subscription(kind, topic, callback_for_rclpy(write), qos, raw=True)
        )
        self._on_subscribed(topic)

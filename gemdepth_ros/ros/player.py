"""Publish recorded messages at their recorded rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from gemdepth_ros.errors import ConfigError, DependencyError
from gemdepth_ros.ros.session import message_class, ros_session

NODE_NAME = 'bag_player'
CLOCK_TOPIC = '/clock'
LARGEST_CLOCK_HZ = 1000.0
DEPTH = 10  # a second of camera images; the node itself keeps only the newest
POLL_S = 0.05
SETTLE_S = 0.5  # each end of a connection learns of the other by itself, a little apart
ACKNOWLEDGE_S = 5.0


@dataclass(frozen=True)
class PlayedTopic:
    """A topic to offer.

    Attributes:
        name: its full name.
        message_type: for example ``sensor_msgs/msg/Image``.
        latched: whether a late subscriber gets the last message.
    """

    name: str
    message_type: str
    latched: bool = False


@dataclass(frozen=True)
class PlayOptions:
    """When to play.

    Attributes:
        rate: 2.0 is twice as fast as recorded.
        delay_s: pause before the first message, after the waiting [s].
        wait_for: topic to number of subscriptions that must be there before the first message;
            also topics of other nodes.
        wait_timeout_s: how long to wait for them [s].
        clock_hz: send the bag's time as /clock so often; 0: do not. Nor where the bag has its own.
    """

    rate: float = 1.0
    delay_s: float = 0.0
    wait_for: Mapping[str, int] = field(default_factory=dict)
    wait_timeout_s: float = 60.0
    clock_hz: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.rate < float('inf'):
            raise ConfigError(f'rate must be > 0, got {self.rate}')
        if not 0 <= self.delay_s < float('inf'):
            raise ConfigError(f'delay must be >= 0 s, got {self.delay_s}')
        if not 0 <= self.clock_hz <= LARGEST_CLOCK_HZ:
            raise ConfigError(f'clock must be 0..{LARGEST_CLOCK_HZ:g} Hz, got {self.clock_hz}')


@dataclass(frozen=True)
class PlayResult:
    """What was published.

    Attributes:
        counts: messages by topic.
        seconds: from the first message to the last [s].
        latest_s: how much the latest message was behind its time [s].
        complete: False when the playing was interrupted.
    """

    counts: dict[str, int]
    seconds: float
    latest_s: float
    complete: bool


def play(
    topics: Iterable[PlayedTopic],
    messages: Iterable[tuple[str, int, bytes]],
    options: PlayOptions,
) -> PlayResult:
    """Publish messages until there are no more, or Ctrl-C.

    Nothing is decoded: a message goes out as the bytes that were recorded.

    Args:
        topics: what to offer.
        messages: (topic, recording time [ns], CDR bytes) in the order of recording.
        options: when.

    Raises:
        DependencyError: a message type is not installed.
        ConfigError: the awaited subscriptions did not appear.
    """
    with ros_session(NODE_NAME) as (node, stop):
        player = _Player(node, topics, options, stop)
        player.wait_for_subscriptions(options.wait_for, options.wait_timeout_s)
        stop.wait(options.delay_s)
        return player.run(messages, options.rate)


class _Player:
    def __init__(
        self,
        node: Node,
        topics: Iterable[PlayedTopic],
        options: PlayOptions,
        stop: threading.Event,
    ) -> None:
        self._node = node
        self._stop = stop
        self._publishers = {topic.name: _publisher(node, topic) for topic in topics}
        self._clock: _Clock | None = None
        if options.clock_hz and CLOCK_TOPIC not in self._publishers:
            self._clock = _Clock(node, options)

    def wait_for_subscriptions(self, wanted: Mapping[str, int], timeout_s: float) -> None:
        if not wanted:
            return
        end_s = time.monotonic() + timeout_s
        while missing := [name for name, count in wanted.items() if self._found(name) < count]:
            if self._stop.wait(POLL_S):
                return
            if time.monotonic() > end_s:
                raise ConfigError(
                    f'{missing[0]} has {self._found(missing[0])} of {wanted[missing[0]]} '
                    f'subscriptions after {timeout_s:g} s; does its subscriber run in this '
                    'ROS_DOMAIN_ID?'
                )
        self._stop.wait(SETTLE_S)

    def _found(self, topic: str) -> int:
        """Count a topic's subscriptions: for our own those that are connected."""
        if topic in self._publishers:
            return int(self._publishers[topic].get_subscription_count())
        return int(self._node.count_subscribers(topic))

    def run(self, messages: Iterable[tuple[str, int, bytes]], rate: float) -> PlayResult:
        counts = dict.fromkeys(self._publishers, 0)
        first_ns, start_s, latest_s = 0, 0.0, 0.0
        for topic, stamp_ns, data in messages:
            if not start_s:
                first_ns, start_s = stamp_ns, time.monotonic()
            due_s = start_s + (stamp_ns - first_ns) / 1e9 / rate
            if self._clock is not None:
                self._clock.run_until(due_s, stamp_ns, self._stop)
            if self._stop.wait(max(due_s - time.monotonic(), 0.0)):
                break
            self._publishers[topic].publish(data)
            counts[topic] += 1
            latest_s = max(latest_s, time.monotonic() - due_s)
        seconds = time.monotonic() - start_s if start_s else 0.0
        self._wait_until_received()
        return PlayResult(counts, seconds, latest_s, complete=not self._stop.is_set())

    def _wait_until_received(self) -> None:
        """Keep the last messages until reliable subscribers have them."""
        end_s = time.monotonic() + ACKNOWLEDGE_S
        for publisher in self._publishers.values():
            left_s = max(end_s - time.monotonic(), 0.0)
            if not self._stop.is_set():
                publisher.wait_for_all_acked(Duration(seconds=left_s))


class _Clock:
    """The bag's time as /clock, also between messages."""

    def __init__(self, node: Node, options: PlayOptions) -> None:
        self._publisher = node.create_publisher(Clock, CLOCK_TOPIC, DEPTH)
        self._period_s = 1.0 / options.clock_hz
        self._rate = options.rate
        self._next_s = 0.0

    def run_until(self, due_s: float, stamp_ns: int, stop: threading.Event) -> None:
        """Send the time until a message is due.

        Args:
            due_s: when it is due, by the steady clock [s].
            stamp_ns: its time in the bag [ns].
            stop: ends it.
        """
        while True:
            now_s = time.monotonic()
            if now_s >= self._next_s:
                before_s = max(due_s - now_s, 0.0) * self._rate
                self._send(stamp_ns - round(before_s * 1e9))
                self._next_s = now_s + self._period_s
            if now_s >= due_s or stop.wait(min(due_s, self._next_s) - now_s):
                return

    def _send(self, stamp_ns: int) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(stamp_ns, 1_000_000_000)
        self._publisher.publish(message)


def _publisher(node: Node, topic: PlayedTopic) -> Any:
    durability = DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE
    qos = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1 if topic.latched else DEPTH,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=durability,
    )
    try:
        kind = message_class(topic.message_type)
    except DependencyError as error:
        raise DependencyError(f'topic {topic.name}: {error}') from error
    return node.create_publisher(kind, topic.name, qos)

"""Subscriptions that any publisher can reach, and publishers that any subscription can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

QosMode = Literal['auto', 'reliable', 'best_effort']
OUTPUT_DEPTH = 5


def passes_message_info(subscription_type: Any = Subscription) -> bool:
    """Return whether this rclpy gives callbacks the message's info; Humble's does not."""
    return hasattr(subscription_type, 'CallbackType')


PASSES_MESSAGE_INFO = passes_message_info()


def output_qos() -> Any:
    """Return the profile of published data: reliable reaches both kinds of subscription."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=OUTPUT_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE,
    )


def choose_reliability(mode: QosMode, offered: Iterable[Any]) -> Any:
    """Return the reliability to ask for.

    ``auto`` takes reliable when all publishers offer it: between processes, large best-effort
    messages get lost. One best-effort publisher would not match a reliable subscription, so it
    decides for all. Without publishers reliable is a guess, corrected when one appears.
    """
    if mode == 'reliable':
        return ReliabilityPolicy.RELIABLE
    if mode == 'best_effort' or any(o == ReliabilityPolicy.BEST_EFFORT for o in offered):
        return ReliabilityPolicy.BEST_EFFORT
    return ReliabilityPolicy.RELIABLE


def overridden_mode(node: Node, topic: str, mode: QosMode) -> QosMode:
    """Return the mode of a topic: a reliability given for it as a QoS override goes first."""
    name = f'qos_overrides.{node.resolve_topic_name(topic)}.subscription.reliability'
    given = getattr(node, '_parameter_overrides', {}).get(name)  # rclpy has no public way
    if given is None:
        return mode
    return 'best_effort' if given.value == 'best_effort' else 'reliable'


class FollowingSubscription:
    """A subscription that is made anew when the publishers' reliability asks for it."""

    def __init__(
        self,
        node: Node,
        message_type: Any,
        topic: str,
        callback: Callable[[Any, dict[str, Any]], None],
        mode: QosMode,
        depth: int = 1,
    ) -> None:
        """Subscribe.

        Args:
            node: the node that owns the subscription.
            message_type: class of the messages.
            topic: relative or absolute, before remapping.
            callback: called with (message, message info); the info is empty where rclpy gives
                none.
            mode: how to choose the reliability.
            depth: messages kept for a late executor.
        """
        self._node = node
        self._arguments = (message_type, topic, callback)
        self._mode = overridden_mode(node, topic, mode)
        self._depth = depth
        # A mismatch is reported by an event of the very subscription that must go: the guard
        # condition brings the correction into a callback of its own.
        self._mismatch = node.create_guard_condition(self.follow)
        self.reliability = ReliabilityPolicy.RELIABLE
        self._subscription = self._subscribe(choose_reliability(self._mode, ()))
        self.topic: str = self._subscription.topic_name
        self.follow()

    def publishers(self) -> list[Any]:
        """Return the endpoint information of the topic's publishers."""
        return list(self._node.get_publishers_info_by_topic(self.topic))

    def publisher_ids(self) -> frozenset[bytes]:
        """Return the identities of the topic's publishers."""
        return frozenset(bytes(info.endpoint_gid) for info in self.publishers())

    def follow(self) -> bool:
        """Subscribe anew if the publishers ask for it; return whether that happened."""
        offered = [info.qos_profile.reliability for info in self.publishers()]
        # Nobody publishes: keep what fitted the last publisher, it may come back.
        wanted = choose_reliability(self._mode, offered) if offered else self.reliability
        if wanted == self.reliability:
            return False
        old, self._subscription = self._subscription, self._subscribe(wanted)
        self._node.destroy_subscription(old)
        self._node.get_logger().info(
            f'{self.topic}: subscribed {wanted.name.lower()}, as its publishers offer'
        )
        return True

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_guard_condition(self._mismatch)
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self, reliability: Any) -> Any:
        self.reliability = reliability
        message_type, topic, callback = self._arguments
        # rclpy counts the arguments of what it is given: one is the message alone.
        received = callback if PASSES_MESSAGE_INFO else lambda message: callback(message, {})
        events = None  # rclpy's own: a warning that names the topic and the policy
        if self._mode == 'auto':
            events = SubscriptionEventCallbacks(incompatible_qos=self._on_mismatch)
        return self._node.create_subscription(
            message_type,
            topic,
            received,
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST, depth=self._depth, reliability=reliability
            ),
            event_callbacks=events,
            qos_overriding_options=QoSOverridingOptions(self._overridable()),
        )

    def _overridable(self) -> list[Any]:
        """What parameters may override; with `auto` the reliability follows the publishers."""
        kinds = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        return kinds if self._mode == 'auto' else [*kinds, QoSPolicyKind.RELIABILITY]

    def _on_mismatch(self, _event: Any) -> None:
        self._mismatch.trigger()

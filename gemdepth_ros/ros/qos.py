"""Subscriptions that any publisher can reach, and publishers that any subscription can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, Literal

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from gemdepth_ros.errors import ConfigError

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

QosMode = Literal['auto', 'reliable', 'best_effort']
WithInfo = Callable[[Any, dict[str, Any]], None]
POLICIES = {
    'history': HistoryPolicy,
    'reliability': ReliabilityPolicy,
    'durability': DurabilityPolicy,
}
OUTPUT_DEPTH = 5
LARGEST_DEPTH = 10_000  # of a QoS override; DDS itself refuses numbers that are no depth


def passes_message_info(subscription_type: Any = Subscription) -> bool:
    """Return whether this rclpy gives callbacks the message's info; Humble's does not."""
    return hasattr(subscription_type, 'CallbackType')


PASSES_MESSAGE_INFO = passes_message_info()


def callback_for_rclpy(callback: WithInfo) -> Callable[..., None]:
    """Return a callback of (message, info) in the form that this rclpy calls.

    rclpy counts the arguments of what it is given: one is the message alone. The info is empty
    where rclpy gives none.
    """
    return callback if PASSES_MESSAGE_INFO else lambda message: callback(message, {})


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


def choose_durability(offered: Iterable[Any]) -> Any:
    """Return the durability to ask for: the past as well, when all publishers keep it.

    A publisher that does not would not match. Without publishers volatile matches whoever comes.
    """
    latched = set(offered) == {DurabilityPolicy.TRANSIENT_LOCAL}
    return DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE


def overridden(node: Node, topic: str, policy: str, end: str = 'subscription') -> str | None:
    """Return what a QoS override gives for a policy of one end of a topic, or None.

    Raises:
        ConfigError: the policy has no such value.
    """
    name, given = _override(node, topic, policy, end)
    if given is None:
        return None
    value = str(given).lower()
    allowed = [kind.lower() for kind in POLICIES[policy].__members__ if kind != 'UNKNOWN']
    if value not in allowed:
        raise ConfigError(f'{name} must be one of {", ".join(allowed)}, got {given!r}')
    return value


def check_publisher_overrides(node: Node, topic: str) -> None:
    """Check what a user may override of an output, before rclpy fails without its name.

    Raises:
        ConfigError: a value is impossible.
    """
    for policy in ('history', 'reliability'):
        overridden(node, topic, policy, 'publisher')
    name, depth = _override(node, topic, 'depth', 'publisher')
    if depth is not None and (type(depth) is not int or not 0 <= depth <= LARGEST_DEPTH):
        raise ConfigError(f'{name} must be a whole number 0..{LARGEST_DEPTH}, got {depth!r}')


def _override(node: Node, topic: str, policy: str, end: str) -> tuple[str, Any]:
    name = f'qos_overrides.{node.resolve_topic_name(topic)}.{end}.{policy}'
    given = getattr(node, '_parameter_overrides', {}).get(name)  # rclpy has no public way
    return name, None if given is None else given.value


def overridden_mode(node: Node, topic: str, mode: QosMode) -> QosMode:
    """Return the mode of a topic: a reliability given for it as a QoS override goes first."""
    given = overridden(node, topic, 'reliability')
    if given is None:
        return mode
    return 'best_effort' if given == 'best_effort' else 'reliable'


class FollowingSubscription:
    """A subscription that is made anew when what its publishers offer asks for it."""

    def __init__(
        self,
        node: Node,
        message_type: Any,
        topic: str,
        callback: WithInfo,
        mode: QosMode,
        depth: int = 1,
        *,
        latched: bool = False,
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
            latched: also ask for what was published before, when all publishers keep that; a
                durability given as a QoS override goes first.

        Raises:
            ConfigError: a QoS override has a value that its policy does not know.
        """
        self._node = node
        self._arguments = (message_type, topic, callback)
        self._mode = overridden_mode(node, topic, mode)
        overridden(node, topic, 'history')  # rclpy would name neither the topic nor the choices
        self._latched = overridden(node, topic, 'durability') is None and latched
        self._depth = depth
        with ExitStack() as made:  # undone when a later line raises
            # A mismatch is reported by an event of the very subscription that must go: the guard
            # condition brings the correction into a callback of its own.
            self._mismatch = node.create_guard_condition(self.follow)
            made.callback(node.destroy_guard_condition, self._mismatch)
            self.reliability, self.durability = self._wanted(())
            self._subscription = self._subscribe(self.reliability, self.durability)
            made.callback(lambda: node.destroy_subscription(self._subscription))
            self.topic: str = self._subscription.topic_name
            self.follow()
            self._made = made.pop_all()

    def publishers(self) -> list[Any]:
        """Return the endpoint information of the topic's publishers."""
        return list(self._node.get_publishers_info_by_topic(self.topic))

    def publisher_ids(self) -> frozenset[bytes]:
        """Return the identities of the topic's publishers."""
        return frozenset(bytes(info.endpoint_gid) for info in self.publishers())

    def follow(self) -> bool:
        """Subscribe anew if the publishers ask for it; return whether that happened."""
        offered = [info.qos_profile for info in self.publishers()]
        if not offered:
            return False  # keep what fitted the last publisher, it may come back
        wanted = self._wanted(offered)
        if wanted == (self.reliability, self.durability):
            return False
        old, self._subscription = self._subscription, self._subscribe(*wanted)
        self.reliability, self.durability = wanted
        self._node.destroy_subscription(old)
        what = ', '.join(policy.name.lower() for policy in wanted)
        self._node.get_logger().info(f'{self.topic}: subscribed {what}, as its publishers offer')
        return True

    def destroy(self) -> None:
        """Unsubscribe."""
        self._made.close()

    def _wanted(self, offered: Iterable[Any]) -> tuple[Any, Any]:
        """Reliability and durability to ask publishers of these profiles for."""
        profiles = list(offered)
        reliability = choose_reliability(self._mode, [p.reliability for p in profiles])
        durability = choose_durability([p.durability for p in profiles if self._latched])
        return reliability, durability

    def _subscribe(self, reliability: Any, durability: Any) -> Any:
        message_type, topic, callback = self._arguments
        events = None  # rclpy's own: a warning that names the topic and the policy
        if self._mode == 'auto':
            events = SubscriptionEventCallbacks(incompatible_qos=self._on_mismatch)
        return self._node.create_subscription(
            message_type,
            topic,
            callback_for_rclpy(callback),
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST,
                depth=self._depth,
                reliability=reliability,
                durability=durability,
            ),
            event_callbacks=events,
            qos_overriding_options=QoSOverridingOptions(self._overridable()),
        )

    def _overridable(self) -> list[Any]:
        """What parameters may override: not what follows the publishers."""
        kinds = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        if self._mode != 'auto':
            kinds.append(QoSPolicyKind.RELIABILITY)
        if not self._latched:
            kinds.append(QoSPolicyKind.DURABILITY)
        return kinds

    def _on_mismatch(self, _event: Any) -> None:
        self._mismatch.trigger()

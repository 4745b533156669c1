"""What others publish about frames: static transforms, and parents of frames that are ours."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from gemdepth_ros.ros.conversions import stamp_to_ns
from gemdepth_ros.ros.static_frames import StaticFrames, plain

OWN_STAMPS = 2048  # transforms of ours that may still be on their way back to us
MAX_SEEN = 1024


class FrameGuard:
    """Finds out that somebody else gives a parent to a frame that this node publishes.

    A frame with two parents breaks tf2: its tree jumps between them. Our own transforms come
    back on the same topic and are known by child and stamp.
    """

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}  # child -> parent, published by others
        self._own: OrderedDict[tuple[str, int], None] = OrderedDict()  # the oldest first

    def publishing(self, message: Any) -> None:
        """Note a TFMessage that is about to be published."""
        for entry in message.transforms:
            key = plain(entry.child_frame_id), stamp_to_ns(entry.header.stamp)
            self._own[key] = None
            self._own.move_to_end(key)  # a bag that plays again brings the same stamps again
        while len(self._own) > OWN_STAMPS:
            self._own.popitem(last=False)

    def heard(self, message: Any) -> None:
        """Note a TFMessage from /tf or /tf_static."""
        for entry in message.transforms:
            child = plain(entry.child_frame_id)
            if (child, stamp_to_ns(entry.header.stamp)) in self._own:
                continue
            if child in self._seen or len(self._seen) < MAX_SEEN:
                self._seen[child] = plain(entry.header.frame_id)

    def other_parent(self, child: str) -> str | None:
        """Return the parent that somebody else gives to a frame, or None."""
        return self._seen.get(plain(child))


class FrameListener:
    """Subscriptions to /tf_static, and to /tf where this node publishes there.

    Attributes:
        frames: the static transforms.
        guard: parents that others give to frames; None unless asked for.
        note: what is wrong with /tf_static; empty when nothing is.
    """

    def __init__(self, node: Node, *, guarded: bool) -> None:
        """Subscribe.

        Args:
            node: owner of the subscriptions.
            guarded: listen to /tf as well.
        """
        self.frames = StaticFrames()
        self.guard = FrameGuard() if guarded else None
        self.note = ''
        self._node = node
        static = QoSProfile(
            depth=100,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,  # what was published before comes, too
            reliability=ReliabilityPolicy.RELIABLE,
        )
        self._subscriptions = [
            node.create_subscription(TFMessage, '/tf_static', self._on_static, static)
        ]
        if self.guard is not None:
            # Best effort reaches every publisher of /tf, and a lost message comes again.
            moving = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscriptions.append(
                node.create_subscription(TFMessage, '/tf', self.guard.heard, moving)
            )

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _on_static(self, message: Any) -> None:
        problems = self.frames.add(message)
        self.note = problems[0] if problems else ''
        if self.guard is not None:
            self.guard.heard(message)

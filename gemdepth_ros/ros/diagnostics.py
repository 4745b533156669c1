"""/diagnostics: the verdict over the node's work, once a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions

from gemdepth_ros.ros.node_config import NodeConfig
from gemdepth_ros.ros.statistics import Snapshot
from gemdepth_ros.ros.verdict import Verdict, verdict_on

PERIOD_S = 1.0


def status_name(node: Node) -> str:
    """Return the name of the node's diagnostic: its full name, for two cameras have two nodes."""
    return f'{node.get_fully_qualified_name().lstrip("/")}: stream'


def status_message(name: str, hardware_id: str, verdict: Verdict) -> Any:
    """Return the diagnostic_msgs/DiagnosticStatus of a verdict.

    Args:
        name: of the diagnostic.
        hardware_id: what it is about, the camera's frame.
        verdict: what to say.
    """
    return DiagnosticStatus(
        name=name,
        hardware_id=hardware_id,
        level=bytes([verdict.level]),
        message=verdict.message,
        values=[KeyValue(key=key, value=value) for key, value in verdict.values.items()],
    )


class DiagnosticsPublisher:
    """Publish a verdict on /diagnostics once a second, in every lifecycle state."""

    def __init__(
        self, node: Node, snapshot: Callable[[], Snapshot], limits: Callable[[], NodeConfig]
    ) -> None:
        self._node = node
        self._snapshot = snapshot
        self._limits = limits
        self._before: Snapshot | None = None
        self._publisher = node.create_publisher(
            DiagnosticArray,
            '/diagnostics',
            10,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._timer = node.create_timer(
            PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def publish(self) -> None:
        """Judge the present and publish it."""
        now = self._snapshot()
        same_run = self._before is not None and self._before.counts.received <= now.counts.received
        verdict = verdict_on(now, self._before if same_run else None, self._limits())
        self._before = now
        message = DiagnosticArray()
        # The time of the verdict, not of an image: diagnostics speak of the present.
        message.header.stamp = self._node.get_clock().now().to_msg()
        camera = now.newest.frame_id if now.newest else ''
        message.status = [status_message(status_name(self._node), camera, verdict)]
        self._publisher.publish(message)

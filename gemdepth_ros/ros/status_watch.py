"""Watch a depth node from another process: its ~/status and its faults."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile

from gemdepth_ros.msg import Status

SPIN_PERIOD_S = 0.05
STALE_S = 5.0  # a ~/status older than this says nothing about the present


class StatusWatch:
    """Context manager; a thread of its own keeps the newest messages.

    Attributes:
        newest: the newest gemdepth_ros/Status, or None.
        fault: text of the newest diagnostics, if they are an error; else empty.
    """

    def __init__(self, node_name: str) -> None:
        """Watch the node ``node_name`` (full name) of this process's ROS domain."""
        self.newest: Any = None
        self.fault = ''
        self._node_name = node_name
        self._newest_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._spin, name='status_watch', daemon=True)

    def __enter__(self) -> StatusWatch:
        self._context = Context()
        self._context.init(args=[])
        self._node = rclpy.create_node('status_watch', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        qos = QoSProfile(depth=10)
        topic = f'{self._node_name}/status'
        self._node.create_subscription(Status, topic, self._on_status, qos)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def has_subscription(self, topic: str) -> bool:
        """Return whether somebody subscribes ``topic``."""
        return bool(self._node.count_subscribers(topic))

    def is_idle(self, expected: int) -> bool:
        """Return whether ``expected`` frames have come and none is waiting or in work."""
        now, age_s = self.newest, time.monotonic() - self._newest_s
        if now is None or age_s > STALE_S:
            return False
        return bool(now.frames_received >= expected and now.frames_pending == 0)

    def _spin(self) -> None:
        while not self._stopping.is_set():
            self._executor.spin_once(timeout_sec=SPIN_PERIOD_S)

    def _on_status(self, message: Any) -> None:
        self.newest, self._newest_s = message, time.monotonic()

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name == f'{self._node_name.lstrip("/")}: stream':
                failed = status.level == DiagnosticStatus.ERROR
                self.fault = status.message if failed else ''

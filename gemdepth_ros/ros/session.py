"""A process with one node whose end is a matter of an event, never of an exception."""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from gemdepth_ros.errors import DependencyError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ros_session(name: str) -> Iterator[tuple[Node, threading.Event]]:
    """Yield a node, and an event that Ctrl-C and SIGTERM set.

    rclpy's own handlers would close the context under whoever is publishing or recording, and
    KeyboardInterrupt would end a bag in the middle of a message. Main thread only. After such a
    signal the process is ending, and further ones are ignored until it has: launch passes a
    Ctrl-C on that the terminal has sent already.

    Args:
        name: of the node.
    """
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in _SIGNALS}
    # No arguments: what the process was given belongs to the command line.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node(name)
        try:
            yield node, stop
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stop.is_set() else handler)


def message_class(message_type: str) -> Any:
    """Return the Python class of a type such as ``sensor_msgs/msg/Image``.

    Raises:
        DependencyError: its package is not installed or has no such message.
    """
    package, _, name = message_type.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError) as error:
        raise DependencyError(
            f'message type {message_type} is not installed: source the workspace that has '
            f'{package}, or leave its topic out'
        ) from error

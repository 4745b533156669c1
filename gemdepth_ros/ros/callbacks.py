"""Lifecycle callbacks that say what went wrong; rclpy hides what they raise."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from rclpy.lifecycle import TransitionCallbackReturn

from gemdepth_ros.errors import GemDepthError
from gemdepth_ros.ros.faults import out_of_memory


class Releasable(Protocol):
    """A node that can undo what a failed transition began."""

    def get_logger(self) -> Any:
        """Return the node's logger."""

    def undo(self, transition: str, fault: str) -> None:
        """Return to the state before ``transition``, which failed for the reason ``fault``."""


N = TypeVar('N', bound=Releasable)
Transition = Callable[[N, Any], Any]


def logged_transition(
    on_exception: TransitionCallbackReturn,
) -> Callable[[Transition[N]], Transition[N]]:
    """Log what a transition raises, undo what it began, and return ``on_exception``.

    The package's own errors are complete in one line, and so is a lack of memory; everything else
    is logged in full.
    """

    def decorate(callback: Transition[N]) -> Transition[N]:
        @functools.wraps(callback)
        def wrapper(self: N, state: Any) -> Any:
            name = callback.__name__
            try:
                return callback(self, state)
            except GemDepthError as error:
                fault = f'{name} failed: {error}'
                self.get_logger().error(fault)
            except Exception as error:  # noqa: BLE001 -- logged in full; rclpy would swallow it
                memory = out_of_memory(error)
                fault = f'{name} failed: {memory or f"{type(error).__name__}: {error}"}'
                in_full = f'{name} failed:\n{traceback.format_exc()}'
                self.get_logger().error(fault if memory else in_full)
            self.undo(name, fault)
            return on_exception

        return wrapper

    return decorate

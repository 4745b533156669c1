"""Entry point of the node's process."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from gemdepth_ros.errors import DependencyError, GemDepthError
from gemdepth_ros.ros import dependencies

if TYPE_CHECKING:  # the real import is inside: it takes seconds, which Ctrl-C may interrupt
    from gemdepth_ros.ros.node import PipelineFactory

SPIN_PERIOD_S = 0.1  # Python sees a signal when rclpy's wait returns


def main(args: list[str] | None = None, pipeline_factory: PipelineFactory | None = None) -> int:
    """Run the node until Ctrl-C or SIGTERM; return the exit code.

    Signals are not left to rclpy: its handler closes the context under the worker, whose next
    publish would then fail. Here they interrupt the executor, the worker is stopped first, and
    the context closes last.

    Args:
        args: command line; None takes the process's own.
        pipeline_factory: makes the pipeline; None makes the real one.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        # Said here, before anything begins: a node without its network could never configure.
        dependencies.require(*dependencies.ROS, *dependencies.LIBRARIES)
        if pipeline_factory is None:
            dependencies.require(*dependencies.NETWORK)
        return _run(args, pipeline_factory)
    except KeyboardInterrupt:
        return 0  # before there was anything to stop
    except DependencyError as error:
        sys.stderr.write(f'depth_node: {error}\n')
        return 1


def _run(args: list[str] | None, pipeline_factory: PipelineFactory | None) -> int:
    with dependencies.needing_libraries():
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        from gemdepth_ros.ros.node import GemDepthNode, depth_pipeline

    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node, busy = None, False
    try:
        node = GemDepthNode(pipeline_factory=pipeline_factory or depth_pipeline)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        node.autostart()
        while rclpy.ok():
            executor.spin_once(timeout_sec=SPIN_PERIOD_S)
    except KeyboardInterrupt:
        pass  # the way to end
    except GemDepthError as error:
        rclpy.logging.get_logger('depth_node').fatal(str(error))
        return 1
    finally:
        _ignore_signals()
        if node is not None:
            node.release()
            busy = node.busy
            node.destroy_node()
        rclpy.try_shutdown()
        if busy:
            _leave_now()
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """The process is ending already; a second Ctrl-C must not interrupt that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave_now() -> None:
    """End the process under a worker that is still inside the network.

    Nobody waits minutes for a result that is thrown away, and the interpreter's own end would
    pull the libraries away under the running thread.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == '__main__':
    sys.exit(main())

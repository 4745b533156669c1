"""Entry point of the node's process."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from gemdepth_ros.errors import DependencyError, GemDepthError
from gemdepth_ros.ros import dependencies, heap

if TYPE_CHECKING:  # the real import is inside: it takes seconds, which Ctrl-C may interrupt
    from gemdepth_ros.ros.node import PipelineFactory

SPIN_PERIOD_S = 0.1  # Python sees a signal when rclpy's wait returns


def main(args: list[str] | None = None, pipeline_factory: PipelineFactory | None = None) -> int:
    """Run the node until Ctrl-C or SIGTERM; return the exit code.

    Signals are not left to rclpy: its handler closes the context under the worker, whose next
    publish would then fail. Here they interrupt the executor, the worker is stopped first, and
    the context closes last.

    Args:
        args: command line, the program's name first; None takes the process's own.
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
        from rclpy.utilities import remove_ros_args

        from gemdepth_ros.ros.node import GemDepthNode
        from gemdepth_ros.ros.nodes import NodeGroup

    options = _options(remove_ros_args(sys.argv if args is None else args)[1:])
    heap.keep_freed_memory()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    group, busy = NodeGroup(GemDepthNode), False
    try:
        group.create(options.cameras, options.batch_wait_ms * 1e-3, pipeline_factory)
        executor = SingleThreadedExecutor()
        for node in group.nodes:
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
        busy = group.destroy()
        rclpy.try_shutdown()
        if busy:
            _leave_now()
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='depth_node',
        description='Depth, clouds and motion from the images of one camera, or of several.',
        epilog='Parameters and remappings follow --ros-args; see docs/node.md.',
    )
    parser.add_argument(
        '--cameras',
        nargs='+',
        default=[],
        metavar='NAMESPACE',
        help='one node per camera, each in this namespace, all in this process over one network '
        'that works on their frames together; without it: one node',
    )
    parser.add_argument(
        '--batch-wait-ms',
        type=float,
        default=5.0,
        help='how long the network waits for the frames of the other cameras (default: 5)',
    )
    return parser.parse_args(arguments)


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

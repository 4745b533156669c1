"""Publish a rig's static transforms: ``python3 -m gemdepth_ros.launching.static_frames RIG``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from gemdepth_ros.errors import GemDepthError
from gemdepth_ros.launching.rig import Rig, load_rig

SPIN_PERIOD_S = 0.2


def frames_message(rig: Rig, stamp: Any) -> Any:
    """Return the tf2_msgs/TFMessage of a rig.

    Args:
        rig: its transforms.
        stamp: builtin_interfaces/Time; static transforms hold at any time.
    """
    from geometry_msgs.msg import TransformStamped
    from tf2_msgs.msg import TFMessage

    from gemdepth_ros.ros.conversions import fill_rotation, fill_vector

    message = TFMessage()
    for edge in rig.transforms:
        entry = TransformStamped(child_frame_id=edge.child)
        entry.header.stamp, entry.header.frame_id = stamp, edge.parent
        fill_vector(entry.transform.translation, edge.parent_from_child[:3, 3])
        fill_rotation(entry.transform.rotation, edge.parent_from_child[:3, :3])
        message.transforms.append(entry)
    return message


def publish(rig: Rig, name: str) -> None:
    """Keep the transforms on /tf_static until Ctrl-C or SIGTERM."""
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from tf2_msgs.msg import TFMessage

    from gemdepth_ros.ros.session import ros_session

    with ros_session(name) as (node, stop):
        # Latched, as tf2 expects it: whoever comes later gets the message as well.
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        publisher = node.create_publisher(TFMessage, '/tf_static', qos)
        publisher.publish(frames_message(rig, node.get_clock().now().to_msg()))
        node.get_logger().info(', '.join(f'{e.parent} -> {e.child}' for e in rig.transforms))
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not stop.is_set():
            executor.spin_once(timeout_sec=SPIN_PERIOD_S)


def main(arguments: list[str]) -> int:
    """Publish the rig that the first argument names; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write('usage: python3 -m gemdepth_ros.launching.static_frames RIG.yaml\n')
        return 2
    try:
        rig = load_rig(arguments[0])
    except GemDepthError as error:
        sys.stderr.write(f'static_frames: {error}\n')
        return 1
    publish(rig, f'rig_frames_{re.sub("[^A-Za-z0-9_]", "_", Path(arguments[0]).stem)}')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))

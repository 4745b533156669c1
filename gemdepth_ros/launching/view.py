"""Start RViz in a frame that what it shows can be placed in.

    python3 -m gemdepth_ros.launching.view {clouds,motion} /front/depth_node FILE.rviz [WORDS ...]

Clouds are in the camera's own frame, the motion in the odometry frame, and `tf_mode: camera` joins
the two by no transform. Which frames they are the node alone knows, from the images: this waits
for its first message, and becomes RViz with that frame as its fixed frame.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from gemdepth_ros.errors import DependencyError, GemDepthError

PROGRAM = 'rviz2'
SPIN_PERIOD_S = 0.2
TOPICS = {'clouds': 'status', 'motion': 'odometry'}


def frame_of(kind: str, node_name: str) -> str | None:
    """Return the frame of what is shown, once the node has sent some; None after Ctrl-C.

    Args:
        kind: one of ``TOPICS``.
        node_name: full name of the depth node.
    """
    from nav_msgs.msg import Odometry
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import QoSProfile

    from gemdepth_ros.msg import Status
    from gemdepth_ros.ros.session import ros_session

    frames: list[str] = []

    def note(message: Any) -> None:
        if message.header.frame_id:  # ~/status has none before the first image
            frames.append(message.header.frame_id)

    with ros_session('view_frame') as (node, stop):
        types = {'status': Status, 'odometry': Odometry}
        topic = TOPICS[kind]
        node.create_subscription(types[topic], f'{node_name}/{topic}', note, QoSProfile(depth=5))
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not (frames or stop.is_set()):
            executor.spin_once(timeout_sec=SPIN_PERIOD_S)
    return frames[0] if frames else None


def main(arguments: list[str]) -> int:
    """Wait for the frame and become RViz; return the exit code where that does not happen."""
    if len(arguments) < 3 or arguments[0] not in TOPICS:
        sys.stderr.write(f'usage: python3 -m {__spec__.name} clouds|motion NODE FILE [WORDS]\n')
        return 2
    kind, node_name, file, *words = arguments
    try:
        if shutil.which(PROGRAM) is None:
            raise DependencyError(
                f'{PROGRAM} is not installed: sudo apt install ros-$ROS_DISTRO-rviz2, or leave '
                'rviz:= out'
            )
        frame = frame_of(kind, node_name)
    except GemDepthError as error:
        sys.stderr.write(f'view: {error}\n')
        return 1
    if frame is not None:
        os.execvp(PROGRAM, [PROGRAM, '-d', file, '-f', frame, *words])
    return 0  # told to stop


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))

#!/bin/bash
# Enters ROS, the Python environment and the package, then runs the command.
set -e
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /opt/gemdepth/venv/bin/activate
source /opt/gemdepth/install/setup.bash
PATH="/opt/gemdepth/install/gemdepth_ros/lib/gemdepth_ros:$PATH" exec "$@"

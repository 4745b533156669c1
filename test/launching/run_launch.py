"""What ``ros2 launch FILE name:=value ...`` does, for machines without ros2cli."""

from __future__ import annotations

import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def main(file: str, *words: str) -> int:
    arguments = [tuple(word.split(':=', 1)) for word in words]
    source = PythonLaunchDescriptionSource(file)
    service = LaunchService(noninteractive=True)
    service.include_launch_description(
        LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
    )
    return int(service.run())


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))

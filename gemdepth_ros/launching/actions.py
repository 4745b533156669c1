"""What a launch file starts, as actions of launch and launch_ros."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.actions import DeclareLaunchArgument, ExecuteProcess, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.substitutions import ExecutableInPackage

from gemdepth_ros.launching.arguments import Argument
from gemdepth_ros.launching.cameras import NODE_NAME, CameraNode

PACKAGE = 'gemdepth_ros'
# Read by Fast DDS 2 (Humble to Jazzy) and by Fast DDS 3 (Kilted and later).
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
WAIT_FOR_NODE_S = 300  # a large network on a slow disk


def declarations(
    arguments: Iterable[Argument], defaults: Mapping[str, str], required: Iterable[str] = ()
) -> list[Any]:
    """Return the declarations of arguments.

    Args:
        arguments: what to declare.
        defaults: replaces some of their defaults.
        required: names of those that must be given.
    """
    needed = {argument.name: None for argument in arguments if argument.name in required}
    return [
        DeclareLaunchArgument(
            argument.name,
            default_value={**{argument.name: argument.default}, **defaults, **needed}[
                argument.name
            ],
            description=argument.help,
        )
        for argument in arguments
    ]


def texts_of(context: Any, arguments: Iterable[Argument]) -> dict[str, str]:
    """Return the values of declared arguments in a launch context."""
    return {a.name: LaunchConfiguration(a.name).perform(context) for a in arguments}


def transport_profile(share: Path) -> list[Any]:
    """Return the settings that keep large images, unless the user has a profile of his own."""
    given = [os.environ[name] for name in PROFILES if os.environ.get(name)]
    profile = given[0] if given else str(share / 'config' / 'fastdds_shm.xml')
    return [SetEnvironmentVariable(n, profile) for n in PROFILES if not os.environ.get(n)]


def depth_node(node: CameraNode) -> Any:
    """Return the action that starts a depth node."""
    return LifecycleNode(
        package=PACKAGE,
        executable='depth_node',
        name=NODE_NAME,
        namespace=node.namespace,
        parameters=[*node.parameter_files, node.parameters],
        remappings=list(node.remappings),
        output='screen',
        emulate_tty=True,
    )


def static_frames(rig_file: str) -> Any:
    """Return the process that publishes a rig's transforms to /tf_static."""
    return ExecuteProcess(
        cmd=[sys.executable, '-m', 'gemdepth_ros.launching.static_frames', rig_file],
        name='rig_frames',
        output='screen',
    )


def command(name: str, *words: str) -> Any:
    """Return a process that runs ``gemdepth-ros words``."""
    executable = ExecutableInPackage(executable='gemdepth-ros', package=PACKAGE)
    return ExecuteProcess(cmd=[executable, *words], name=name, output='screen')


def player(bag: str, rate: float, nodes: Sequence[CameraNode], *awaited: str) -> Any:
    """Return the process that plays a bag once the nodes listen to its images.

    Args:
        bag: folder or file.
        rate: 2.0 is twice as fast as recorded.
        nodes: the nodes.
        awaited: other topics that must have a subscription first.

    Raises:
        ConfigError: a node's parameter file cannot be read or is no YAML.
    """
    topics = [*(node.subscribed_image() for node in nodes), *awaited]
    wait = ['--wait-for', *topics, '--wait-timeout', str(WAIT_FOR_NODE_S)]
    bag = str(Path(bag).expanduser())
    simulated = any(node.all_parameters().get('use_sim_time') for node in nodes)
    clock = ['--clock'] if simulated else []
    return command('bag_player', 'bag', 'play', bag, '--rate', str(rate), *clock, *wait)


def rviz(kind: str, nodes: Iterable[CameraNode], share: Path) -> list[Any]:
    """Return RViz for each node, its topics moved to the node's namespace.

    Args:
        kind: ``clouds`` or ``motion``.
        nodes: the nodes.
        share: the package's share folder.

    Raises:
        ConfigError: a node's parameter file cannot be read or is no YAML.
    """
    return [_view(kind, node, share) for node in nodes]


def _view(kind: str, node: CameraNode, share: Path) -> Any:
    file = str(share / 'config' / VIEWS[kind])
    moved = SHOWN if node.namespace else ()
    words = [f'/{NODE_NAME}/{topic}:={node.full_name}/{topic}' for topic in moved]
    words = [word for rule in words for word in ('-r', rule)]
    if node.all_parameters().get('use_sim_time'):
        words += ['-p', 'use_sim_time:=true']
    module = [sys.executable, '-m', 'gemdepth_ros.launching.view', kind, node.full_name, file]
    return ExecuteProcess(
        cmd=[*module, *(['--ros-args', *words] if words else [])], name='rviz', output='log'
    )


VIEWS = {'clouds': 'gemdepth.rviz', 'motion': 'gemdepth_motion.rviz'}
# The node's outputs that these files show; a test compares the two.
SHOWN = (
    'depth/image_rect',
    'depth/preview',
    'odometry',
    'path',
    'points',
    'points_clear',
    'points_mark',
    'relative/depth',
    'relative/points',
)

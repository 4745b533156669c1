"""The launch descriptions of ``driving``, ``desktop`` and ``jetson``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from gemdepth_ros.launching import actions
from gemdepth_ros.launching.arguments import DRIVING, checked
from gemdepth_ros.launching.cameras import CameraNode, camera_nodes
from gemdepth_ros.launching.rig import load_rig

RVIZ_VIEWS = {'true': 'clouds', 'motion': 'motion'}
TOOLS = {argument.name: argument for argument in DRIVING}


def driving(
    share: Path, defaults: Mapping[str, str] | None = None, required: tuple[str, ...] = ()
) -> Any:
    """Return the description of a camera's node and its helpers.

    Args:
        share: the package's share folder, with config/.
        defaults: other defaults of some arguments.
        required: arguments that must be given.
    """

    def start(context: Any) -> list[Any]:
        return entities(actions.texts_of(context, DRIVING), share)

    return LaunchDescription(
        [
            *actions.declarations(DRIVING, defaults or {}, required),
            *actions.transport_profile(share),
            OpaqueFunction(function=start),
        ]
    )


def entities(texts: Mapping[str, str], share: Path) -> list[Any]:
    """Return what to start.

    Args:
        texts: values of the arguments by name.
        share: the package's share folder.

    Raises:
        ConfigError: an argument or the rig is wrong.
    """
    nodes, started = nodes_and_frames(texts, share)
    view = RVIZ_VIEWS.get(checked(TOOLS['rviz'], texts))
    if view:
        started += actions.rviz(view, nodes, share)
    if texts['bag']:
        started.append(actions.player(texts['bag'], checked(TOOLS['bag_rate'], texts), nodes))
    return started


def nodes_and_frames(texts: Mapping[str, str], share: Path) -> tuple[list[CameraNode], list[Any]]:
    """Return the nodes, and the actions that start them and the rig's transforms."""
    rig = load_rig(texts['rig']) if texts['rig'] else None
    nodes = camera_nodes(texts, rig, share)
    started = [actions.depth_node(node) for node in nodes]
    if rig is not None and checked(TOOLS['rig_tf'], texts):
        started.append(actions.static_frames(texts['rig']))
    return nodes, started

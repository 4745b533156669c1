"""The launch description of ``replay``: a bag through the node into another bag, and a report."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launch import LaunchDescription
from launch.actions import (
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown, matches_action
from launch.events.process import SignalProcess

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.launching import actions
from gemdepth_ros.launching.arguments import DRIVING, REPLAY, checked
from gemdepth_ros.launching.cameras import CameraNode
from gemdepth_ros.launching.description import nodes_and_frames
from gemdepth_ros.launching.report import report_words

ARGUMENTS = (*(argument for argument in DRIVING if argument.name != 'rviz'), *REPLAY)
BY_NAME = {argument.name: argument for argument in ARGUMENTS}
RECORDED = ('status', 'odometry', 'keyframe_poses', 'depth/image_rect', 'depth/camera_info',
            'depth/std', 'relative/depth', 'relative/camera_info')  # fmt: skip


def replay(share: Path, defaults: Mapping[str, str] | None = None) -> Any:
    """Return the description: nodes, recorder and player; at the end of the bag the report."""

    def start(context: Any) -> list[Any]:
        return entities(actions.texts_of(context, ARGUMENTS), share)

    return LaunchDescription(
        [
            *actions.declarations(ARGUMENTS, defaults or {}),
            *actions.transport_profile(share),
            OpaqueFunction(function=start),
        ]
    )


def entities(texts: Mapping[str, str], share: Path) -> list[Any]:
    """Return the processes, and what happens when one of them ends.

    Raises:
        ConfigError: an argument or the rig is wrong.
    """
    if not texts['bag']:
        raise ConfigError('bag:=PATH is missing: name the bag to replay')
    settle_s = checked(BY_NAME['settle'], texts)
    rate = checked(BY_NAME['bag_rate'], texts)
    nodes, started = nodes_and_frames(texts, share)
    recorder = actions.command('bag_recorder', *recorder_words(nodes, texts['output']))
    # The recorder listens to the status as soon as the node offers it.
    awaited = [f'{node.full_name}/status' for node in nodes]
    player = actions.player(texts['bag'], rate, nodes, *awaited)
    return [
        *started,
        recorder,
        player,
        _when(player, lambda event: _after_play(event, recorder, settle_s)),
        _when(recorder, lambda event: _after_recording(event, texts, nodes)),
    ]


def recorder_words(nodes: list[CameraNode], output: str) -> list[str]:
    """Return the arguments of ``gemdepth-ros`` that record the nodes' outputs."""
    outputs = [f'{node.full_name}/{topic}' for node in nodes for topic in RECORDED]
    return ['bag', 'record', '--force', '--output', output, '--topics', *outputs, '/tf',
            '/diagnostics']  # fmt: skip


def _when(process: Any, react: Any) -> Any:
    return RegisterEventHandler(
        OnProcessExit(target_action=process, on_exit=lambda event, _context: react(event))
    )


def _after_play(event: Any, recorder: Any, settle_s: float) -> list[Any]:
    """End the recording, a little later: the last images are still in work."""
    if event.returncode:
        return _end(f'the player ended with exit code {event.returncode}')
    stop = SignalProcess(signal_number=signal.SIGINT, process_matcher=matches_action(recorder))
    return [TimerAction(period=settle_s, actions=[EmitEvent(event=stop)])]


def _after_recording(event: Any, texts: Mapping[str, str], nodes: list[CameraNode]) -> list[Any]:
    if event.returncode:
        return _end(f'the recorder ended with exit code {event.returncode}')
    rate = checked(BY_NAME['bag_rate'], texts)
    wanted = checked(BY_NAME['report'], texts)
    words = report_words(texts['bag'], texts['output'], rate, nodes) if wanted else []
    if not words:
        return _end(f'recorded {texts["output"]}')
    report = actions.command('report', *words)
    return [report, _when(report, lambda _event: _end(f'recorded {texts["output"]}'))]


def _end(reason: str) -> list[Any]:
    return [LogInfo(msg=reason), EmitEvent(event=Shutdown(reason=reason))]

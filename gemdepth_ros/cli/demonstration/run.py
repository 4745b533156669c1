"""The order of events: node and recorder, player, wait until all is quiet, end."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemdepth_ros.cli.demonstration import topics
from gemdepth_ros.cli.demonstration.children import Child, Children, last_line
from gemdepth_ros.cli.demonstration.domain import free_domain
from gemdepth_ros.cli.demonstration.folder import clear_logs
from gemdepth_ros.cli.demonstration.settings import (
    PROFILE_VARIABLES,
    NodeSettings,
    process_environment,
)
from gemdepth_ros.cli.ros_errors import needing_ros
from gemdepth_ros.errors import GemDepthError

if TYPE_CHECKING:
    from gemdepth_ros.ros.status_watch import StatusWatch

START_TIMEOUT_S = 180.0  # a large network on a slow disk
PLAY_EXTRA_S = 90.0  # beyond the length of the clip
IDLE_TIMEOUT_S = 120.0
QUIET_S = 5.0  # nothing in work and nothing new for so long: nothing more will come
IN_FLIGHT_S = 0.5
POLL_S = 0.1

# The node and the recorder listen to the camera, the recorder and our observer to the status.
LISTENERS = {
    **dict.fromkeys(topics.OUTPUTS, 1),
    **dict.fromkeys((topics.IMAGE, topics.CAMERA_INFO, topics.STATUS, '/diagnostics'), 2),
}


@dataclass(frozen=True)
class Clip:
    """What is played.

    Attributes:
        bag: the input bag.
        seconds: its length at the recorded rate [s].
        image_size: (height, width) of its images [px].
    """

    bag: Path
    seconds: float
    image_size: tuple[int, int]


@dataclass(frozen=True)
class Played:
    """What the processes came to.

    Attributes:
        counts: messages that the player published, by topic.
        seconds: from the first message to the last [s].
        exit_codes: of the processes, by name.
    """

    counts: dict[str, int]
    seconds: float
    exit_codes: dict[str, int]


def play_through(clip: Clip, folder: Path, settings: NodeSettings, rate: float) -> Played:
    """Play a clip to the node, and record what comes out into ``folder/output``.

    Args:
        clip: what to play.
        folder: of the demonstration, claimed; logs go to ``folder/logs``.
        settings: of the node.
        rate: 2.0 plays twice as fast as recorded.

    Raises:
        GemDepthError: a process failed, or something took too long.
    """
    with needing_ros('the demonstration'):
        from gemdepth_ros.ros.status_watch import StatusWatch
    logs = folder / 'logs'
    clear_logs(logs)
    with free_domain() as domain:
        environment = process_environment(domain, logs)
        # Our observer reads small messages only: no large shared-memory segment for it, of which
        # a container may have room for three.
        os.environ.update({k: v for k, v in environment.items() if k.startswith('ROS_')})
        for variable in PROFILE_VARIABLES:
            os.environ.pop(variable, None)
        with Children(environment, logs) as children, StatusWatch(topics.NODE) as watch:
            return _Stage(children, watch, folder).run(clip, settings, rate)


class _Stage:
    """The three processes and their observer."""

    def __init__(self, children: Children, watch: StatusWatch, folder: Path) -> None:
        self._children = children
        self._watch = watch
        self._folder = folder
        self._running: list[Child] = []

    def run(self, clip: Clip, settings: NodeSettings, rate: float) -> Played:
        node = self._start('node', 'gemdepth_ros.ros.main', settings.arguments(clip.image_size))
        recorder = self._start_bag('recorder', 'record', self._recorder_arguments())
        self._running = [node, recorder]
        self._wait(lambda: self._watch.newest is not None, START_TIMEOUT_S, 'the node to start')
        result = self._play(clip, rate)
        self._wait_until_idle(result['counts'][topics.IMAGE])
        time.sleep(IN_FLIGHT_S)
        # The recorder first: it need not see the node's topics go.
        exit_codes = {'player': 0, 'recorder': recorder.stop(), 'node': node.stop()}
        return Played(result['counts'], result['seconds'], exit_codes)

    def _start(self, name: str, module: str, arguments: list[str]) -> Child:
        return self._children.start(name, [sys.executable, '-m', module, *arguments])

    def _start_bag(self, name: str, action: str, arguments: list[str]) -> Child:
        return self._start(name, 'gemdepth_ros.cli.main', ['bag', action, *arguments])

    def _recorder_arguments(self) -> list[str]:
        recorded = [*topics.INPUTS, *topics.OUTPUTS]
        return ['--force', '--output', str(self._folder / 'output'), '--topics', *recorded]

    def _play(self, clip: Clip, rate: float) -> dict[str, Any]:
        """Run the player to its end; return its result."""
        file = self._folder / 'play.json'
        file.unlink(missing_ok=True)
        listeners = [f'{topic}={count}' for topic, count in LISTENERS.items()]
        player = self._start_bag(
            'player',
            'play',
            [str(clip.bag), '--rate', str(rate), '--result', str(file), '--wait-for', *listeners],
        )
        limit_s = clip.seconds / rate + PLAY_EXTRA_S
        self._wait(lambda: player.exit_code is not None, limit_s, 'the player to end')
        if player.exit_code != 0:
            raise GemDepthError(f'the player failed: {last_line(player.log)}')
        result: dict[str, Any] = json.loads(file.read_text())
        return result

    def _wait_until_idle(self, published: int) -> None:
        """Wait until the node is done with all frames, or nothing more happens."""
        last: tuple[int, int] | None = None
        changed_s = time.monotonic()

        def settled() -> bool:
            nonlocal last, changed_s
            status = self._watch.newest
            now = (status.frames_received, status.frames_pending)
            if now != last:
                last, changed_s = now, time.monotonic()
            quiet = status.frames_pending == 0 and time.monotonic() - changed_s > QUIET_S
            return quiet or self._watch.is_idle(published)

        self._wait(settled, IDLE_TIMEOUT_S, 'the node to finish its frames')

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait for a condition while the processes are well.

        Raises:
            GemDepthError: one ended, the node reports a fault, or it took too long.
        """
        end_s = time.monotonic() + timeout_s
        while not condition():
            for child in self._running:
                child.check_running()
            if self._watch.fault:
                raise GemDepthError(f'the node failed: {self._watch.fault}')
            if time.monotonic() > end_s:
                raise GemDepthError(
                    f'waited {timeout_s:.0f} s for {what}; see {self._folder / "logs"}'
                )
            time.sleep(POLL_S)

"""Node, recorder and player as processes of their own; what they came to."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemdepth_ros.cli.demonstration.children import Child, Children, last_line
from gemdepth_ros.cli.demonstration.domain import free_domain
from gemdepth_ros.cli.demonstration.settings import PROFILE_VARIABLES, process_environment
from gemdepth_ros.cli.evaluation.through_ros import topics
from gemdepth_ros.cli.evaluation.through_ros.topics import Inputs
from gemdepth_ros.cli.evaluation.through_ros.usage import Usage, UsageWatch
from gemdepth_ros.cli.ros_errors import needing_ros
from gemdepth_ros.errors import GemDepthError

if TYPE_CHECKING:
    from gemdepth_ros.ros.status_watch import StatusWatch

START_TIMEOUT_S = 300.0  # a large network on a slow disk
PLAY_EXTRA_S = 120.0
IDLE_TIMEOUT_S = 120.0
QUIET_S = 5.0
IN_FLIGHT_S = 0.5
POLL_S = 0.1


@dataclass(frozen=True, eq=False)
class LiveRun:
    """What a live run came to.

    Attributes:
        sent: images that the player published.
        late_s: how much the latest message was behind its time [s].
        play_s: from the first message to the last [s].
        status: the node's last gemdepth_ros/Status.
        usage: of the node while it was played to.
        recording: bag of its outputs.
    """

    sent: int
    late_s: float
    play_s: float
    status: Any
    usage: Usage
    recording: Path


def run_live(
    bag: Path, inputs: Inputs, arguments: list[str], folder: Path, rate: float
) -> LiveRun:
    """Play a bag to a node, and record what comes out into ``folder/recording``.

    Args:
        bag: what is played.
        inputs: its topics.
        arguments: of the node.
        folder: for recording and logs.
        rate: 2.0 plays twice as fast as recorded.

    Raises:
        GemDepthError: there is no ROS, a process failed, or something took too long.
    """
    with needing_ros('--through-ros'):
        from gemdepth_ros.ros.status_watch import StatusWatch
    logs = folder / 'logs'
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    before = dict(os.environ)
    with free_domain() as domain:
        environment = process_environment(domain, logs)
        # Our observer reads small messages only: it needs no segment of shared memory.
        os.environ.update({k: v for k, v in environment.items() if k.startswith('ROS_')})
        for variable in PROFILE_VARIABLES:
            os.environ.pop(variable, None)
        try:
            with Children(environment, logs) as children, StatusWatch(topics.NODE) as watch:
                return _Stage(children, watch, folder).run(bag, inputs, arguments, rate)
        finally:
            os.environ.clear()
            os.environ.update(before)


class _Stage:
    def __init__(self, children: Children, watch: StatusWatch, folder: Path) -> None:
        self._children, self._watch, self._folder = children, watch, folder
        self._running: list[Child] = []

    def run(self, bag: Path, inputs: Inputs, arguments: list[str], rate: float) -> LiveRun:
        recording = self._folder / 'recording'
        node = self._start('node', 'gemdepth_ros.ros.main', arguments)
        recorded = [inputs.image, *topics.OUTPUTS]
        words = ['bag', 'record', '--force', '--output', str(recording), '--topics', *recorded]
        recorder = self._start('recorder', 'gemdepth_ros.cli.main', words)
        self._running = [node, recorder]
        self._wait(lambda: self._watch.newest is not None, START_TIMEOUT_S, 'the node to start')
        with UsageWatch(node.pid) as usage:
            played = self._play(bag, inputs, rate, usage)
            sent = int(played['counts'][inputs.image])
            self._wait_until_idle(sent)
        time.sleep(IN_FLIGHT_S)
        status = self._watch.newest
        codes = {'recorder': recorder.stop(), 'node': node.stop()}
        failed = [name for name, code in codes.items() if code != 0]
        if failed:
            raise GemDepthError(
                f'the {failed[0]} ended with exit code {codes[failed[0]]}; see '
                f'{self._folder / "logs"}'
            )
        return LiveRun(sent, played['latest_s'], played['seconds'], status, usage.usage, recording)

    def _start(self, name: str, module: str, arguments: list[str]) -> Child:
        return self._children.start(name, [sys.executable, '-m', module, *arguments])

    def _play(self, bag: Path, inputs: Inputs, rate: float, usage: UsageWatch) -> dict[str, Any]:
        """Run the player to its end; the costs count from the first image on."""
        file = self._folder / 'play.json'
        file.unlink(missing_ok=True)
        listeners = [f'{topic}={count}' for topic, count in inputs.listeners.items()]
        words = ['bag', 'play', str(bag), '--rate', str(rate), '--result', str(file)]
        player = self._start(
            'player',
            'gemdepth_ros.cli.main',
            [*words, '--topics', *inputs.played, '--wait-for', *listeners],
        )
        limit_s = inputs.seconds / rate + PLAY_EXTRA_S

        def arrived() -> bool:
            return player.exit_code is not None or self._watch.newest.frames_received > 0

        self._wait(arrived, limit_s, 'the first image')
        usage.begin()
        self._wait(lambda: player.exit_code is not None, limit_s, 'the player to end')
        if player.exit_code != 0:
            raise GemDepthError(f'the player failed: {last_line(player.log)}')
        result: dict[str, Any] = json.loads(file.read_text())
        return result

    def _wait_until_idle(self, sent: int) -> None:
        last: tuple[int, int] | None = None
        changed_s = time.monotonic()

        def settled() -> bool:
            nonlocal last, changed_s
            status = self._watch.newest
            now = (status.frames_received, status.frames_pending)
            if now != last:
                last, changed_s = now, time.monotonic()
            quiet = status.frames_pending == 0 and time.monotonic() - changed_s > QUIET_S
            return quiet or self._watch.is_idle(sent)

        self._wait(settled, IDLE_TIMEOUT_S, 'the node to finish its frames')

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
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

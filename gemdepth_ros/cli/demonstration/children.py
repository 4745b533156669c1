"""The processes of the demonstration: none is left behind, whatever happens."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from gemdepth_ros.errors import GemDepthError

if TYPE_CHECKING:
    from typing_extensions import Self

STOP_TIMEOUT_S = 20.0  # a clean end takes less; then the process is killed
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
ABANDON_TIMEOUT_S = 5.0  # for all of them, when the demonstration is broken off


class Child:
    """One process with its output in a file."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        """Start the process.

        Args:
            name: for messages.
            command: program and arguments.
            log: where stdout and stderr go.
            environment: all of it.
        """
        self.name = name
        self.log = log
        with log.open('wb') as output:
            # A group of its own: Ctrl-C on the terminal is for the demonstration alone, which
            # ends the others in order.
            self._process = subprocess.Popen(
                [*_dying_with_parent(), *command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def check_running(self) -> None:
        """Raise if the process has ended.

        Raises:
            GemDepthError: it has; with the last line that it wrote.
        """
        if self.exit_code is not None:
            raise GemDepthError(
                f'the {self.name} ended too early (exit code {self.exit_code}): '
                f'{last_line(self.log)} (all of it: {self.log})'
            )

    def interrupt(self) -> None:
        """Send Ctrl-C."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGINT)

    def wait(self, timeout_s: float) -> int:
        """Wait for the end, and enforce it; return the exit code, negative after a signal."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Send Ctrl-C and wait; return the exit code, which is negative if it had to be killed."""
        self.interrupt()
        return self.wait(timeout_s)


class Children:
    """Context manager: at its end no started process runs any more."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a process."""
        child = Child(name, command, self._logs / f'{name}.log', self._environment)
        self._children.append(child)
        return child

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end_s = time.monotonic() + ABANDON_TIMEOUT_S
        # A second Ctrl-C must not leave processes behind. This takes seconds, not longer.
        with _signals_ignored():
            for child in self._children:
                child.interrupt()
            for child in self._children:
                child.wait(max(end_s - time.monotonic(), 0.0))


@contextmanager
def _signals_ignored() -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _dying_with_parent() -> list[str]:
    """Return what starts a process so that it ends even if the demonstration is killed."""
    tool = shutil.which('setpriv')  # util-linux; on every Debian and Ubuntu
    return [tool, '--pdeathsig', 'INT', '--'] if tool else []


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty, without rclpy's time and name."""
    lines = [line for line in log.read_text(errors='replace').splitlines() if line.strip()]
    if not lines:
        return 'it wrote nothing'
    return re.sub(r'^\[[A-Z]+\] \[[\d.]+\] \[[^]]*\]: ', '', lines[-1]).strip()

"""What a measuring process is told, and how it is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gemdepth_ros.cli.benchmark.cases import Case
from gemdepth_ros.errors import InferenceError

KILLED = -9


@dataclass(frozen=True)
class Task:
    """Work of one process.

    Attributes:
        kind: ``time`` for all cases in turns, ``memory`` for one case.
        cases: what to run; all of one network.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        weights: file or known name; empty: seeded random numbers.
        threads: CPU threads; 0 leaves the library's choice.
        seconds: time for the rounds [s].
    """

    kind: Literal['time', 'memory']
    cases: tuple[Case, ...]
    device: str
    weights: str = ''
    threads: int = 0
    seconds: float = 0.0

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Read what ``to_json`` wrote."""
        values = json.loads(text)
        values['cases'] = tuple(Case(**case) for case in values['cases'])
        return cls(**values)

    def to_json(self) -> str:
        """Return the task as text."""
        return json.dumps(asdict(self))

    def run(self) -> dict[str, Any]:
        """Do the work in a process of its own; return its answer.

        Raises:
            InferenceError: the process failed or was killed.
        """
        with tempfile.TemporaryDirectory(prefix='gemdepth-bench-') as folder:
            task, answer = Path(folder) / 'task.json', Path(folder) / 'answer.json'
            task.write_text(self.to_json(), encoding='utf-8')
            command = [sys.executable, '-m', 'gemdepth_ros.cli.benchmark.child']
            done = subprocess.run([*command, str(task), str(answer)], env=_environment())
            if done.returncode == KILLED:
                raise InferenceError('killed: probably memory ran out')
            if done.returncode or not answer.is_file():
                raise InferenceError(f'the measuring process ended with {done.returncode}')
            result: dict[str, Any] = json.loads(answer.read_text(encoding='utf-8'))
        if 'error' in result:
            raise InferenceError(result['error'])
        return result


def _environment() -> dict[str, str]:
    """The child finds this package; its waiting threads sleep."""
    source = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [source, os.environ.get('PYTHONPATH', '')]))
    return {'OMP_WAIT_POLICY': 'PASSIVE', **os.environ, 'PYTHONPATH': path}

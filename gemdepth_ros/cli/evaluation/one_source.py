"""One of many sources, evaluated in whatever process: never raises for what a source caused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.errors import ConfigError, GemDepthError
from gemdepth_ros.evaluation.result import EvaluationResult

RESULT_FILE = 'result.json'


@dataclass(frozen=True)
class Task:
    """What a process is given.

    Attributes:
        source: recording.
        folder: where its result goes; another run of the same task goes on from what lies there.
        settings: of the evaluation.
        threads: CPU threads of the network; 0 leaves the library's choice.
    """

    source: str
    folder: str
    settings: EvaluationSettings
    threads: int = 0


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a task.

    Attributes:
        source: recording.
        folder: where its result lies.
        result: None when it failed.
        error: one line; empty when it did not.
        samples: content of the sample files, by name; for machines that share no disk.
    """

    source: str
    folder: str
    result: EvaluationResult | None
    error: str = ''
    samples: tuple[tuple[str, bytes], ...] = ()


def evaluate_one(task: Task) -> Outcome:
    """Evaluate a source; an error of the source or of its files becomes the outcome's."""
    import torch

    from gemdepth_ros.cli.evaluation.run import evaluate_source

    if task.threads:
        torch.set_num_threads(task.threads)
    folder = Path(task.folder)
    try:
        result = evaluate_source(Path(task.source), task.settings, folder)
        samples = _sample_files(folder, result)
    except GemDepthError as error:
        return Outcome(task.source, task.folder, None, str(error))
    except OSError as error:  # a disk that fails under one source is no reason to lose the others
        where = error.filename or task.source
        text = f'a file cannot be read or written: {where}: {error.strerror or error}'
        return Outcome(task.source, task.folder, None, text)
    return Outcome(task.source, task.folder, result, samples=samples)


def keep(outcome: Outcome) -> None:
    """Write an outcome into its folder on this machine: it may come from another one.

    Raises:
        ConfigError: it cannot be written.
    """
    from gemdepth_ros.evaluation.json_format import write_result

    if outcome.result is None:
        return
    folder = Path(outcome.folder)
    samples = folder / outcome.result.samples
    try:
        samples.mkdir(parents=True, exist_ok=True)
        for name, content in outcome.samples:
            file = samples / Path(name).name
            if not file.exists() or file.read_bytes() != content:
                file.write_bytes(content)
    except OSError as error:
        raise ConfigError(f'cannot write to {folder}: {error.strerror or error}') from error
    write_result(outcome.result, folder / RESULT_FILE)


def _sample_files(folder: Path, result: EvaluationResult) -> tuple[tuple[str, bytes], ...]:
    if not result.samples:
        return ()
    files = sorted((folder / result.samples).glob('*.npz'))
    return tuple((file.name, file.read_bytes()) for file in files)

"""Many bags: engines agree, a killed process is replaced, a bad bag harms no other."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from small_bags import write_drive

from gemdepth_ros.cli.evaluation import engines, run
from gemdepth_ros.cli.evaluation.engine_options import EngineOptions
from gemdepth_ros.cli.evaluation.engines import evaluate_many, source_folders
from gemdepth_ros.cli.evaluation.many import run_many
from gemdepth_ros.cli.evaluation.one_source import Outcome
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.json_format import to_plain
from gemdepth_ros.evaluation.result import Timing

SETTINGS = EvaluationSettings(preset='tiny', input_size=28, window=2, device='cpu', samples=1)
LOCAL = EngineOptions()
RAY = EngineOptions('ray', jobs=2)


@pytest.fixture(scope='module', autouse=True)
def one_thread() -> Iterator[None]:
    """As in the workers: sums over two threads round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def bags(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four drives of a few frames."""
    folder = tmp_path_factory.mktemp('bags')
    return [write_drive(folder / f'drive_{seed}', 5, seed) for seed in range(4)]


@pytest.fixture(scope='module')
def reference(bags: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the local engine finds in them."""
    return evaluated(bags, tmp_path_factory.mktemp('local'), LOCAL)


def outcomes_of(bags: list[Path], output: Path, options: EngineOptions) -> list[Outcome]:
    notes: list[str] = []
    found = evaluate_many(bags, SETTINGS, output, options, notes.append, lambda _: None)
    assert notes == []
    return found


def evaluated(bags: list[Path], output: Path, options: EngineOptions) -> list[str]:
    return [plain(outcome) for outcome in outcomes_of(bags, output, options)]


def plain(outcome: Outcome) -> str:
    """A result but for what depends on the machine's speed."""
    assert outcome.result is not None, outcome.error
    return json.dumps(to_plain(dataclasses.replace(outcome.result, timing=Timing())))


def descendants(pid: int) -> set[int]:
    parents = {}
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / 'stat').read_text().rpartition(')')[2].split()
            except OSError:
                continue  # it has just ended
            parents[int(entry.name)] = int(words[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


@contextmanager
def killing_a_worker(folder: Path) -> Iterator[list[int]]:
    """Kill a process that evaluates, as soon as a record of a frame is on the disk."""
    killed: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set() and not killed:
            if any(folder.glob('*/.work/records/0000001.npz')):
                busy = [pid for pid in descendants(os.getpid()) if working(pid)]
                if busy:
                    os.kill(busy[0], signal.SIGKILL)
                    killed.append(busy[0])
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


def working(pid: int) -> bool:
    """Whether a process is one of the pool's, or a worker of Ray with a task."""
    try:
        command = Path(f'/proc/{pid}/cmdline').read_bytes()
    except OSError:
        return False
    return b'ray::evaluate_one' in command or b'spawn_main' in command


def test_processes_find_what_one_process_finds(
    bags: list[Path], reference: list[str], tmp_path: Path
) -> None:
    with killing_a_worker(tmp_path) as killed:
        found = evaluated(bags, tmp_path, EngineOptions(jobs=2))
    assert len(killed) == 1
    assert found == reference


@pytest.mark.slow
def test_ray_finds_what_one_process_finds(
    bags: list[Path], reference: list[str], tmp_path: Path
) -> None:
    pytest.importorskip('ray', reason='needs ray, an extra')
    with killing_a_worker(tmp_path) as killed:
        found = evaluated(bags, tmp_path, RAY)
    assert len(killed) == 1
    assert found == reference
    assert all((tmp_path / bag.name / 'result.json').is_file() for bag in bags)


def test_what_is_finished_is_not_repeated(bags: list[Path], tmp_path: Path) -> None:
    first = outcomes_of(bags[:2], tmp_path, LOCAL)
    assert first[0].result is not None
    stamp = (tmp_path / bags[0].name / 'run.json').stat().st_mtime_ns
    again = outcomes_of(bags[:3], tmp_path, LOCAL)
    assert again[0].result is not None
    assert again[0].result.timing == first[0].result.timing
    assert (tmp_path / bags[0].name / 'run.json').stat().st_mtime_ns == stamp
    assert again[2].result is not None


def test_a_failing_disk_under_one_source_harms_no_other(
    bags: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run.evaluate_source

    def evaluate(source: Path, *arguments: Any) -> Any:
        if source == bags[0].resolve():
            raise OSError(errno.EIO, 'Input/output error', str(source / 'drive.mcap'))
        return real(source, *arguments)

    monkeypatch.setattr(run, 'evaluate_source', evaluate)
    bad, good = outcomes_of(bags[:2], tmp_path, LOCAL)
    assert bad.result is None
    assert bad.error.endswith('drive.mcap: Input/output error')
    assert good.result is not None


def test_without_ray_the_local_engine_does_it(
    bags: list[Path], reference: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'ray', None)
    notes: list[str] = []
    found = evaluate_many(
        bags[:1],
        SETTINGS,
        tmp_path,
        dataclasses.replace(RAY, jobs=0),
        notes.append,
        lambda _: None,
    )
    assert notes == [engines.NO_RAY]
    assert 'gemdepth_ros[ray]' in notes[0]
    assert plain(found[0]) == reference[0]


def test_a_bad_bag_harms_no_other(bags: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / 'bad.mcap'
    bad.write_bytes(b'nothing')
    with (tmp_path / 'log').open('w') as log:
        console = Console(file=log, width=300)
        assert run_many([bags[0], bad], SETTINGS, tmp_path / 'out', LOCAL, console) == 1
    said = (tmp_path / 'log').read_text()
    assert f'failed: {bad}' in said
    merged = json.loads((tmp_path / 'out' / 'merged.json').read_text())
    assert [bool(source['error']) for source in merged['sources']] == [False, True]
    assert merged['protocols'][0]['names'] == ['drive_0']


def test_one_report_over_all(bags: list[Path], tmp_path: Path) -> None:
    pytest.importorskip('plotly', reason='reports need plotly')
    with (tmp_path / 'log').open('w') as log:
        console = Console(file=log, width=300)
        assert run_many(bags[:2], SETTINGS, tmp_path, LOCAL, console) == 0
    merged = json.loads((tmp_path / 'merged.json').read_text())
    each = [
        json.loads((tmp_path / bag.name / 'result.json').read_text())['protocols']
        for bag in bags[:2]
    ]
    means = [protocols[0]['mean']['abs_rel'] for protocols in each]
    assert merged['protocols'][0]['mean']['abs_rel'] == pytest.approx(sum(means) / 2)
    page = (tmp_path / 'index.html').read_text()
    assert 'href="drive_0/report.html"' in page
    assert 'mean of 2' in page
    assert (tmp_path / 'drive_1' / 'report.html').is_file()


def test_folders_are_named_after_sources(tmp_path: Path) -> None:
    here, there = tmp_path / 'a' / 'drive.mcap', tmp_path / 'b' / 'drive.mcap'
    names = [folder.name for folder in source_folders([here, there, tmp_path / 'other'], tmp_path)]
    assert names[2] == 'other'
    assert len(set(names)) == 3
    assert all(name.startswith('drive-') for name in names[:2])
    with pytest.raises(ConfigError, match='given twice'):
        source_folders([here, here], tmp_path)


def test_contradicting_options_are_refused() -> None:
    with pytest.raises(ConfigError, match='needs --engine ray'):
        EngineOptions(address='10.0.0.1:6379')
    with pytest.raises(ConfigError, match='engine must be'):
        EngineOptions('spark')


def test_a_cluster_that_is_not_there_is_one_line(bags: list[Path], tmp_path: Path) -> None:
    pytest.importorskip('ray', reason='needs ray, an extra')
    options = EngineOptions('ray', address='127.0.0.1:1')
    with pytest.raises(ConfigError, match=r'no Ray at 127\.0\.0\.1:1'):
        outcomes_of(bags[:1], tmp_path, options)

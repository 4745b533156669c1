"""`gemdepth-ros bench` end to end on the smallest network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gemdepth_ros.cli.benchmark.cases import MODES, Case
from gemdepth_ros.cli.benchmark.child import measure_times
from gemdepth_ros.cli.benchmark.forms import prepare
from gemdepth_ros.cli.benchmark.task import Task
from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import EngineError
from gemdepth_ros.model import GemDepth

ARGUMENTS = ['bench', '--presets', 'tiny', '--sizes', '28x42', '--device', 'cpu', '--threads', '1']


def case(mode: str, window: int = 8) -> Case:
    return Case('tiny', 'float32', 28, 42, mode, window)


def test_table_and_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / 'bench.json'
    words = ['--modes', 'causal', '--windows', '4', '--seconds', '0.2', '--json', str(output)]
    assert main([*ARGUMENTS, *words]) == 0
    shown = capfd.readouterr().out
    assert 'seeded random numbers' in shown
    assert 'causal' in shown
    written = json.loads(output.read_text())
    assert written['machine']['device'] == 'cpu'
    assert written['machine']['threads'] == '1'
    assert torch.__version__.startswith(written['packages']['torch'])
    (row,) = written['rows']
    assert row['case'] == {**row['case'], 'mode': 'causal', 'window': 4, 'height': 28}
    assert 0 < row['median_ms'] <= row['p99_ms']
    assert row['fps'] > 0
    assert row['frames'] == row['calls'] >= 1
    assert 50 < row['peak_mb'] < 5000  # torch alone takes more than that
    assert 0 <= row['above_mb'] < row['peak_mb']
    assert 0 < row['formula_mb'] < row['peak_mb']
    assert written['energy']


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--presets', 'huge'], "unknown network 'huge'"),
        (['--sizes', '100x300'], 'multiples of 14'),
        (['--modes', 'offline', '--windows', '5'], 'nothing to run'),
        (['--backend', 'steam'], "'steam'"),
        (['--json', '/nowhere/at/all.json'], 'its folder does not exist'),
        (['--json', '/'], 'it is a folder'),
        (['--device', 'cuda:99'], 'cuda:99'),
    ],
)
def test_what_cannot_be_run_is_refused_at_once(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ARGUMENTS, *words]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('mode', [mode for mode in MODES if mode != 'published_stream'])
def test_every_call_answers_as_many_frames_as_it_says(tiny_model: GemDepth, mode: str) -> None:
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1

    form = prepare(tiny_model, case(mode))
    handle = tiny_model.encoder.register_forward_hook(count)
    form()
    first = seen
    form()
    handle.remove()
    assert seen == 2 * first > 0  # every call costs the same
    assert form.frames == (4 if mode in ('offline', 'plain') else 1)
    assert (form.held_bytes > 0) == (mode in ('sliding', 'causal'))


def test_what_fails_ends_no_other_case(monkeypatch: pytest.MonkeyPatch) -> None:
    from gemdepth_ros.cli.benchmark import child
    from gemdepth_ros.errors import DeviceMemoryError

    def no_sliding(model: GemDepth, which: Case) -> object:
        if which.mode == 'sliding':
            raise DeviceMemoryError('too large')
        return prepare(model, which)

    monkeypatch.setattr(child, 'prepare', no_sliding)
    task = Task('time', (case('sliding', 2), case('causal', 2)), 'cpu', threads=1, seconds=0.05)
    failed, done = measure_times(Task.from_json(task.to_json()))['rows']
    assert failed == {'error': 'too large'}
    assert done['frames'] >= 1


def test_a_backend_that_is_refused_has_no_figures(tiny_model: GemDepth) -> None:
    with pytest.raises(EngineError, match='it needs a CUDA device'):
        prepare(tiny_model, Case('tiny', 'float32', 28, 42, 'causal', 2, 'cudagraph'))

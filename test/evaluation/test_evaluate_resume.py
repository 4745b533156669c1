"""Killed and resumed gives the same result; finished is not done again; twice is the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation_worlds import TINY, known, write_bag

from gemdepth_ros.cli.evaluation import workspace
from gemdepth_ros.cli.evaluation.prediction import PipelinePredictor
from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.workspace import fingerprint
from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import ConfigError

FRAMES = 16


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp('resume') / 'bag', FRAMES)


def without_times(output: Path) -> Any:
    plain = json.loads((output / 'result.json').read_text('utf-8'))
    del plain['timing']
    return plain


class Killed(Exception):
    pass


def interrupted_and_resumed(bag: Path, settings: EvaluationSettings, output: Path) -> list[int]:
    """Stop after frame 9, go on; return the frames that the second run predicted."""
    seen: list[int] = []

    def stop(*arguments: object) -> None:
        seen.append(1)
        if len(seen) == 10:
            raise Killed

    with pytest.raises(Killed):
        evaluate_source(bag, settings, output, observer=stop)
    second: list[int] = []
    evaluate_source(bag, settings, output, observer=lambda *_: second.append(1))
    return second


@pytest.mark.parametrize('mode', ['sliding', 'causal'])
def test_resumed_is_the_same_to_the_bit(bag: Path, tmp_path: Path, mode: str) -> None:
    settings = replace(TINY, mode=mode, checkpoint_s=0.0, simulated_latency_ms=120.0)
    first = evaluate_source(bag, settings, tmp_path / 'whole')
    second = interrupted_and_resumed(bag, settings, tmp_path / 'parts')
    assert len(second) == first.source.processed - 9  # the tenth was in work
    assert without_times(tmp_path / 'parts') == without_times(tmp_path / 'whole')
    samples = sorted(item.name for item in (tmp_path / 'whole' / 'samples').iterdir())
    assert samples == sorted(item.name for item in (tmp_path / 'parts' / 'samples').iterdir())
    assert not (tmp_path / 'parts' / '.work').exists()


def test_offline_starts_anew_and_is_the_same(bag: Path, tmp_path: Path) -> None:
    settings = replace(TINY, mode='offline', window=8)
    first = evaluate_source(bag, settings, tmp_path / 'whole')
    assert first.trajectory is None
    assert any('offline' in note for note in first.notes)
    second = interrupted_and_resumed(bag, settings, tmp_path / 'parts')
    assert len(second) == FRAMES
    assert without_times(tmp_path / 'parts') == without_times(tmp_path / 'whole')


@pytest.mark.parametrize(('backend', 'saved'), [('eager', True), ('compile', False)])
def test_only_the_state_of_eager_is_saved(backend: str, saved: bool) -> None:
    settings = replace(TINY, mode='causal', overrides=(f'streaming.backend={backend}',))
    predictor = PipelinePredictor(settings)
    assert (predictor.snapshot() is not None) == saved


def test_killed_process_goes_on(bag: Path, tmp_path: Path) -> None:
    """SIGKILL: nothing can be tidied up."""
    output = tmp_path / 'out'
    words = [str(bag), '-o', str(output), '--weights', 'none', '--preset', 'tiny']
    words += ['--input-size', '28', '--window', '4', '--checkpoint', '0', '--device', 'cpu']
    child = subprocess.Popen(
        [sys.executable, '-m', 'gemdepth_ros.cli.main', 'evaluate', *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    states = output / '.work' / 'states'
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and child.poll() is None:
        if any(int(item.stem) >= 3 for item in states.glob('*.bin')):
            break
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert main(['evaluate', *words]) == 0
    evaluate_source(bag, replace(TINY, samples=6), tmp_path / 'whole')
    assert without_times(output) == without_times(tmp_path / 'whole')


def test_finished_is_read_not_done(bag: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    first = evaluate_source(bag, TINY, tmp_path, make_predictor=known())
    again = evaluate_source(
        bag, TINY, tmp_path, make_predictor=known(), observer=lambda *_: seen.append(1)
    )
    assert not seen
    assert again == first or repr(again) == repr(first)


def test_other_settings_are_another_evaluation(bag: Path, tmp_path: Path) -> None:
    evaluate_source(bag, TINY, tmp_path, make_predictor=known())
    other = replace(TINY, max_depth_m=20.0)
    result = evaluate_source(bag, other, tmp_path, make_predictor=known())
    assert result.protocols[0].max_depth_m == 20


def test_other_truth_or_weights_are_another_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, depth, weights = (tmp_path / name for name in ('images', 'depth', 'tiny.safetensors'))
    images.mkdir()
    depth.mkdir()
    weights.write_bytes(b'old')
    monkeypatch.setattr(workspace, 'weights_path', lambda entry: weights)
    settings = replace(TINY, ground_truth=(str(depth),), weights='gemdepth-tiny')
    seen = {fingerprint(images, settings)}
    (depth / '000000.npy').write_bytes(b'x')
    seen.add(fingerprint(images, settings))
    weights.write_bytes(b'newer')
    seen.add(fingerprint(images, settings))
    assert len(seen) == 3
    assert fingerprint(images, settings) in seen


def test_a_damaged_state_is_one_line(bag: Path, tmp_path: Path) -> None:
    settings = replace(TINY, checkpoint_s=0.0)
    seen: list[int] = []

    def stop(*arguments: object) -> None:
        seen.append(1)
        if len(seen) == 4:
            raise Killed

    with pytest.raises(Killed):
        evaluate_source(bag, settings, tmp_path, observer=stop)
    for state in (tmp_path / '.work' / 'states').glob('*.bin'):
        state.write_bytes(b'rubbish')
    with pytest.raises(ConfigError, match='saved state'):
        evaluate_source(bag, settings, tmp_path)
    assert main(['evaluate', str(bag), '-o', str(tmp_path), '--force', '--max-frames', '2',
                 '--preset', 'tiny', '--input-size', '28', '--window', '4']) == 0  # fmt: skip


def test_unwritable_output_is_one_line(bag: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('x')
    with pytest.raises(ConfigError, match='cannot write to'):
        evaluate_source(bag, TINY, tmp_path / 'file', make_predictor=known())

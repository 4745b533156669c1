"""Killed and resumed gives the same result; finished is not done again; twice is the same."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_worlds import TINY, known, write_bag

from gemdepth_ros.cli.evaluation import workspace
from gemdepth_ros.cli.evaluation.prediction import PipelinePredictor
from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.workspace import fingerprint
from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.records import FrameRecord

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


def stopped_after(count: int, bag: Path, settings: EvaluationSettings, output: Path) -> None:
    """Evaluate so many frames, and be killed at the next one."""
    seen: list[int] = []

    def stop(*arguments: object) -> None:
        seen.append(1)
        if len(seen) > count:
            raise Killed

    with pytest.raises(Killed):
        evaluate_source(bag, settings, output, observer=stop)


def interrupted_and_resumed(bag: Path, settings: EvaluationSettings, output: Path) -> list[int]:
    """Stop after frame 9, go on; return the frames that the second run predicted."""
    stopped_after(9, bag, settings, output)
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


def test_a_live_run_is_another_evaluation_than_its_replay(bag: Path, tmp_path: Path) -> None:
    live = {'make_predictor': known(), 'made_by': 'live node, played at 1 times'}
    evaluate_source(bag, TINY, tmp_path, **live)
    seen: list[int] = []
    evaluate_source(
        bag, TINY, tmp_path, make_predictor=known(), observer=lambda *_: seen.append(1)
    )
    assert len(seen) == FRAMES


@pytest.mark.parametrize('inside', ['out', '.'])
def test_output_inside_the_source_is_no_part_of_it(tmp_path: Path, inside: str) -> None:
    source = write_bag(tmp_path / 'drive', FRAMES)
    settings = replace(TINY, mode='causal', checkpoint_s=0.0)
    second = interrupted_and_resumed(source, settings, source / inside)
    assert len(second) == FRAMES - 9
    seen: list[int] = []
    (source / inside / 'report.html').write_text('a page')
    evaluate_source(source, settings, source / inside, observer=lambda *_: seen.append(1))
    assert not seen
    (source / 'another.mcap').write_text('x')
    other = fingerprint(source, settings, output=source / inside)
    assert other != (source / inside / 'run.json').read_text()


def test_a_link_to_nothing_is_no_fault(tmp_path: Path) -> None:
    """Data sets under git-annex hold links to what was not fetched."""
    images = tmp_path / 'images'
    images.mkdir()
    target = tmp_path / 'annex.png'
    (images / '000001.png').symlink_to(target)
    (images / 'loop').symlink_to('loop')
    before = fingerprint(images, TINY)
    assert before == fingerprint(images, TINY)
    target.write_bytes(b'fetched')
    assert fingerprint(images, TINY) != before


def test_a_file_that_cannot_be_looked_at_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Any:
        raise PermissionError(errno.EACCES, 'Permission denied', str(path))

    monkeypatch.setattr(workspace, '_file_state', refuse)
    (tmp_path / 'clip.mp4').write_bytes(b'x')
    with pytest.raises(ConfigError, match=r'cannot look at .*clip\.mp4: Permission denied'):
        fingerprint(tmp_path / 'clip.mp4', TINY)


@pytest.mark.parametrize(
    ('source', 'beside'),
    [
        ('2011_09_26/2011_09_26_drive_0002_sync', '2011_09_26/calib_velo_to_cam.txt'),
        ('odometry/sequences/04', 'odometry/poses/04.txt'),
    ],
)
def test_calibration_and_poses_outside_the_folder_count(
    tmp_path: Path, source: str, beside: str
) -> None:
    (tmp_path / source).mkdir(parents=True)
    file = tmp_path / beside
    file.parent.mkdir(exist_ok=True)
    seen = {fingerprint(tmp_path / source, TINY)}
    for text in ('wrong', 'corrected'):
        file.write_text(text)
        seen.add(fingerprint(tmp_path / source, TINY))
    assert len(seen) == 3
    (file.parent / 'readme.txt').write_text('x')
    assert fingerprint(tmp_path / source, TINY) in seen


def test_the_spare_state_stands_in_for_a_damaged_one(
    bag: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(TINY, mode='causal', checkpoint_s=0.0)
    evaluate_source(bag, settings, tmp_path / 'whole')
    parts = tmp_path / 'parts'
    states = parts / '.work' / 'states'
    stopped_after(9, bag, settings, parts)
    older, newest = sorted(states.glob('*.bin'))
    newest.write_bytes(newest.read_bytes()[:100])
    stopped_after(0, bag, settings, parts)
    assert older.exists()
    assert not newest.exists()  # left there, it would be the next spare
    assert newest.name in caplog.text
    assert f'after {int(older.stem)} frames' in caplog.text
    seen: list[int] = []
    evaluate_source(bag, settings, parts, observer=lambda *_: seen.append(1))
    assert len(seen) == FRAMES - int(older.stem)
    assert without_times(parts) == without_times(tmp_path / 'whole')


def test_states_without_their_records_start_anew(bag: Path, tmp_path: Path) -> None:
    settings = replace(TINY, checkpoint_s=0.0)
    stopped_after(9, bag, settings, tmp_path)
    for record in (tmp_path / '.work' / 'records').iterdir():
        record.unlink()
    seen: list[int] = []
    evaluate_source(bag, settings, tmp_path, observer=lambda *_: seen.append(1))
    assert len(seen) == FRAMES


def test_a_state_reaches_the_disk_after_the_records_it_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power must leave no state that speaks of records which are cut off."""
    space = workspace.Workspace(tmp_path, 'test')
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(os.readlink(f'/proc/self/fd/{handle}')).name)
        real(handle)

    monkeypatch.setattr(os, 'fsync', fsync)
    for index in range(2):
        space.records.append(FrameRecord(index, index, np.zeros((2, 3), np.float32), np.ones(4)))
    space.save_state(b'state')
    assert synced == ['0000000.npz', '0000001.npz', 'records', '0000002.tmp', 'states']
    synced.clear()
    space.records.append(FrameRecord(2, 2, np.zeros((2, 3), np.float32), np.ones(4)))
    space.save_state(b'state')
    assert synced[0] == '0000002.npz'


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

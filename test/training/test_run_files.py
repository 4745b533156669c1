"""What a run leaves on disk, and what it says of places and files that do not do."""

from __future__ import annotations

import json
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import yaml
from training_cases import MICRO, micro_config, micro_sequence, write_sequences

from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import TrainingError, WeightsError
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.training.checkpoints import load_checkpoint, save_checkpoint, saved_steps
from gemdepth_ros.training.files import full_disk_in_one_line
from gemdepth_ros.training.record import RunLog, read_log
from gemdepth_ros.training.sequences import write_sequence

CONFIG = replace(micro_config(2), network='micro')


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write data and configuration; return the command that trains."""
    monkeypatch.setitem(PRESETS, 'micro', MICRO)
    values = asdict(CONFIG)
    values['stages'] = list(values['stages'])
    (tmp_path / 'run.yaml').write_text(yaml.safe_dump(values))
    write_sequences(tmp_path / 'data', CONFIG)
    words = {'config': 'run.yaml', 'data': 'data', 'output': 'run'}
    paths = [word for name, file in words.items() for word in (f'--{name}', str(tmp_path / file))]
    return ['train', *paths, '--device', 'cpu', '--resume']


def card_of(run: Path) -> dict[str, object]:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    card: dict[str, object] = json.loads(
        (run / 'model_card.json').read_text(), parse_constant=refuse
    )
    return card


def test_the_command_once_more_changes_nothing(command: list[str], tmp_path: Path) -> None:
    assert main(command) == 0
    run = tmp_path / 'run'
    card = card_of(run)
    assert card['losses']
    assert card['held_out']
    files = [run / name for name in ('weights.safetensors', 'model_card.json')]
    before = [file.stat().st_mtime_ns for file in files]
    assert main(command) == 0
    assert card_of(run) == card
    assert [file.stat().st_mtime_ns for file in files] == before
    # A kill between the last checkpoint and the record: what it needs is in the checkpoint.
    files[1].unlink()
    assert main(command) == 0
    again = card_of(run)
    assert (again['losses'], again['held_out']) == (card['losses'], card['held_out'])
    assert stat.S_IMODE(files[0].stat().st_mode) == stat.S_IMODE(files[1].stat().st_mode)
    assert not list(run.glob('*.part'))


def test_a_checkpoint_without_scores_is_read(command: list[str], tmp_path: Path) -> None:
    assert main(command) == 0
    run = tmp_path / 'run'
    state = load_checkpoint(run)
    assert state is not None
    del state['losses'], state['scores']
    save_checkpoint(run, 2, state)
    (run / 'model_card.json').unlink()
    assert main(command) == 0
    assert card_of(run)['held_out'] == {}


def test_a_score_that_does_not_exist_is_null(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {'abs_rel': 0.5, 'delta1': 0.5, 'rotation_deg': 1.0, 'direction_deg': float('nan')}
    monkeypatch.setattr('gemdepth_ros.training.trainer.Trainer.validate', lambda *_: scores)
    assert main(command) == 0
    assert card_of(tmp_path / 'run')['held_out'] == {**scores, 'direction_deg': None}
    (line,) = (line for line in read_log(tmp_path / 'run') if 'abs_rel' in line)
    assert line['direction_deg'] is None


@pytest.mark.parametrize('option', ['--output', '--data'])
@pytest.mark.parametrize('name', ['file', 'file/below'])
def test_a_file_for_a_folder_is_one_line(
    command: list[str],
    tmp_path: Path,
    option: str,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / 'file').write_text('mine')
    command[command.index(option) + 1] = str(tmp_path / name)
    assert main(command) == 1
    error = capsys.readouterr().err
    assert f'{option} {tmp_path / name} is no folder' in error
    assert error.count('\n') == 1


@pytest.mark.parametrize('device', ['cuda:x', 'cuda:', 'cpu:x', 'mps', 'gpu', 'cuda:-1'])
def test_a_device_that_is_none_is_one_line(
    command: list[str], device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command[command.index('--device') + 1] = device
    assert main(command) == 1
    error = capsys.readouterr().err
    assert f"--device must be auto, cpu, cuda or cuda:N, got '{device}'" in error
    assert error.count('\n') == 1


@contextmanager
def files_end_after(size: int) -> Iterator[None]:
    """Let writes fail beyond a size [bytes], as they do on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_on_a_full_disk_leaves_the_one_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 2, {'step': 2})
    large = {'step': 4, 'network': torch.zeros(100_000)}
    with files_end_after(50_000), pytest.raises(TrainingError, match=r'disk full.*from step 2'):
        save_checkpoint(tmp_path, 4, large)
    assert saved_steps(tmp_path) == [2]
    assert len(list(tmp_path.iterdir())) == 1
    assert load_checkpoint(tmp_path) == {'step': 2}


def test_a_sequence_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with files_end_after(5000), pytest.raises(TrainingError, match='disk full'):
        write_sequence(tmp_path, 7, micro_sequence())
    assert list(tmp_path.iterdir()) == []


def test_a_log_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    with (
        files_end_after(100),
        pytest.raises(TrainingError, match=r'File too large.*make room'),
        full_disk_in_one_line(tmp_path),
    ):
        log.add({'step': 'x' * 200})


def test_other_errors_of_the_system_are_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), full_disk_in_one_line(tmp_path):
        (tmp_path / 'none').read_text()


@pytest.mark.parametrize(
    'damage', ['zeros', 'no pickle', 'old protocol', 'empty', 'short', 'list']
)
def test_every_damage_of_a_checkpoint_is_one_line(tmp_path: Path, damage: str) -> None:
    path = save_checkpoint(tmp_path, 2, {'step': 2, 'network': torch.zeros(1000)})
    content = path.read_bytes()
    if damage == 'list':
        torch.save([1], path)
    else:
        path.write_bytes(
            {
                'zeros': bytes(len(content)),
                'no pickle': b'no pickle at all',
                'old protocol': b'\x80\x02h\x05.',
                'empty': b'',
                'short': content[: len(content) // 2],
            }[damage]
        )
    with pytest.raises(WeightsError, match=r'checkpoint_00000002\.pt .*remove it') as caught:
        load_checkpoint(tmp_path)
    assert '\n' not in str(caught.value)

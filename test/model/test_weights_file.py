"""Weights are written in one piece, and as readable as any other file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from published import whole_state
from safetensors.torch import load_file

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.model import build_gemdepth
from gemdepth_ros.model.conversion import convert_weights
from gemdepth_ros.model.weights_file import save_weights

ROOT = Path(__file__).parents[2]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o027])
def mode(request: pytest.FixtureRequest) -> Iterator[int]:
    """What a new file gets, with the umask of the test's process set to it."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def test_the_umask_decides_who_reads(tmp_path: Path, mode: int) -> None:
    path = tmp_path / 'w.safetensors'
    save_weights({'a': torch.ones(2)}, path)
    assert mode_of(path) == mode
    assert list(tmp_path.iterdir()) == [path]


def test_also_of_converted_weights(tmp_path: Path, mode: int) -> None:
    torch.save(whole_state(build_gemdepth('tiny')), tmp_path / 'w.pth')
    convert_weights(tmp_path / 'w.pth', tmp_path / 'w.safetensors', 'tiny')
    assert mode_of(tmp_path / 'w.safetensors') == mode


def test_also_of_means(tmp_path: Path, mode: int) -> None:
    for number in (1, 3):
        save_weights({'a': torch.full((2,), float(number))}, tmp_path / f'{number}.safetensors')
    inputs = [str(tmp_path / f'{number}.safetensors') for number in (1, 3)]
    output = tmp_path / 'mean.safetensors'
    command = [sys.executable, str(ROOT / 'scripts/mean_of_weights.py'), *inputs, '-o']
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path[1:]])}
    subprocess.run([*command, str(output)], check=True, env=environment)
    assert load_file(output)['a'].tolist() == [2.0, 2.0]
    assert mode_of(output) == mode
    wrong = subprocess.run(
        [*command, str(tmp_path / 'no/such/folder')],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 1
    assert wrong.stderr.count('\n') == 1


def test_the_bundled_weights_are_for_everybody() -> None:
    for path in (ROOT / 'gemdepth_ros/weights').glob('*.safetensors'):
        assert mode_of(path) & 0o444 == 0o444


def test_on_failure_the_older_file_stays(tmp_path: Path) -> None:
    path = tmp_path / 'w.safetensors'
    save_weights({'a': torch.ones(2)}, path)
    with pytest.raises(WeightsError, match='cannot write'):
        save_weights({'a': torch.ones(2)}, path / 'below')
    assert load_file(path)['a'].tolist() == [1.0, 1.0]
    assert list(tmp_path.iterdir()) == [path]

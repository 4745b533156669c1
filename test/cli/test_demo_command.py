"""Which network `gemdepth-ros demo` starts the node with, and where it may write."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gemdepth_ros.cli import demo
from gemdepth_ros.cli.demonstration.settings import NodeSettings
from gemdepth_ros.cli.main import main


def settings(*words: str) -> NodeSettings:
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return demo._node_settings(parser.parse_args(words))


def test_of_a_file_the_weights_tell(tmp_path: Path) -> None:
    file = tmp_path / 'mine.safetensors'
    file.write_bytes(b'weights')
    found = settings('--weights', str(file))
    assert (found.preset, found.weights) == ('auto', str(file))
    assert settings('--weights', str(file), '--preset', 'small').preset == 'small'


@pytest.mark.parametrize('preset', ['small', 'vitl'])
def test_another_network_does_not_get_the_bundled_weights(preset: str) -> None:
    found = settings('--preset', preset)
    assert (found.preset, found.weights) == (preset, '')


@pytest.mark.parametrize('words', [(), ('--preset', 'tiny'), ('--weights', 'gemdepth-tiny')])
def test_the_bundled_weights_bring_their_network(words: tuple[str, ...]) -> None:
    found = settings(*words)
    assert found.preset == 'tiny'
    assert Path(found.weights).name == 'gemdepth-tiny.safetensors'


def test_random_numbers() -> None:
    found = settings('--weights', 'none')
    assert (found.preset, found.weights) == ('small', '')


@pytest.mark.parametrize('name', ['file', 'file/below'])
def test_an_output_that_is_a_file_is_one_line(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'file').write_text('mine')
    assert main(['demo', '-o', str(tmp_path / name), '--told']) == 1
    error = capsys.readouterr().err
    assert f'--output {tmp_path / name} is no folder' in error
    assert error.count('\n') == 1

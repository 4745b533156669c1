"""The cache of rendered sequences and the configuration file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from training_cases import micro_config, micro_sequence, write_sequences

from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.training.config import DataConfig
from gemdepth_ros.training.config_file import load_config
from gemdepth_ros.training.sequences import open_sequences, render_missing, seeds_of

CONFIGS = Path(__file__).parents[2] / 'config' / 'training'
SMALL = DataConfig(
    world='street', sequences=2, frames=3, height=28, width=42, validation_sequences=1
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    config = micro_config()
    write_sequences(tmp_path, config)
    for seed, sequence in zip((1000, 1001, 1002), open_all(tmp_path, config.data), strict=True):
        expected = micro_sequence(seed)
        for name in ('image_rgb', 'inverse_depth', 'world_from_camera', 'focal'):
            assert np.array_equal(getattr(sequence, name), getattr(expected, name))


def open_all(folder: Path, data: DataConfig):  # type: ignore[no-untyped-def]
    return open_sequences(folder, data, seeds_of(data)[0])


def test_only_what_is_missing_is_rendered(tmp_path: Path) -> None:
    assert list(render_missing(tmp_path, SMALL, 1)) == [(0, 3), (1, 3), (2, 3), (3, 3)]
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob('sequence_*/image.npy')}
    assert len(kept) == 3
    assert list(render_missing(tmp_path, SMALL, 1)) == [(3, 3)]
    more = replace(SMALL, sequences=3)
    assert list(render_missing(tmp_path, more, 1))[-1] == (4, 4)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_another_world_is_not_mixed_in(tmp_path: Path) -> None:
    config = micro_config()
    write_sequences(tmp_path, config)
    with pytest.raises(ConfigError, match='rendered with width 42, configured is 56'):
        open_all(tmp_path, replace(config.data, width=56))
    with pytest.raises(ConfigError, match='rendered with world street'):
        list(render_missing(tmp_path, replace(config.data, world='random', sequences=4), 1))
    index = tmp_path / 'cache.json'
    index.write_text(json.dumps({**json.loads(index.read_text()), 'code': 'older'}))
    open_all(tmp_path, config.data)  # what is complete can be read
    with pytest.raises(ConfigError, match='other code makes it'):
        list(render_missing(tmp_path, replace(config.data, sequences=4), 1))


@pytest.mark.parametrize('how', ['absent', 'cut', 'shape', 'values'])
def test_damage_is_named(tmp_path: Path, how: str) -> None:
    config = micro_config()
    write_sequences(tmp_path, config)
    folder = tmp_path / 'sequence_0001001'
    if how == 'absent':
        folder.rename(tmp_path / 'elsewhere')
    elif how == 'cut':
        (folder / 'image.npy').write_bytes((folder / 'image.npy').read_bytes()[:500])
    elif how == 'shape':
        np.save(folder / 'inverse_depth.npy', np.zeros((12, 28, 41), np.float16))
    else:
        poses = np.full((12, 4, 4), np.nan)
        np.savez(folder / 'cameras.npz', world_from_camera=poses, focal=np.ones((12, 2)))
    with pytest.raises(ConfigError, match='sequence_0001001'):
        open_all(tmp_path, config.data)


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.yaml')), ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path: Path) -> None:
    config = load_config(path)
    assert config.total_steps > 100


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'nework': 'tiny'}, 'unknown nework; known: .*network'),
        ({'stages': []}, 'at least one stage'),
        ({'stages': [{'steps': 1, 'height': 30, 'width': 42}]}, 'multiples of 14, got 30x42'),
        ({'stages': [{'height': 28, 'width': 42}]}, r'stages\[0\]: steps missing'),
        ({'clips': {'flip_share': 1.5}}, r'clips.flip_share must lie in \[0, 1\], got 1.5'),
        ({'losses': {'alignment': 'mean'}}, "must be one of .*got 'mean'"),
        ({'losses': {'pose': -1}}, 'losses.pose must be >= 0'),
        ({'optimizer': {'learning_rate': 'fast'}}, "must be a number, got 'fast'"),
        ({'optimizer': {'warmup_steps': 2.5}}, 'of type int, got 2.5'),
        ({'data': {'validation_first_seed': 1100}}, 'held-out seeds must not be trained on'),
        ({'data': {'frames': 4}}, r'stages.lengths must not exceed data.frames \(4\), got 8'),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, change: dict, message: str) -> None:  # type: ignore[type-arg]
    values = {'data': {}, 'stages': [{'steps': 5, 'height': 28, 'width': 42}]}
    path = tmp_path / 'run.yaml'
    path.write_text(yaml.safe_dump({**values, **change}))
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_numbers_with_exponents_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / 'run.yaml'
    path.write_text(
        'data: {}\nstages: [{steps: 5, height: 28, width: 42, lengths: {1: 2}}]\n'
        'optimizer: {learning_rate: 1e-3}\n'
    )
    config = load_config(path)
    assert config.optimizer.learning_rate == 1e-3
    assert config.stages[0].lengths == {1: 2.0}


def test_the_command_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['train', '--config', str(tmp_path / 'none.yaml')]) == 1
    assert 'none.yaml' in capsys.readouterr().err
    assert main(['train', '--config', str(CONFIGS / 'tiny.yaml')]) == 1
    assert '--output' in capsys.readouterr().err

"""``gemdepth-ros weights``: what it prints, asks and refuses."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gemdepth_ros.cli import weights
from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import WeightsError

CONTENT = b'weights' * 1000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('GEMDEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / 'fetched.pth'
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that were downloaded; the transfer itself is tested in test/hub."""
    names: list[str] = []

    def fake(entry: object) -> Path:
        names.append(entry.name)  # type: ignore[attr-defined]
        return Path('/cache/gemdepth.pth')

    monkeypatch.setattr('gemdepth_ros.hub.download', fake)
    return names


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    weights.add_arguments(parser)
    return weights.run(parser.parse_args(words))


def test_get_prints_the_notice_first(
    downloads: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run('get', 'gemdepth-vitl', '--accept-licence') == 0
    text = capsys.readouterr().out
    assert downloads == ['gemdepth-vitl']
    assert text.startswith('Licence of these weights: unclear, treat them as non-commercial.')
    for words in ('MIT', 'apache-2.0', 'CC-BY-NC-4.0', 'does not redistribute'):
        assert words in text
    assert '--weights gemdepth-vitl' in text


def test_get_without_a_person_needs_the_flag(downloads: list[str]) -> None:
    with pytest.raises(WeightsError, match='--accept-licence'):
        run('get', 'gemdepth-vitl')
    assert not downloads


@pytest.mark.parametrize(('answer', 'expected'), [('y', 0), ('YES ', 0), ('', 1), ('no', 1)])
def test_get_asks_a_person(
    downloads: list[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    expected: int,
) -> None:
    monkeypatch.setattr('sys.stdin.isatty', lambda: True)
    monkeypatch.setattr('builtins.input', lambda prompt: answer)
    assert run('get', 'gemdepth-vitl') == expected
    assert bool(downloads) == (expected == 0)


def test_add_verify_path_and_list(
    source: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run('add', 'gemdepth-vitl', str(source)) == 0
    digest = hashlib.sha256(CONTENT).hexdigest()
    text = capsys.readouterr().out
    assert 'CC-BY-NC-4.0' in text
    assert digest in text
    assert run('path', 'gemdepth-vitl') == 0
    assert capsys.readouterr().out.strip() == str(cache / 'gemdepth-vitl' / 'gemdepth.pth')
    assert run('verify', 'gemdepth-vitl') == 0
    text = capsys.readouterr().out
    assert 'intact, 7000 bytes' in text
    assert 'placed by hand' in text
    assert run('list') == 0
    assert 'gemdepth-vitl' in capsys.readouterr().out


def test_list_shows_what_is_here(source: Path, cache: Path) -> None:
    from gemdepth_ros.hub import find_entry

    entry = find_entry('gemdepth-vitl')
    assert weights._presence(entry) == 'no'
    run('add', 'gemdepth-vitl', str(source))
    assert weights._presence(entry).startswith('0.00 GB, since 20')
    (cache / 'gemdepth-vitl' / 'gemdepth.pth').write_bytes(b'short')
    assert weights._presence(entry) == 'damaged'
    (cache / 'gemdepth-vitl' / 'gemdepth.pth.record.json').unlink()
    assert weights._presence(entry) == 'without record'


@pytest.mark.parametrize('action', ['verify', 'path'])
def test_missing_weights_say_what_to_run(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['weights', action, 'gemdepth-vitl']) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert 'gemdepth-ros weights get gemdepth-vitl' in lines[0]


def test_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['weights', 'get', 'nothing']) == 1
    assert 'known: gemdepth-tiny, gemdepth-vitl' in capsys.readouterr().err


def test_check_of_a_whole_file(
    tmp_path: Path,
    tiny_config: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch = pytest.importorskip('torch')
    from gemdepth_ros.model import build_gemdepth
    from gemdepth_ros.model.checkpoint import published_state
    from gemdepth_ros.model.config import PRESETS

    monkeypatch.setitem(PRESETS, 'small', tiny_config)
    state = published_state(build_gemdepth('small'))
    path = tmp_path / 'small.pth'
    torch.save(state, path)
    assert main(['weights', 'check', str(path), '--preset', 'small']) == 0
    text = capsys.readouterr().out
    assert f'{path} fits network small: {len(state)} tensors' in text

    state['head.extra'] = torch.zeros(1)
    del state['camera_head.token_norm.weight']
    torch.save(state, path)
    assert main(['weights', 'check', str(path), '--preset', 'small']) == 1
    error = capsys.readouterr().err
    assert 'head.extra' in error
    assert 'camera_head.token_norm.weight' in error
    assert len(error.strip().splitlines()) == 1


def test_a_pickle_becomes_safetensors(
    tmp_path: Path,
    tiny_config: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch = pytest.importorskip('torch')
    from gemdepth_ros.model import build_gemdepth
    from gemdepth_ros.model.checkpoint import load_state, published_state
    from gemdepth_ros.model.config import PRESETS

    monkeypatch.setitem(PRESETS, 'small', tiny_config)
    state = published_state(build_gemdepth('small'))
    source, target = tmp_path / 'small.pth', tmp_path / 'small.safetensors'
    unused = {'pretrained.mask_token': torch.zeros(1, tiny_config.encoder.width)}  # type: ignore[attr-defined]
    torch.save({'model': state | unused}, source)
    words = ['weights', 'convert', str(source), '--preset', 'small', '-o']
    assert main([*words, str(target)]) == 0
    assert f'--weights {target} --preset small' in capsys.readouterr().out
    converted = load_state(target)
    assert set(converted) == set(state)
    assert all(torch.equal(converted[name], state[name]) for name in state)
    refused = {target: 'exists already', tmp_path / 'small.pt': 'must end in .safetensors'}
    for path, says in {**refused, tmp_path / 'no' / 'x.safetensors': 'cannot write'}.items():
        assert main([*words, str(path)]) == 1
        assert says in capsys.readouterr().err
    torch.save({'weight': torch.zeros(1)}, source)
    assert main([*words, str(tmp_path / 'other.safetensors')]) == 1
    assert 'do not fit the network' in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['small.pth', 'small.safetensors']


def test_converting_a_name_tells_its_licence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / 'tiny.safetensors'
    assert main(['weights', 'convert', 'gemdepth-tiny', '-o', str(target)]) == 0
    assert 'Licence: Apache-2.0' in capsys.readouterr().out
    assert main(['weights', 'check', str(target)]) == 0


def test_a_name_is_checked_against_its_own_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['weights', 'check', 'gemdepth-tiny']) == 0
    assert 'fits network tiny: ' in capsys.readouterr().out
    assert main(['weights', 'verify', 'gemdepth-tiny']) == 0
    assert ', part of this package; licence: Apache-2.0' in capsys.readouterr().out


def test_check_of_something_else(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['weights', 'check', str(source)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_whole_command_without_a_network(tmp_path: Path) -> None:
    """A fresh process with nothing listening where the hub should be."""
    environment = os.environ | {
        'HF_ENDPOINT': 'http://127.0.0.1:9',
        'HF_HOME': str(tmp_path / 'hf'),
        'HF_HUB_DISABLE_TELEMETRY': '1',
    }
    command = [sys.executable, '-m', 'gemdepth_ros.cli.main', 'weights', 'get', 'gemdepth-vitl']
    answer = subprocess.run(
        [*command, '--accept-licence'], capture_output=True, text=True, env=environment
    )
    assert answer.returncode == 1
    assert 'Traceback' not in answer.stderr
    last = answer.stderr.strip().splitlines()[-1]
    assert 'cannot download http://127.0.0.1:9/YuechengLiu/GemDepth' in last
    assert 'no connection' in last
    assert 'gemdepth-ros weights add gemdepth-vitl FILE' in last


def test_help_is_light() -> None:
    code = (
        'import sys, argparse; from gemdepth_ros.cli import weights, infer; '
        'weights.add_arguments(argparse.ArgumentParser()); '
        'infer.add_arguments(argparse.ArgumentParser()); '
        "print(sorted({'torch', 'rclpy', 'cv2', 'numpy', 'rich'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert answer.stdout.strip() == '[]', answer.stderr

"""Commands with Video Depth Anything: no poses are written; metric weights: inverse depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')
cv2 = pytest.importorskip('cv2')

from gemdepth_ros.cli.main import main  # noqa: E402
from gemdepth_ros.media import read_disparity  # noqa: E402
from gemdepth_ros.model import VdaConfig, build_network  # noqa: E402
from gemdepth_ros.model.checkpoint import published_state  # noqa: E402
from gemdepth_ros.model.config import EncoderConfig  # noqa: E402
from gemdepth_ros.model.vda_config import VDA_PRESETS  # noqa: E402

TINY = (EncoderConfig(64, 4, 2, (0, 1, 2, 3)), 64, (16, 32, 64, 64))
QUICK = ('--window', '8', '--input-size', '28', '--no-video', '--device', 'cpu')


@pytest.fixture(autouse=True)
def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, metric in (('vda-small', False), ('vda-metric-small', True)):
        monkeypatch.setitem(VDA_PRESETS, name, VdaConfig(*TINY, metric=metric))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / 'images'
    folder.mkdir()
    for number in range(10):
        image = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / 'video_depth_anything_vits.pth'
    torch.save(published_state(build_network('vda-small')), path)
    return path


def infer(images: Path, weights: Path, *words: str) -> tuple[Path, dict[str, Any]]:
    out = images.parent / 'out'
    command = ['infer', str(images), '-o', str(out), '--weights', str(weights), '--force']
    assert main([*command, *QUICK, *words]) == 0
    return out, json.loads((out / 'index.json').read_text())


def test_a_file_is_known_and_no_poses_are_written(
    images: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, index = infer(images, weights)
    assert (index['network'], index['poses'], index['metric']) == ('vda-small', False, False)
    assert 'affine-invariant' in index['meaning']
    assert index['count'] == 10
    assert not list(out.glob('poses.*'))
    printed = capsys.readouterr().out
    assert 'network: vda-small' in printed
    assert 'predicts no poses' in printed


def test_metric_weights_write_inverse_depth(images: Path, weights: Path) -> None:
    out, index = infer(images, weights)
    depth = read_disparity(out / index['frames'][0]['file'], index['frames'][0]['unit'])
    metric = weights.rename(weights.with_name('metric_video_depth_anything_vits.pth'))
    out, index = infer(images, metric)
    assert (index['network'], index['metric']) == ('vda-metric-small', True)
    assert 'inverse depth in 1/m' in index['meaning']
    inverse = read_disparity(out / index['frames'][0]['file'], index['frames'][0]['unit'])
    near = depth < 1 / 0.06  # beyond the nearest that is told apart
    np.testing.assert_allclose(inverse[near], 1 / np.maximum(depth[near], 0.05), rtol=2e-3)


def test_weights_are_checked_and_their_network_named(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['weights', 'check', str(weights)]) == 0
    assert 'fits network vda-small' in capsys.readouterr().out
    assert main(['weights', 'check', str(weights), '--preset', 'vitl']) == 1
    assert "look like those of preset 'vda-small'" in capsys.readouterr().err


def test_a_cloud_without_poses_is_refused_with_the_reason(
    images: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['reconstruct', str(images), '-o', str(images.parent / 'cloud.ply')]
    command += ['--weights', str(weights), '--input-size', '28', '--device', 'cpu']
    assert main([*command, '--intrinsics', '60', '60', '30', '20', '--max-frames', '3']) == 1
    assert 'predicts no poses' in capsys.readouterr().err

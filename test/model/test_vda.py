"""Video Depth Anything as a network: shapes, files, and how a file tells its size and family."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gemdepth_ros.errors import ConfigError, WeightsError
from gemdepth_ros.model import (
    GemDepth,
    VdaConfig,
    VideoDepthAnything,
    build_gemdepth,
    build_network,
    is_metric,
    preset_name,
)
from gemdepth_ros.model.checkpoint import checkpoint_layout, preset_of, published_state
from gemdepth_ros.model.config import EncoderConfig
from gemdepth_ros.model.vda_config import VDA_PRESETS

TINY = VdaConfig(
    EncoderConfig(width=64, depth=4, heads=2, levels=(0, 1, 2, 3)),
    features=64,
    out_channels=(16, 32, 64, 64),
)
METRIC = dataclasses.replace(TINY, metric=True)


@pytest.fixture(scope='module')
def model() -> VideoDepthAnything:
    built = build_network(TINY)
    assert isinstance(built, VideoDepthAnything)
    return built


@pytest.fixture
def as_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small preset is the tiny network."""
    monkeypatch.setitem(VDA_PRESETS, 'vda-small', TINY)
    monkeypatch.setitem(VDA_PRESETS, 'vda-metric-small', METRIC)


def whole_state(model: VideoDepthAnything) -> dict[str, torch.Tensor]:
    """All that a published file holds, what nothing reads included."""
    layout = checkpoint_layout(model.config)
    unused = {name: torch.zeros(shape) for name, shape in layout.unused.items()}
    return published_state(model) | unused | layout.tables


def equal(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_maps_have_the_size_of_the_input(model: VideoDepthAnything) -> None:
    images = torch.randn(2, 3, 3, 42, 56)
    with torch.inference_mode():
        maps = model(images).maps_BTHW
        alone = model(images[1:]).maps_BTHW
    assert maps.shape == (2, 3, 42, 56)
    assert bool((maps >= 0).all())
    torch.testing.assert_close(maps[1:], alone)


@pytest.mark.parametrize(('frames', 'side'), [(33, 14), (1, 15), (0, 14)])
def test_impossible_clips_are_refused(model: VideoDepthAnything, frames: int, side: int) -> None:
    with pytest.raises(ConfigError):
        model(torch.zeros(1, frames, 3, side, side))


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.usefixtures('as_preset')
def test_a_whole_file_is_loaded_and_known(
    model: VideoDepthAnything, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f'video_depth_anything_vits{suffix}'
    state = {name: tensor.contiguous() for name, tensor in whole_state(model).items()}
    torch.save(state, path) if suffix == '.pth' else save_file(state, path)
    loaded = build_network('auto', path)
    assert loaded.config == TINY
    assert equal(loaded, model)


@pytest.mark.usefixtures('as_preset')
def test_metric_weights_are_known_by_their_name_or_the_preset(
    model: VideoDepthAnything, tmp_path: Path
) -> None:
    published = tmp_path / 'metric_video_depth_anything_vits.pth'
    torch.save(whole_state(model), published)
    assert is_metric(build_network('auto', published))
    renamed = published.rename(tmp_path / 'renamed.pth')
    assert not is_metric(build_network('auto', renamed))
    assert is_metric(build_network('vda-metric-small', renamed))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'head.scratch.layer1_rn.weight': torch.zeros(3)}, 'mis-shaped'),
        ({'camera_head.token_norm.weight': torch.zeros(128)}, '1 unknown'),
        ({'pretrained.norm.weight': torch.full((64,), torch.nan)}, 'NaN or infinity'),
        ({'pos_encoder.pe': torch.zeros(1, 32, 64)}, '1 unknown'),
    ],
)
def test_anything_else_is_refused(
    model: VideoDepthAnything, change: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        build_network(TINY, whole_state(model) | change)


def test_a_missing_tensor_and_another_sinusoid_are_refused(model: VideoDepthAnything) -> None:
    state = whole_state(model)
    name = next(name for name in state if name.endswith('pos_encoder.pe'))
    with pytest.raises(WeightsError, match='not the fixed sinusoid'):
        build_network(TINY, state | {name: state[name] + 1})
    del state['pretrained.cls_token']
    with pytest.raises(WeightsError, match=r'1 missing: pretrained\.cls_token'):
        build_network(TINY, state)


def test_the_families_are_told_apart(model: VideoDepthAnything, tiny_model: GemDepth) -> None:
    with pytest.raises(WeightsError, match='unknown'):
        build_network(TINY, published_state(tiny_model))
    with pytest.raises(WeightsError, match='missing'):
        build_network(tiny_model.config, published_state(model))
    with pytest.raises(ConfigError, match='needs a GemDepth'):
        build_gemdepth(TINY)


@pytest.mark.parametrize('name', VDA_PRESETS)
def test_every_size_is_known_by_its_shapes(name: str) -> None:
    layout = checkpoint_layout(VDA_PRESETS[name])
    with torch.device('meta'):
        state = {key: torch.empty(shape) for key, (_, shape) in layout.used.items()}
    assert preset_of(state) == name.replace('-metric', '')
    assert preset_name(VDA_PRESETS[name]) == name


@pytest.mark.parametrize(
    'change', [{'features': 60}, {'out_channels': (16, 32, 60, 64)}], ids=['features', 'channels']
)
def test_impossible_sizes_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match='divisible'):
        dataclasses.replace(TINY, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_stays_near(model: VideoDepthAnything, dtype: torch.dtype) -> None:
    half = build_network(TINY, published_state(model), dtype=dtype)
    assert isinstance(half, VideoDepthAnything)
    images = torch.randn(1, 2, 3, 42, 56)
    with torch.inference_mode():
        full, rounded = model(images).maps_BTHW, half(images).maps_BTHW
    assert rounded.dtype == torch.float32
    assert float((rounded - full).norm() / full.norm()) < 0.02

"""Presets, and sizes that cannot work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.model import GemDepthConfig, build_gemdepth
from gemdepth_ros.model.config import VIT_SMALL, EncoderConfig

SMALL = GemDepthConfig.preset('small')


def test_the_default_is_the_published_network() -> None:
    assert GemDepthConfig() == GemDepthConfig.preset('vitl')
    assert GemDepthConfig().encoder == EncoderConfig(1024, 24, 16, (4, 11, 17, 23))


def test_an_unknown_preset_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown network 'huge'; known: small, tiny, vda-base, .*, vitl"
    ):
        build_gemdepth('huge')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'heads': 7}, 'heads must be even'),
        ({'heads': 0}, 'heads must be even and positive, got 0'),
        ({'heads': 10}, 'must be divisible by twice the heads'),
        ({'heads': 64}, 'must be divisible by the time heads'),
        ({'camera_head_heads': 7}, 'must be divisible by camera_head_heads'),
        ({'features': 50}, 'must be divisible by 32'),
        ({'out_channels': (48, 96, 190, 384)}, 'must be divisible by 32'),
        ({'pose_injection': 'sometimes'}, "must be 'always' or 'never', got 'sometimes'"),
        ({'encoder': replace(VIT_SMALL, heads=7)}, 'the encoder heads'),
    ],
)
def test_sizes_that_cannot_work_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **change)


@pytest.mark.parametrize('levels', [(0, 1, 2, 12), (3, 2, 5, 8), (1, 1, 2, 3), (-1, 2, 5, 8)])
def test_levels_are_ascending_blocks_of_the_encoder(levels: tuple[int, int, int, int]) -> None:
    with pytest.raises(ConfigError, match=r'four ascending blocks of 0\.\.11'):
        replace(VIT_SMALL, levels=levels)

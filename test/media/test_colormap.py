"""The colour range and the colours."""

from __future__ import annotations

import numpy as np
import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.media import SteadyRange, colour_map


def noise(seed: int, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).random((60, 80))).astype(np.float32)


def test_range_starts_at_the_first_frame() -> None:
    low, high = SteadyRange().update(noise(0))
    assert 0 < low < 0.05
    assert 0.95 < high < 1


def test_one_odd_frame_hardly_moves_the_range() -> None:
    colours = SteadyRange(horizon=30)
    low, high = colours.update(noise(0))
    odd_low, odd_high = colours.update(noise(1, scale=2.0))
    assert abs(odd_high - high) < 0.05 * high
    assert abs(odd_low - low) < 0.05 * high


def test_range_follows_the_scene() -> None:
    colours = SteadyRange(horizon=30)
    colours.update(noise(0))
    for seed in range(1, 150):
        _, high = colours.update(noise(seed, scale=3.0))
    assert high == pytest.approx(3 * 0.98, rel=0.03)


def test_range_of_nothing_known() -> None:
    assert SteadyRange().update(np.full((8, 8), np.nan, np.float32)) == (0.0, 1.0)


def test_impossible_horizon() -> None:
    with pytest.raises(ConfigError, match='horizon'):
        SteadyRange(horizon=0.5)


def test_near_is_bright_and_unknown_is_black() -> None:
    disparity = np.array([[0, 1, 2, np.nan, np.inf]], np.float32)
    rgb = colour_map(disparity, 0, 2)
    assert rgb.shape == (1, 5, 3)
    assert rgb.dtype == np.uint8
    brightness = rgb.astype(int).sum(axis=2)[0]
    assert brightness[0] < brightness[1] < brightness[2]
    assert brightness[3] == brightness[4] == 0


def test_flat_and_huge_maps_do_not_overflow() -> None:
    flat = np.full((4, 4), 5.0, np.float32)
    assert len(np.unique(colour_map(flat, 5, 5).reshape(-1, 3), axis=0)) == 1
    huge = np.array([[0, 3e38]], np.float32)
    assert (colour_map(huge, 0, 3e38)[0, 1] > 100).any()

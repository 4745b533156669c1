"""Depth images from disparity: metres with the values of REP 117 and 118, relative, preview."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.grounding.manual import manual_state
from gemdepth_ros.pipeline import ManualConfig, NetworkConfig, ProductsConfig
from gemdepth_ros.pipeline.products import (
    PreviewColours,
    at_image_size,
    metric_depth,
    relative_depth,
)

LIMITS = ProductsConfig(max_depth_m=80.0, min_depth_m=0.5)


def metres(disparity: float, scale: float = 20.0, shift: float = 1.0) -> float:
    state = manual_state(scale, shift, math.nan)
    return float(metric_depth(torch.tensor([[disparity]]), state, LIMITS)[0, 0])


@given(depth=st.floats(0.51, 79.0), scale=st.floats(0.1, 1e3), shift=st.floats(-5, 5))
def test_depth_is_scale_over_disparity_minus_shift(
    depth: float, scale: float, shift: float
) -> None:
    state = manual_state(scale, shift, math.nan)
    disparity = torch.tensor([[shift + scale / depth]], dtype=torch.float64)
    found = float(metric_depth(disparity, state, LIMITS)[0, 0])
    assert found == pytest.approx(depth, rel=1e-6)


@pytest.mark.parametrize(
    'disparity',
    [
        1.0 + 20 / 80.001,  # just beyond the maximum
        1.0,  # infinitely far
        0.5,  # behind infinity
        0.0,
    ],
)
def test_far_is_plus_infinity_and_never_the_maximum(disparity: float) -> None:
    """REP 118: a clipped maximum would look like a wall."""
    assert metres(disparity) == math.inf


def test_just_inside_the_limits_is_depth() -> None:
    assert metres(1.0 + 20 / 79.99) == pytest.approx(79.99, rel=1e-4)
    assert metres(1.0 + 20 / 0.501) == pytest.approx(0.501, rel=1e-4)


def test_too_near_is_unknown() -> None:
    assert math.isnan(metres(1.0 + 20 / 0.499))


def test_disparity_that_is_no_number_is_unknown() -> None:
    assert math.isnan(metres(math.nan))


def test_relative_depth() -> None:
    disparity = torch.tensor([[2.0, 0.5, 0.0]])
    assert relative_depth(disparity).tolist() == [[0.5, 2.0, math.inf]]


def test_resizing_keeps_the_corners() -> None:
    small = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    large = at_image_size(small, (3, 5))
    assert large.shape == (3, 5)
    assert large.tolist()[0] == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert large[2, 4] == 7.0
    assert at_image_size(small, (2, 2)) is small


def test_the_preview_is_a_picture_with_the_near_bright() -> None:
    disparity = np.tile(np.linspace(0, 5, 64, dtype=np.float32), (32, 1))
    picture = PreviewColours()(disparity)
    assert (picture.shape, picture.dtype) == ((32, 64, 3), np.uint8)
    assert picture.flags.c_contiguous
    assert picture[0, -1].sum() > picture[0, 0].sum() + 300


def test_the_previews_range_follows_slowly_until_it_is_forgotten() -> None:
    colours = PreviewColours()
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (32, 1))
    steady = colours(ramp).astype(int)
    # Three times as near at once: nearly all that was there is now brighter than the range.
    flash = colours(3 * ramp).astype(int)
    assert np.abs(flash - steady).mean() > 20
    for _ in range(60):
        settled = colours(3 * ramp).astype(int)
    assert np.abs(settled - steady).mean() < 2
    colours.forget()
    np.testing.assert_array_equal(colours(ramp), steady)


def test_a_preview_of_a_flat_map_is_a_picture() -> None:
    assert PreviewColours()(np.ones((8, 8), np.float32)).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'min_depth_m': 0.0}, '0 < min_depth_m < max_depth_m, got 0.0 and 80.0'),
        ({'max_depth_m': 0.05}, 'got 0.1 and 0.05'),
        ({'max_depth_m': math.nan}, 'got 0.1 and nan'),
        ({'cloud_decimation': 0}, 'cloud_decimation must be >= 1, got 0'),
    ],
)
def test_impossible_products_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ProductsConfig(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'enabled': True}, 'needs a finite scale > 0, got nan'),
        ({'enabled': True, 'scale': -1.0}, 'needs a finite scale > 0, got -1'),
        ({'enabled': True, 'scale': 1.0, 'shift': math.inf}, 'needs a finite shift, got inf'),
        ({'translation_factor': 0.0}, 'translation_factor must be finite and > 0, got 0'),
        ({'translation_factor': math.inf}, 'translation_factor must be finite and > 0, got inf'),
    ],
)
def test_impossible_grounding_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ManualConfig(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'dtype': 'float64'}, "must be auto, float32, bfloat16 or float16, got 'float64'"),
        ({'threads': -1}, 'threads must be >= 0, got -1'),
    ],
)
def test_impossible_network_settings_are_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NetworkConfig(**arguments)  # type: ignore[arg-type]

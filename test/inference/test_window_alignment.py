"""Joining windows: fits that make no sense are refused, and the last good one goes on."""

from __future__ import annotations

import numpy as np
import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference import WindowConfig
from gemdepth_ros.inference.stitching import Stitcher, fit_checked, fit_scale_shift

RNG = np.random.default_rng(0)
MAPS = RNG.uniform(1, 5, (2, 60, 80)).astype(np.float32)


def test_a_good_fit_is_that_of_the_published_sums() -> None:
    target = MAPS * np.float32(1.7) + np.float32(0.4)
    fit = fit_checked(MAPS, target)
    assert fit == pytest.approx((1.7, 0.4), abs=1e-5)
    assert fit == pytest.approx(fit_scale_shift(MAPS, target), abs=1e-4)


@pytest.mark.parametrize(
    'target', [5 - MAPS, np.full_like(MAPS, 2), np.full_like(MAPS, np.nan)], ids=str
)
def test_what_is_inverted_flat_or_unknown_has_no_fit(target: np.ndarray) -> None:
    assert fit_checked(MAPS, target.astype(np.float32)) is None


@pytest.mark.parametrize('value', [0.0, 0.37, 3.7, 1e-30, 1e30])
def test_flat_maps_have_no_fit_however_many_pixels(value: float) -> None:
    """In float32 sums, 28,800 pixels of 0.37 give a scale of 5.33 instead."""
    flat = np.full((2, 90, 160), value, np.float32)
    assert fit_checked(flat, flat) is None


def test_a_spread_that_float32_sums_lose_is_found() -> None:
    nearly_flat = (3.7 + 3e-4 * 3.7 * RNG.standard_normal((2, 500, 700))).astype(np.float32)
    target = (2 * nearly_flat.astype(np.float64) - 1).astype(np.float32)
    assert fit_checked(nearly_flat, target) == pytest.approx((2, -1), rel=1e-2)


def windows(stitcher: Stitcher, maps: list[np.ndarray]) -> list[np.ndarray]:
    return [stitcher.add(np.broadcast_to(m, (8, *m.shape)).copy()) for m in maps]


def test_a_refused_window_goes_on_with_the_former_scale() -> None:
    stitcher = Stitcher(WindowConfig.preset(8), 'checked')
    first = MAPS[0]
    parts = windows(stitcher, [first, 0.5 * first])
    assert (stitcher.last_fit, stitcher.refused) == (pytest.approx((2, 0), abs=1e-4), False)
    np.testing.assert_allclose(parts[1][-1], first, rtol=1e-4)
    windows(stitcher, [np.float32(6) - first])
    assert (stitcher.last_fit, stitcher.refused) == (pytest.approx((2, 0), abs=1e-4), True)


def test_metres_are_blended_and_never_scaled() -> None:
    stitcher = Stitcher(WindowConfig.preset(8), 'none')
    parts = windows(stitcher, [MAPS[0], 2 * MAPS[0]])
    assert stitcher.last_fit == (1.0, 0.0)
    np.testing.assert_array_equal(parts[1][0], MAPS[0])  # the blend begins with the old map
    np.testing.assert_array_equal(parts[1][1], 2 * MAPS[0])


def test_an_unknown_alignment_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 'best'"):
        WindowConfig(alignment='best')  # type: ignore[arg-type]

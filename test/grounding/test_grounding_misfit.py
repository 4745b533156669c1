"""What a fit of scale and shift leaves wrong at single depths goes into its covariance."""

from __future__ import annotations

import numpy as np
import pytest

from gemdepth_ros.grounding.misfit import JUDGED, misfit_covariance
from gemdepth_ros.interfaces import Float64Array

SCALE = 6.0  # of disparity: d = SCALE / Z


def points(depth_m: float, count: int, seed: int = 0) -> Float64Array:
    """Inverse depths around one depth."""
    random = np.random.default_rng(seed)
    return np.asarray(1.0 / (depth_m * random.uniform(0.95, 1.05, count)))


def relative_std(covariance: Float64Array, inverse_depth: float = JUDGED) -> float:
    """Standard deviation of 1/Z at a depth as part of it."""
    at = np.array([inverse_depth, 1.0])
    return float(np.sqrt(at @ covariance @ at)) / (SCALE * inverse_depth)


def test_noise_alone_is_no_misfit() -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        rho = 1.0 / random.uniform(3.0, 80.0, 600)
        noise = 0.05 * SCALE * rho * random.standard_normal(600)
        outliers = random.random(600) < 0.05
        noise[outliers] += random.uniform(-1.0, 1.0, outliers.sum())
        found = misfit_covariance(rho, noise, random.integers(0, 60, 600))
        assert relative_std(found) < 0.03


@pytest.mark.parametrize(('depth_m', 'least', 'most'), [(20.0, 0.4, 0.6), (5.0, 0.0, 0.1)])
def test_a_few_points_against_many(depth_m: float, least: float, most: float) -> None:
    """Three hundred near points that fit, and twenty that are seen half as near as they are."""
    near, off = points(6.0, 300), points(depth_m, 20)
    rho = np.concatenate([near, off])
    residual = np.concatenate([np.zeros(300), -0.5 * SCALE * off])
    tiles = np.concatenate([np.arange(300) % 30, 40 + np.arange(20) % 4])
    assert least <= relative_std(misfit_covariance(rho, residual, tiles)) <= most


@pytest.mark.parametrize(('count', 'spread_over'), [(7, 7), (20, 2)])
def test_points_of_one_thing_say_nothing(count: int, spread_over: int) -> None:
    off = points(20.0, count)
    found = misfit_covariance(off, -0.5 * SCALE * off, np.arange(count) % spread_over)
    np.testing.assert_array_equal(found, np.zeros((2, 2)))

"""Intervals of means over frames hold what they promise, also where frames are alike."""

from __future__ import annotations

import numpy as np
import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.bootstrap import block_length, difference_interval, mean_interval


def related(count: int, correlation: float, random: np.random.Generator) -> np.ndarray:
    """A first-order autoregressive series of mean 0."""
    noise = random.standard_normal(count)
    values = np.empty(count)
    values[0] = noise[0] / np.sqrt(1 - correlation**2)
    for index in range(1, count):
        values[index] = correlation * values[index - 1] + noise[index]
    return values


def test_the_same_numbers_twice() -> None:
    values = np.random.default_rng(1).random(100)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values) != mean_interval(values, seed=1)


def test_equal_frames_leave_no_doubt() -> None:
    found = mean_interval(np.full(50, 0.3))
    assert (found.mean, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3))
    assert found.frames == 50


def test_frames_without_a_value_are_left_out() -> None:
    found = mean_interval(np.array([1.0, np.nan, 3.0]))
    assert found.mean == 2.0
    assert found.frames == 2
    assert np.isnan(mean_interval(np.full(3, np.nan)).mean)


@pytest.mark.parametrize(('frames', 'sure'), [(1, False), (7, False), (8, True)])
def test_a_handful_of_frames_proves_nothing(frames: int, sure: bool) -> None:
    found = mean_interval(np.full(frames, 0.3))
    assert found.mean == pytest.approx(0.3)
    assert found.excludes_zero == sure


def test_blocks_grow_with_the_correlation() -> None:
    random = np.random.default_rng(0)
    lengths = [
        np.mean([block_length(related(500, correlation, random)) for _ in range(20)])
        for correlation in (0.0, 0.5, 0.9)
    ]
    assert lengths[0] < lengths[1] < lengths[2]
    assert lengths[0] < 3
    assert lengths[2] > 10


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    inside = single = 0
    for trial in range(200):
        values = related(1000, 0.8, random)
        found = mean_interval(values, resamples=400, seed=trial)
        inside += found.low < 0 < found.high
        shuffled = mean_interval(random.permutation(values), resamples=400, seed=trial)
        single += shuffled.low < 0 < shuffled.high
    assert inside / 200 > 0.86  # 0.95 in the limit of long recordings
    assert single / 200 < 0.65  # frames drawn one by one


def test_a_paired_difference_sees_what_two_intervals_do_not() -> None:
    random = np.random.default_rng(0)
    hard = 0.2 + 0.1 * random.random(200)
    first = hard + 0.001 * random.standard_normal(200)
    second = hard + 0.003 + 0.001 * random.standard_normal(200)
    difference = difference_interval(first, second)
    assert difference.excludes_zero
    assert difference.mean == pytest.approx(0.003, abs=5e-4)
    assert mean_interval(first).high > mean_interval(second).low


def test_a_difference_of_nothing_is_no_difference() -> None:
    values = np.random.default_rng(0).random(30)
    assert not difference_interval(values, values).excludes_zero


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ConfigError, match='10 and 9'):
        difference_interval(np.zeros(10), np.zeros(9))
    with pytest.raises(ConfigError, match='confidence'):
        mean_interval(np.zeros(3), confidence=95)
    with pytest.raises(ConfigError, match='resamples'):
        mean_interval(np.zeros(3), resamples=0)

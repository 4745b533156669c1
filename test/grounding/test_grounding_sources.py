"""Each source alone, on synthetic truth with 5 % gross outliers."""

from __future__ import annotations

import math
from dataclasses import replace

import grounding_cases as cases
import numpy as np
import pytest
from grounding_worlds import World, abs_rel, nees
from scipy.stats import chi2

SEEDS = 4
# Stated with its inputs: a plane with a pitch known to 0.2 deg cannot give 3 % at 60 m.
ACCURATE = [name for name in cases.SOURCES if name != 'ground plane, pitch to 0.2 deg']


@pytest.mark.parametrize('name', ACCURATE)
def test_depth_is_within_three_percent(name: str) -> None:
    world, settings = cases.SOURCES[name]
    errors = []
    for seed in range(SEEDS):
        state, truth, frame = cases.world_run(replace(world, seed=seed), settings)
        assert state.metric
        assert state.depth_std_at_20m < 0.1
        errors.append(abs_rel(state, truth, frame.depth_m))
    assert max(errors) < 0.03


@pytest.mark.parametrize('name', list(cases.SOURCES))
def test_stated_standard_deviation_is_not_too_small(name: str) -> None:
    world, settings = cases.SOURCES[name]
    values = []
    for seed in range(SEEDS):
        given = cases.stated_errors(replace(world, seed=seed))
        state, truth, _ = cases.world_run(given, settings)
        values.append(nees(state, truth))
    # Few seeds: only gross overconfidence can be told; the slow test has the bounds.
    assert np.sum(values) < chi2.ppf(0.9999, 2 * SEEDS)


@pytest.mark.slow
def test_normalised_error_squared_is_within_its_bounds() -> None:
    rows = {row['source']: row for row in cases.consistency()}
    verdicts = {name: rows[name]['verdict'] for name in cases.SOURCES}
    assert set(verdicts.values()) == {'within'}, rows
    assert all(rows[name]['verdict'] == 'cautious' for name in cases.TWICE_COUNTED), rows


@pytest.mark.slow
@pytest.mark.parametrize('beams', [64, 16, 3])
@pytest.mark.parametrize('off_deg', [0.0, 0.1, 0.3])
def test_shipped_lidar_is_never_too_sure_of_a_transform_as_good_as_stated(
    beams: int, off_deg: float
) -> None:
    assert cases.lidar_alignment(beams, off_deg)['mean NEES'] < chi2.ppf(0.975, 80) / 40


def test_parallax_without_odometry_is_not_metric() -> None:
    world = World(sources=('parallax',), frames=4, **cases.PARALLAX)
    state, _, _ = cases.world_run(world, cases.config('parallax'))
    assert not state.metric
    assert math.isnan(state.translation_factor) or state.depth_std_at_20m > 1


def test_odometry_alone_gives_the_factor_and_no_depth() -> None:
    world = World(sources=('odometry',))
    state, truth, _ = cases.world_run(world, cases.config('odometry'))
    assert not state.metric
    assert math.isnan(state.scale)
    assert state.translation_factor == pytest.approx(truth.factor, rel=0.05)
    assert state.sources == ('odometry',)


def test_lidar_and_parallax_give_the_factor_without_odometry() -> None:
    world = World(sources=('parallax', 'lidar'), **cases.PARALLAX)
    state, truth, _ = cases.world_run(world, cases.config('parallax', 'lidar'))
    assert state.metric
    assert state.translation_factor == pytest.approx(truth.factor, rel=0.08)


def test_sky_alone_gives_nothing_metric() -> None:
    world = World(sources=('sky',), frames=3)
    state, _, _ = cases.world_run(world, cases.config('sky'))
    assert not state.metric


def test_height_and_sky_need_no_pitch() -> None:
    world, _ = cases.SOURCES['ground plane, pitch to 0.2 deg, sky']
    settings = cases.config('ground_plane', 'sky')
    estimator_world = replace(world, pitch_error_rad=0.0, pitch_std_rad=math.radians(2.0))
    state, truth, frame = cases.world_run(estimator_world, settings)
    assert state.metric
    assert abs_rel(state, truth, frame.depth_m) < 0.05

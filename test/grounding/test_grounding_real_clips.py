"""Real clips: thinned LiDAR through a standstill, tracks at speed, pitch from motion."""

from __future__ import annotations

from pathlib import Path

import grounding_cases as cases
import grounding_kitti as kitti
import numpy as np
import pytest

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope='module')
def traffic(shared: Path) -> Path:
    folder = shared / 'data/kitti_traffic'
    if not folder.is_dir():
        pytest.skip('no data/kitti_traffic beside the repository')
    return folder


@pytest.fixture(scope='module')
def speed(shared: Path) -> Path:
    folder = shared / 'data/kitti_odometry'
    if not folder.is_dir():
        pytest.skip('no data/kitti_odometry beside the repository')
    return folder


@pytest.mark.parametrize('sensor', ['1 %', '16 rings', '1 ring'])
def test_thinned_lidar_recovers_depth_through_the_standstill(traffic: Path, sensor: str) -> None:
    recipe = kitti.Recipe(sensor, noise=0.03)
    errors, states = cases.traffic_errors(traffic, recipe, cases.config('lidar'))
    assert all(state.metric for state in states)
    assert np.mean(errors) < 0.01
    assert max(errors) < 0.03
    assert max(errors[kitti.STANDSTILL :]) < 0.03
    # Nothing is claimed more exactly because the same scene is seen again and again.
    assert states[-1].depth_std_at_20m > max(errors[kitti.STANDSTILL :])


@pytest.mark.parametrize('turned', [1.0, -1.0])
@pytest.mark.parametrize('sensor', ['1 %', '16 rings', '1 ring'])
def test_turned_lidar_is_never_confidently_wrong(
    traffic: Path, sensor: str, turned: float
) -> None:
    recipe = kitti.Recipe(sensor, noise=0.03, turned_deg=turned, frames=12)
    errors, states = cases.traffic_errors(traffic, recipe, cases.config('lidar'))
    for error, state in zip(errors, states, strict=True):
        assert not state.metric or error < 3 * state.depth_std_at_20m


@pytest.mark.parametrize('seed', range(2))
def test_dense_slow_traffic_is_refused_throughout(traffic: Path, seed: int) -> None:
    """Half of the tracks lie on vehicles: some pairs agree, and are 15 % wrong together."""
    recipe = kitti.Recipe(parallax=True, noise=0.03, seed=seed)
    _, states = cases.traffic_errors(traffic, recipe, cases.config('parallax', 'odometry'))
    assert sum('movers' in message for state in states for message in state.messages) > 10
    assert not any(state.metric for state in states)


def test_tracks_and_odometry_recover_scale_and_shift_at_speed(speed: Path) -> None:
    for row in cases.speed_parallax(speed, frames=20):
        assert row['AbsRel last'] < 0.03
        assert row['scale'] == pytest.approx(1.0, abs=0.04)
        assert row['factor'] == pytest.approx(1.0, abs=0.02)
        assert row['metric from frame'] <= 5


def test_direction_of_motion_gives_the_pitch(speed: Path) -> None:
    exact, noisy, _ = cases.motion_pitch(speed)
    assert exact['spread of steps [deg]'] < 0.15
    assert noisy['median [deg]'] == pytest.approx(
        exact['median [deg]'], abs=2 * noisy['stated std of pitch [deg]']
    )

"""Inputs that are wrong beyond what they state: doubted or refused, and named."""

from __future__ import annotations

import math
from dataclasses import replace

import grounding_cases as cases
import pytest
from grounding_worlds import World, abs_rel

PLANE = World(sources=('ground_plane',), frames=40)
CHECKED = World(sources=('ground_plane', 'parallax', 'odometry'), **cases.PARALLAX)
ALL = cases.config('ground_plane', 'parallax', 'odometry')


def covered(world: World, settings: object) -> None:
    state, truth, frame = cases.world_run(world, settings)  # type: ignore[arg-type]
    error = abs_rel(state, truth, frame.depth_m)
    assert not state.metric or error < 3 * state.depth_std_at_20m, (error, state)


@pytest.mark.parametrize('row', range(3))
def test_plane_trap_with_the_height_only_is_not_metric(row: int) -> None:
    trap = cases.plane_trap(seeds=1)[row]
    assert trap['metric'] == '0/1'
    assert trap['AbsRel'] < trap['stated std at 20 m']


@pytest.mark.parametrize('degrees', [-1.0, 1.0])
def test_wrong_pitch_is_found_by_the_direction_of_motion(degrees: float) -> None:
    world = replace(PLANE, pitch_error_rad=math.radians(degrees))
    state, _, _ = cases.world_run(world, cases.config('ground_plane'))
    assert not state.metric
    assert any('contradict' in message for message in state.messages)


def test_pitch_that_nobody_checks_is_not_metric() -> None:
    settings = cases.config('ground_plane', ground_plane={'motion_pitch': False})
    state, _, _ = cases.world_run(replace(PLANE, frames=5), settings)
    assert not state.metric


def test_right_pitch_confirmed_by_motion_is_metric() -> None:
    state, truth, frame = cases.world_run(PLANE, cases.config('ground_plane'))
    assert state.metric
    assert abs_rel(state, truth, frame.depth_m) < 0.05


@pytest.mark.parametrize('seed', range(2))
def test_wrong_height_is_covered_beside_parallax(seed: int) -> None:
    covered(replace(CHECKED, seed=seed, height_error_m=0.165), ALL)


def test_odometry_at_half_distance_contradicts_the_plane() -> None:
    state, _, _ = cases.world_run(replace(CHECKED, odometry_factor=0.5), ALL)
    assert not state.metric
    assert any('contradict' in message for message in state.messages)


def test_odometry_at_half_the_rate_is_as_good() -> None:
    world = replace(CHECKED, sources=('parallax', 'odometry'), odometry_every=2)
    state, truth, frame = cases.world_run(world, cases.config('parallax', 'odometry'))
    assert state.metric
    assert abs_rel(state, truth, frame.depth_m) < 0.03


@pytest.mark.parametrize('beams', [64, 16])
def test_lidar_turned_by_a_degree_is_refused(beams: int) -> None:
    world = World(sources=('lidar',), lidar_turned_deg=1.0, beams=beams)
    state, _, _ = cases.world_run(world, cases.config('lidar'))
    assert not state.metric
    assert 'seems to be off' in state.messages[-1]


def test_lidar_of_one_ring_turned_by_a_degree_is_covered() -> None:
    covered(World(sources=('lidar',), lidar_turned_deg=1.0, beams=3), cases.config('lidar'))

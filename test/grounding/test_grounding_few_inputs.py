"""Speed instead of poses, gravity instead of a mounting, the images instead of odometry."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grounding_cases as cases
import grounding_kitti as kitti
import numpy as np
import pytest
from grounding_worlds import World, abs_rel

from gemdepth_ros.grounding import (
    CameraMounting,
    GroundingEstimator,
    GroundingInput,
    OdometrySample,
)
from gemdepth_ros.grounding.inputs import down_of, tilt_of
from gemdepth_ros.interfaces import Float64Array

FRAME_NS = 100_000_000


def speeds(
    poses: Float64Array, stamp_ns: int, index: int, rate_hz: int, factor: float, seed: int
) -> tuple[OdometrySample, ...]:
    """A wheel's speeds since the last frame, 2 % of noise each; the newest 20 ms before it."""
    random = np.random.default_rng([seed, index])
    before = max(index - 1, 0)
    metres = float(np.linalg.norm(poses[index, :3, 3] - poses[before, :3, 3]))
    if before == index:
        metres = float(np.linalg.norm(poses[1, :3, 3] - poses[0, :3, 3]))
    count = rate_hz // 10
    samples = []
    for k in range(count):
        late = FRAME_NS * (count - 1 - k) // count + 20_000_000
        speed = metres * 10.0 * factor * (1 + 0.02 * random.normal())
        samples.append(OdometrySample(stamp_ns - late, None, speed))
    return tuple(samples)


def speed_only(
    folder: Path, frames: int, rate_hz: int, factor: float = 1.0
) -> Iterator[tuple[GroundingInput, Float64Array]]:
    poses = np.tile(np.eye(4), (51, 1, 1))
    poses[:, :3] = np.loadtxt(folder / 'poses.txt').reshape(-1, 3, 4)
    for index, (given, depth) in enumerate(kitti.speed_clip(folder, frames, (8.0, 0.3), 2.5)):
        samples = speeds(poses, given.stamp_ns, index, rate_hz, factor, 0)
        yield replace(given, odometry=samples), depth


@pytest.fixture(scope='module')
def speed_folder(shared: Path) -> Path:
    folder = shared / 'data/kitti_odometry'
    if not folder.is_dir():
        pytest.skip('no data/kitti_odometry beside the repository')
    return folder


@pytest.mark.shared_data
@pytest.mark.parametrize('rate_hz', [10, 50])
def test_a_speed_is_enough_on_a_real_drive(speed_folder: Path, rate_hz: int) -> None:
    estimator = GroundingEstimator(cases.config('parallax', 'odometry'))
    depth = np.zeros(0)
    for given, seen in speed_only(speed_folder, 20, rate_hz):
        state, depth = estimator.update(given), seen
    assert not state.messages
    assert state.metric
    assert state.translation_factor == pytest.approx(2.5, rel=0.02)
    assert kitti.abs_rel(state, (8.0, 0.3), depth) < 0.03
    assert not estimator.standing_still


def test_a_speed_is_enough_in_the_street() -> None:
    world = World(sources=('parallax', 'odometry'), **cases.PARALLAX)
    estimator = GroundingEstimator(cases.config('parallax', 'odometry'))
    previous = None
    for given, seen in world.inputs():
        position = seen.world_from_camera[:3, 3]
        step = 0.86 if previous is None else float(np.linalg.norm(position - previous))
        previous = position
        sample = OdometrySample(given.stamp_ns, None, 10.0 * step)
        state = estimator.update(replace(given, odometry=(sample,)))
    truth = world.truth()
    assert state.metric
    assert state.translation_factor == pytest.approx(truth.factor, rel=0.03)
    assert abs_rel(state, truth, seen.depth_m) < 0.04


def test_a_vehicle_that_backs_up_has_a_speed_below_zero() -> None:
    world = World(sources=('odometry',), frames=6)
    forward, backward = (GroundingEstimator(cases.config('odometry')) for _ in range(2))
    for given, _ in world.inputs():
        states = []
        for estimator, sign in ((forward, 1.0), (backward, -1.0)):
            sample = OdometrySample(given.stamp_ns, None, sign * 8.6)
            states.append(estimator.update(replace(given, odometry=(sample,))))
    assert states[0].translation_factor == pytest.approx(states[1].translation_factor)


@pytest.mark.parametrize('pause', [4, 18, 60])
def test_a_speed_that_pauses_says_nothing_of_the_way_in_between(pause: int) -> None:
    """1 m/s before and while it is silent, 10 m/s after: the newest speed is not the pause's."""
    world = World(sources=('odometry',), frames=1)
    given, _ = next(world.inputs())
    estimator = GroundingEstimator(cases.config('odometry'))
    z = 0.0
    for index in range(pause + 40):
        silent = 3 <= index < 3 + pause
        speed = 1.0 if index < 3 + pause else 10.0
        z += 0.1 * speed
        pose = np.eye(4)
        pose[2, 3] = z / 2.5
        stamp = given.stamp_ns + index * FRAME_NS
        samples = () if silent else (OdometrySample(stamp, None, speed),)
        state = estimator.update(
            replace(given, stamp_ns=stamp, session_from_camera=pose, odometry=samples)
        )
        if math.isfinite(state.translation_factor):
            assert state.translation_factor == pytest.approx(2.5, rel=0.02)
    assert math.isfinite(state.translation_factor)


def unmounted(frame: GroundingInput, error_deg: float) -> GroundingInput:
    """Only the height is known; the camera's IMU says which way is down, with an error."""
    mounting = frame.mounting
    assert mounting is not None
    down = down_of(mounting.pitch_rad + math.radians(error_deg), mounting.roll_rad)
    height = CameraMounting(height_m=mounting.height_m, height_std_m=0.02)
    return replace(
        frame, mounting=height, gravity_camera=9.81 * down, gravity_std_rad=math.radians(0.3)
    )


def drive(world: World, settings: object, error_deg: float, *, keep_mounting: bool = False):
    estimator, depth = GroundingEstimator(settings), np.zeros(0)  # type: ignore[arg-type]
    for given, seen in world.inputs():
        frame, depth = unmounted(given, error_deg), seen.depth_m
        if keep_mounting:
            frame = replace(frame, mounting=given.mounting)
        state = estimator.update(frame)
    return state, abs_rel(state, world.truth(), depth)


def test_gravity_is_a_pitch_that_motion_confirms() -> None:
    """The IMU of a moving vehicle against its direction of motion: two that agree."""
    world = World(sources=('ground_plane',), frames=40)
    state, error = drive(world, cases.config('ground_plane'), 0.0)
    assert state.metric
    assert not state.messages
    assert error < 0.05
    assert error < 3 * state.depth_std_at_20m


def test_gravity_alone_is_unchecked() -> None:
    world = World(sources=('ground_plane',), frames=5)
    settings = cases.config('ground_plane', ground_plane={'motion_pitch': False})
    state, error = drive(world, settings, 0.0)
    assert not state.metric
    assert error < 3 * state.depth_std_at_20m


@pytest.mark.parametrize('error_deg', [-2.0, 2.0])
def test_gravity_contradicts_a_mounting(error_deg: float) -> None:
    world = World(sources=('ground_plane',), frames=5)
    settings = cases.config('ground_plane', ground_plane={'motion_pitch': False})
    state, _ = drive(world, settings, error_deg, keep_mounting=True)
    assert not state.metric
    assert any('pitch of' in m and 'contradict each other' in m for m in state.messages)
    agreeing, error = drive(world, settings, 0.0, keep_mounting=True)
    assert agreeing.metric
    assert not agreeing.messages
    assert error < 3 * agreeing.depth_std_at_20m


def test_gravity_that_is_no_direction_is_left_out() -> None:
    world = World(sources=('ground_plane',), frames=1)
    given, _ = next(world.inputs())
    estimator = GroundingEstimator(cases.config('ground_plane'))
    for broken in (np.zeros(3), np.full(3, np.nan)):
        state = estimator.update(replace(given, gravity_camera=broken))
        assert math.isfinite(state.scale)


def test_tilt_and_down_are_each_others_inverse() -> None:
    for pitch, roll in ((0.1, -0.05), (-0.2, 0.3), (0.0, 0.0)):
        assert tilt_of(9.81 * down_of(pitch, roll)) == pytest.approx((pitch, roll), abs=1e-12)


@pytest.mark.shared_data
def test_the_images_alone_say_when_the_vehicle_stands(shared: Path) -> None:
    """Braking to a stop in traffic, without odometry: nothing but standing is called so."""
    folder = shared / 'data/kitti_traffic'
    if not folder.is_dir():
        pytest.skip('no data/kitti_traffic beside the repository')
    estimator = GroundingEstimator(cases.config('parallax'))
    still = []
    for given, _ in kitti.traffic(folder, kitti.Recipe(parallax=True)):
        estimator.update(replace(given, odometry=()))
        still.append(estimator.standing_still)
    poses = np.loadtxt(folder / 'poses.txt').reshape(-1, 3, 4)[:, :, 3]
    step = np.r_[1.0, np.linalg.norm(np.diff(poses, axis=0), axis=1)]
    standing, driving = np.array(still)[step < 0.005], np.array(still)[step > 0.1]
    assert len(standing) > 5
    assert standing.mean() > 0.8
    assert not driving.any()

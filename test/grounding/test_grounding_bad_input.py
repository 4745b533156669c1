"""Broken messages: one clear line each, nothing raised, and the state survives."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import cv2
import grounding_cases as cases
import numpy as np
import pytest
from grounding_worlds import CAMERA_FROM_LIDAR, World

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.grounding import (
    CoarseDisparity,
    GroundingConfig,
    GroundingEstimator,
    GroundingInput,
    LidarScan,
    OdometrySample,
)
from gemdepth_ros.grounding.config import OdometryConfig
from gemdepth_ros.interfaces import PinholeIntrinsics, ResetReason


@pytest.fixture(scope='module')
def frames() -> list[GroundingInput]:
    world = World(sources=('lidar', 'odometry', 'sky'), frames=6)
    return [given for given, _ in world.inputs()]


def running(frames: list[GroundingInput], *sources: str) -> GroundingEstimator:
    estimator = GroundingEstimator(cases.config(*sources))
    for frame in frames[:5]:
        state = estimator.update(frame)
    assert not state.messages
    return estimator


def assert_goes_on(estimator: GroundingEstimator, frames: list[GroundingInput]) -> None:
    """The next good frame is as if nothing had been."""
    later = frames[5].stamp_ns + 100_000_000
    lidar, odometry = frames[5].lidar, frames[5].odometry[0]
    assert lidar is not None
    good = replace(
        frames[5],
        stamp_ns=later,
        lidar=replace(lidar, stamp_ns=later),
        odometry=(replace(odometry, stamp_ns=later),),
    )
    state = estimator.update(good)
    assert not state.messages
    assert state.metric


def cloud(kind: str, scan: LidarScan) -> LidarScan:
    points = np.asarray(scan.points)
    if kind == 'empty':
        return replace(scan, points=points[:0])
    if kind == 'NaN':
        return replace(scan, points=np.full_like(points, np.nan))
    if kind == 'no fields':
        return replace(scan, points=np.zeros(50, [('range', 'f4'), ('intensity', 'f4')]))
    if kind == 'wrong frame':
        return replace(scan, camera_from_lidar=np.diag([-1.0, 1.0, -1.0, 1.0]) @ CAMERA_FROM_LIDAR)
    if kind == 'NaN transform':
        return replace(scan, camera_from_lidar=np.full((4, 4), np.nan))
    if kind == 'flat':
        return replace(scan, points=points.ravel())
    if kind == 'few':
        return replace(scan, points=points[:5])
    assert kind == 'zero stamp'
    return replace(scan, stamp_ns=0)


@pytest.mark.parametrize(
    ('kind', 'says'),
    [
        ('empty', 'the cloud is empty'),
        ('NaN', 'points are NaN'),
        ('no fields', 'no field x, y, z, only range, intensity'),
        ('wrong frame', 'none of'),
        ('NaN transform', 'transform from the LiDAR to the camera is not finite'),
        ('flat', r'must be \[N, 3\]'),
        ('few', 'usable points in the image, 20 are needed'),
        ('zero stamp', 'check its stamps'),
    ],
)
def test_bad_cloud(frames: list[GroundingInput], kind: str, says: str) -> None:
    estimator = running(frames, 'lidar')
    assert frames[5].lidar is not None
    state = estimator.update(replace(frames[5], lidar=cloud(kind, frames[5].lidar)))
    assert len(state.messages) == 1
    assert '\n' not in state.messages[0]
    assert re.search(says, state.messages[0]), state.messages[0]
    assert state.metric
    assert_goes_on(estimator, frames)


def test_cloud_with_some_nan_is_used(frames: list[GroundingInput]) -> None:
    estimator = running(frames, 'lidar')
    scan = frames[5].lidar
    assert scan is not None
    points = np.array(scan.points)
    points[::3] = np.nan
    state = estimator.update(replace(frames[5], lidar=replace(scan, points=points)))
    assert state.metric
    assert not state.messages


def test_structured_cloud_is_used(frames: list[GroundingInput]) -> None:
    estimator = running(frames, 'lidar')
    scan = frames[5].lidar
    assert scan is not None
    points = np.asarray(scan.points)
    named = np.zeros(len(points), [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('ring', 'u2')])
    for index, name in enumerate('xyz'):
        named[name] = points[:, index]
    state = estimator.update(replace(frames[5], lidar=replace(scan, points=named)))
    assert not state.messages


@pytest.mark.parametrize(
    ('sample', 'says'),
    [
        ({'stamp_ns': 0}, 'has the stamp 0'),
        ({'stamp_ns': 5}, 'away from the image'),
        ({'stamp_ns': -7}, 'has the stamp -7'),
        ({'stamp_ns': 1 << 62}, 'away from the image'),
        ({'odom_from_base': None, 'speed_mps': 500.0}, 'is absurd'),
        ({'odom_from_base': np.full((4, 4), np.nan)}, 'not finite'),
        ({'odom_from_base': None}, 'neither a pose nor a finite speed'),
        ({'odom_from_base': np.diag([1.0, 1, 1, 1]) + 1e4 * np.eye(4, k=3)}, 'is absurd'),
    ],
)
def test_bad_odometry(frames: list[GroundingInput], sample: dict[str, Any], says: str) -> None:
    estimator = running(frames, 'odometry', 'lidar')
    bad = replace(frames[5].odometry[0], **sample)
    state = estimator.update(replace(frames[5], odometry=(bad,)))
    assert len(state.messages) == 1
    assert says in state.messages[0]
    assert state.metric
    assert np.isfinite(state.translation_factor)
    assert_goes_on(estimator, frames)


def test_a_jump_of_the_pose_in_the_first_baseline_is_no_motion(
    frames: list[GroundingInput],
) -> None:
    """Localisation that sets its first pose just after the start."""
    estimator = GroundingEstimator(GroundingConfig(odometry=OdometryConfig(enabled=True)))
    interval_ns, speed_mps, factor = 20_000_000, 2.0, 10.0
    factors = []
    for index in range(30):
        samples = []
        for number in range(5 * index - 4, 5 * index + 1):
            pose = np.eye(4)
            pose[0, 3] = 100.0 if number > 7 else 0.0
            pose[2, 3] = speed_mps * number * interval_ns * 1e-9
            samples.append(OdometrySample(10**12 + number * interval_ns, pose))
        session = np.eye(4)
        session[2, 3] = speed_mps * index * 0.1 / factor
        state = estimator.update(
            replace(
                frames[5],
                stamp_ns=10**12 + index * 100_000_000,
                session_from_camera=session,
                lidar=None,
                odometry=tuple(samples),
            )
        )
        factors.append(state.translation_factor)
    known = [value for value in factors if np.isfinite(value)]
    assert len(known) > 10
    assert known == pytest.approx([factor] * len(known), rel=0.02)


@pytest.mark.parametrize(('rate_hz', 'begins_s', 'late_s'), [(50, 0.4, 0.5), (10, 0.3, 0.3)])
def test_speeds_that_begin_after_the_image_measure_nothing_before(
    frames: list[GroundingInput], rate_hz: int, begins_s: float, late_s: float
) -> None:
    """Nobody knows the way from an image to the first speed after it."""
    estimator = GroundingEstimator(GroundingConfig(odometry=OdometryConfig(enabled=True)))
    speed_mps, factor, sent, known = 5.0, 10.0, round(begins_s * rate_hz), []
    for index in range(30):
        now_s = 0.1 * index
        samples = []
        while sent / rate_hz <= now_s + late_s:
            stamp_ns = 10**12 + round(sent / rate_hz * 1e9)
            samples.append(OdometrySample(stamp_ns, None, speed_mps))
            sent += 1
        session = np.eye(4)
        session[2, 3] = speed_mps * now_s / factor
        state = estimator.update(
            replace(
                frames[5],
                stamp_ns=10**12 + round(now_s * 1e9),
                session_from_camera=session,
                lidar=None,
                odometry=tuple(samples),
            )
        )
        if np.isfinite(state.translation_factor):
            known.append(state.translation_factor)
    assert len(known) > 10
    assert known == pytest.approx([factor] * len(known), rel=0.03)


def test_odometry_that_goes_back_in_time(frames: list[GroundingInput]) -> None:
    estimator = running(frames, 'odometry')
    old = OdometrySample(frames[3].stamp_ns, np.eye(4))
    state = estimator.update(replace(frames[5], odometry=(old,)))
    assert 'comes after one of' in state.messages[0]


def test_camera_of_zeros_is_named_and_the_state_coasts(frames: list[GroundingInput]) -> None:
    with pytest.raises(ConfigError, match='fx must be finite and > 0'):
        PinholeIntrinsics(310, 94, 0.0, 0.0, 0.0, 0.0)
    estimator = running(frames, 'lidar')
    state = estimator.update(replace(frames[5], camera=None))
    assert len(state.messages) == 1
    assert 'not calibrated' in state.messages[0]
    assert state.metric
    assert_goes_on(estimator, frames)


def test_disparity_of_nan_is_named_and_the_state_coasts(frames: list[GroundingInput]) -> None:
    estimator = running(frames, 'lidar')
    nothing = CoarseDisparity.decimated(np.full((94, 310), np.nan, np.float32), 1)
    state = estimator.update(replace(frames[5], disparity=nothing))
    assert 'cells have a disparity' in state.messages[0]
    assert state.metric


def test_metric_ends_after_the_coasting_time(frames: list[GroundingInput]) -> None:
    estimator = running(frames, 'lidar')
    later = replace(frames[5], lidar=None, stamp_ns=frames[4].stamp_ns + 4_000_000_000)
    coasting = estimator.update(later)
    assert coasting.metric
    earlier = estimator.update(replace(later, stamp_ns=later.stamp_ns + 500_000_000))
    assert earlier.depth_std_at_20m > coasting.depth_std_at_20m
    state = estimator.update(replace(later, stamp_ns=later.stamp_ns + 2_000_000_000))
    assert not state.metric
    assert not state.sources


def test_reset_forgets_and_a_new_segment_only_doubts(frames: list[GroundingInput]) -> None:
    estimator = running(frames, 'lidar')
    before = estimator.update(replace(frames[5], lidar=None))
    joined = estimator.update(replace(frames[5], lidar=None, segment=1))
    assert joined.metric
    assert joined.depth_std_at_20m > before.depth_std_at_20m
    reset = estimator.update(replace(frames[5], lidar=None, reset=ResetReason.GAP))
    assert not reset.metric


def test_frame_that_goes_back_in_time_is_named(frames: list[GroundingInput]) -> None:
    estimator = running(frames, 'lidar')
    state = estimator.update(frames[2])
    assert any('older than the one before' in message for message in state.messages)


def test_parallax_without_an_image_says_so(frames: list[GroundingInput]) -> None:
    estimator = GroundingEstimator(cases.config('parallax'))
    state = estimator.update(frames[0])
    assert state.messages == ('parallax: no image was given',)


def test_ground_plane_without_a_height_says_so(frames: list[GroundingInput]) -> None:
    estimator = GroundingEstimator(cases.config('ground_plane'))
    state = estimator.update(replace(frames[0], mounting=None))
    assert 'height of the camera above ground is unknown' in state.messages[0]


def at(frame: GroundingInput, later_ns: int, **changes: Any) -> GroundingInput:
    """The frame and its cloud at another time."""
    stamp = frame.stamp_ns + later_ns
    assert frame.lidar is not None
    return replace(
        frame, stamp_ns=stamp, lidar=replace(frame.lidar, stamp_ns=stamp), odometry=(), **changes
    )


def with_disparity(frame: GroundingInput, values: np.ndarray) -> GroundingInput:
    return replace(frame, disparity=replace(frame.disparity, values=values.astype(np.float32)))


@pytest.mark.parametrize('value', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('known', [0, 5])
def test_constant_disparity_is_refused_by_lidar(
    frames: list[GroundingInput], value: float, known: int
) -> None:
    """A covered lens: with a scale from before it must not pass for points at one depth."""
    estimator = GroundingEstimator(cases.config('lidar'))
    for frame in frames[:known]:
        estimator.update(frame)
    flat = with_disparity(frames[5], np.full_like(frames[5].disparity.values, value))
    for index in range(15):
        state = estimator.update(at(flat, index * 100_000_000))
        assert re.search('lidar: .*follow', state.messages[0]), state.messages
    if known:
        assert not state.metric or state.scale == pytest.approx(28.2, rel=0.05)
    else:
        assert not state.metric


def test_inverted_disparity_never_takes_the_place_of_the_state(
    frames: list[GroundingInput],
) -> None:
    estimator = running(frames, 'lidar')
    inverted = with_disparity(frames[5], 2.0 - frames[5].disparity.values)
    for index in range(15):
        state = estimator.update(at(inverted, index * 100_000_000))
        assert not state.metric
        assert 'does not follow' in state.messages[0]
    assert state.scale == pytest.approx(28.2, rel=0.05)


def test_wall_that_fills_the_image_says_what_it_can(frames: list[GroundingInput]) -> None:
    """All points and all disparity at about 8 m: a constraint at that depth, and no more."""
    random = np.random.default_rng(0)
    truth = World(sources=('lidar', 'odometry', 'sky')).truth()
    estimator = running(frames, 'lidar')
    before = estimator.update(at(frames[4], 50_000_000))
    # A network's errors are smooth: what changes from cell to cell counts as an edge.
    noise = cv2.GaussianBlur(random.normal(size=frames[5].disparity.values.shape), (0, 0), 20)
    wall = truth.scale / 8.0 * (1.0 + 0.01 * noise / noise.std()) + truth.shift
    assert frames[5].lidar is not None
    x, y = np.meshgrid(np.linspace(-4, 4, 40), np.linspace(-1, 1, 20))
    z = 8.0 + 0.02 * random.normal(size=x.shape)
    seen = np.stack([x, y, z, np.ones_like(x)], axis=-1).reshape(-1, 4)
    points = (seen @ np.linalg.inv(frames[5].lidar.camera_from_lidar).T)[:, :3]
    facing = with_disparity(frames[5], wall)
    facing = replace(facing, lidar=replace(frames[5].lidar, points=points.astype(np.float32)))
    for index in range(20):
        state = estimator.update(at(facing, index * 100_000_000))
    assert not state.messages
    assert state.metric
    found = state.scale / (truth.scale / 8.0 + truth.shift - state.shift)
    assert found == pytest.approx(8.0, rel=0.01)
    assert state.depth_std_at_20m > 0.5 * before.depth_std_at_20m


def test_jump_of_the_scale_ends_metric_before_it_is_believed(
    frames: list[GroundingInput],
) -> None:
    estimator = running(frames, 'lidar')
    jumped = with_disparity(frames[5], 3.0 * frames[5].disparity.values)
    states = [estimator.update(at(jumped, index * 100_000_000)) for index in range(14)]
    assert not any(state.metric for state in states[2:10])
    assert states[-1].metric
    assert states[-1].scale == pytest.approx(3 * 28.2, rel=0.05)


def test_time_that_runs_backwards_takes_nothing_away(frames: list[GroundingInput]) -> None:
    estimator = running(frames, 'lidar')
    for index in range(30):
        state = estimator.update(at(frames[5], -index * 100_000_000))
    assert 'older than the one before' in state.messages[0]
    assert state.metric
    assert_goes_on(estimator, frames)


def test_predicted_poses_of_nan_do_not_stay_in_the_state(frames: list[GroundingInput]) -> None:
    estimator = GroundingEstimator(cases.config('odometry', 'lidar'))
    nothing = np.full((4, 4), np.nan)
    for index, frame in enumerate(frames[:5]):
        bad = index == 3
        state = estimator.update(replace(frame, session_from_camera=nothing) if bad else frame)
        assert state.metric
        if bad:
            assert state.messages == ('odometry: the measurement is not finite and is left out',)
    state = estimator.update(frames[5])
    assert not state.messages
    assert np.isfinite(state.translation_factor)

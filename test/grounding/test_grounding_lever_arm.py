"""A vehicle that turns with the camera ahead of its axle: metres, speeds and standing still."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gemdepth_ros.geometry import se3
from gemdepth_ros.grounding import (
    CameraMounting,
    CoarseDisparity,
    GroundingConfig,
    GroundingEstimator,
    GroundingInput,
    OdometrySample,
)
from gemdepth_ros.grounding.config import OdometryConfig
from gemdepth_ros.grounding.inputs import speed_at
from gemdepth_ros.interfaces import Float64Array, GroundingState, PinholeIntrinsics

CAMERA = PinholeIntrinsics(64, 48, 50.0, 50.0, 31.5, 23.5)
VALUES = np.random.default_rng(0).uniform(0, 1, (12, 16)).astype(np.float32)
FACTOR, TURN_RADPS, AHEAD_M = 2.5, 0.5, 2.0
# The optical frame of a camera 2 m ahead of the axle and 1.5 m up, looking ahead.
AXLE_FROM_CAMERA = np.array(
    [[0, 0, 1, AHEAD_M], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]], np.float64
)
MOUNTING = CameraMounting(AXLE_FROM_CAMERA, 1.5)
Sample = Callable[[int, float], OdometrySample]


def axle_at(seconds: float, radius_m: float) -> Float64Array:
    """Pose of the axle on a circle to the left; on the spot with a radius of 0."""
    angle = TURN_RADPS * seconds
    position = radius_m * np.array([math.sin(angle), 1 - math.cos(angle), 0.0])
    return se3.from_parts(Rotation.from_euler('Z', angle).as_matrix(), position)


def twist_of(radius_m: float) -> tuple[Float64Array, Float64Array]:
    """Velocity and turning of the axle in its own axes."""
    return np.array([radius_m * TURN_RADPS, 0.0, 0.0]), np.array([0.0, 0.0, TURN_RADPS])


def drive(
    sample: Sample, radius_m: float, mounting: Callable[[int], CameraMounting | None] | None = None
) -> tuple[GroundingState, GroundingEstimator]:
    """Three seconds at 10 images and 20 samples a second; the poses are exact, in their own unit.

    Args:
        sample: of a time, given [ns] and [s].
        radius_m: of the axle's circle.
        mounting: of a number of a frame.
    """
    estimator = GroundingEstimator(GroundingConfig(odometry=OdometryConfig(enabled=True)))
    state = GroundingState()
    for number in range(30):
        seconds = 0.1 * number
        session = axle_at(seconds, radius_m) @ AXLE_FROM_CAMERA
        session[:3, 3] /= FACTOR
        times = [seconds - 0.05, seconds]
        state = estimator.update(
            GroundingInput(
                stamp_of(seconds),
                CoarseDisparity.resized(VALUES, CAMERA),
                CAMERA,
                session_from_camera=session,
                odometry=tuple(sample(stamp_of(t), t) for t in times),
                mounting=mounting(number) if mounting else None,
            )
        )
        assert not state.messages
    return state, estimator


def stamp_of(seconds: float) -> int:
    return 10_000_000_000 + round(seconds * 1e9)


def posed(radius_m: float, place: Float64Array | None) -> Sample:
    return lambda stamp_ns, t: OdometrySample(
        stamp_ns, axle_at(t, radius_m), base_from_camera=place
    )


def fast(radius_m: float, place: Float64Array | None) -> Sample:
    """Speed and turning alone."""
    speed = speed_at(np.eye(4) if place is None else place, *twist_of(radius_m))
    return lambda stamp_ns, _t: OdometrySample(
        stamp_ns, None, speed, TURN_RADPS, base_from_camera=place
    )


@pytest.mark.parametrize('kind', [posed, fast])
def test_the_scale_is_right_with_the_transform_and_wrong_without(
    kind: Callable[[float, Float64Array | None], Sample],
) -> None:
    """The axle's circle has a radius of 4 m, the camera's sqrt(4^2 + 2^2)."""
    radius = 4.0
    known, _ = drive(kind(radius, AXLE_FROM_CAMERA), radius)
    unknown, _ = drive(kind(radius, None), radius)
    # A path of speeds is the arc, a sum of predicted steps its chords: 1e-4 at 3 degrees a step.
    assert known.translation_factor == pytest.approx(FACTOR, rel=3e-4)
    share = radius / math.hypot(radius, AHEAD_M)
    assert share < 0.9
    assert unknown.translation_factor == pytest.approx(FACTOR * share, rel=3e-4)


@pytest.mark.parametrize('kind', [posed, fast])
def test_turning_on_the_spot_moves_the_camera(
    kind: Callable[[float, Float64Array | None], Sample],
) -> None:
    """The axle stays, the camera goes round it at 1 m/s: there is metres in that."""
    known, estimator = drive(kind(0.0, AXLE_FROM_CAMERA), 0.0)
    assert known.translation_factor == pytest.approx(FACTOR, rel=3e-4)
    assert estimator.moving
    assert not estimator.standing_still
    assert math.isnan(drive(kind(0.0, None), 0.0)[0].translation_factor)


def test_the_transform_of_the_samples_counts_for_more_than_the_mounting() -> None:
    elsewhere = CameraMounting(se3.from_parts(AXLE_FROM_CAMERA[:3, :3], np.array([-3.0, 0, 1.5])))
    both, _ = drive(posed(4.0, AXLE_FROM_CAMERA), 4.0, lambda _: elsewhere)
    assert both.translation_factor == pytest.approx(FACTOR, rel=3e-4)
    mounted, _ = drive(posed(4.0, None), 4.0, lambda _: MOUNTING)
    assert mounted.translation_factor == pytest.approx(FACTOR, rel=3e-4)


def test_a_place_that_becomes_known_is_no_motion() -> None:
    """/tf_static comes late, slowly: the 2 m from axle to camera were not driven."""
    straight = 0.2  # m/s

    def late(stamp_ns: int, t: float) -> OdometrySample:
        place = AXLE_FROM_CAMERA if t > 1.02 else None
        pose = se3.from_parts(np.eye(3), np.array([straight * t, 0.0, 0.0]))
        return OdometrySample(stamp_ns, pose, base_from_camera=place)

    settings = OdometryConfig(enabled=True, min_baseline_m=0.1)
    estimator = GroundingEstimator(GroundingConfig(odometry=settings))
    for number in range(40):
        t = 0.1 * number
        session = AXLE_FROM_CAMERA.copy()
        session[0, 3] += straight * t
        session[:3, 3] /= FACTOR
        frame = GroundingInput(
            stamp_of(t),
            CoarseDisparity.resized(VALUES, CAMERA),
            CAMERA,
            session_from_camera=session,
            odometry=(late(stamp_of(t - 0.05), t - 0.05), late(stamp_of(t), t)),
        )
        state = estimator.update(frame)
        assert not state.messages
        if math.isfinite(state.translation_factor):
            assert state.translation_factor == pytest.approx(FACTOR, rel=1e-6)
    assert math.isfinite(state.translation_factor)


@pytest.mark.parametrize(('ahead_m', 'stands'), [(0.5, True), (10.0, False)])
def test_whether_the_camera_stands_depends_on_where_it_is(ahead_m: float, stands: bool) -> None:
    """The axle turns by half a degree a second: 0.4 cm/s at half a metre, 9 cm/s at ten."""
    place = AXLE_FROM_CAMERA.copy()
    place[0, 3] = ahead_m
    turn = 0.009
    estimator = GroundingEstimator(GroundingConfig(odometry=OdometryConfig(enabled=True)))
    for number in range(20):
        stamp_ns = stamp_of(0.1 * number)
        pose = se3.from_parts(
            Rotation.from_euler('Z', 0.1 * number * turn).as_matrix(), np.zeros(3)
        )
        estimator.update(
            GroundingInput(
                stamp_ns,
                CoarseDisparity.resized(VALUES, CAMERA),
                CAMERA,
                session_from_camera=np.eye(4),
                odometry=(OdometrySample(stamp_ns, pose, base_from_camera=place),),
            )
        )
    assert estimator.standing_still is stands
    assert estimator.moving is not stands


def test_the_speed_of_a_camera_on_a_rigid_base() -> None:
    """|v + w x r|, against the motion of a point over a microsecond."""
    random = np.random.default_rng(3)
    for _ in range(20):
        linear, turning, lever = random.normal(size=(3, 3))
        place = se3.from_parts(Rotation.random(random_state=random).as_matrix(), lever)
        after = Rotation.from_rotvec(1e-6 * turning).apply(lever) + 1e-6 * linear
        expected = np.linalg.norm(after - lever) * 1e6
        assert speed_at(place, linear, turning) == pytest.approx(expected, rel=1e-4)

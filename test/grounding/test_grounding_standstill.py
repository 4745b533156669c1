"""When odometry may say "it stands": neither moving nor turning, and lately."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gemdepth_ros.grounding import (
    CoarseDisparity,
    GroundingConfig,
    GroundingEstimator,
    GroundingInput,
    OdometrySample,
)
from gemdepth_ros.grounding.config import OdometryConfig
from gemdepth_ros.grounding.pose_chain import ChainedPose, PoseChain
from gemdepth_ros.interfaces import EgoMotion, Float64Array, GroundingState, PinholeIntrinsics

CAMERA = PinholeIntrinsics(64, 48, 50.0, 50.0, 31.5, 23.5)
VALUES = np.random.default_rng(0).uniform(0, 1, (12, 16)).astype(np.float32)
FACTOR = 2.0
KNOWN = GroundingState(metric=True, translation_factor=FACTOR, translation_factor_std=0.02)
RATE_HZ = 10


def stamp_of(index: int) -> int:
    return 1_000_000_000 + index * 1_000_000_000 // RATE_HZ


class Robot:
    """An estimator and a trajectory, fed frame by frame as the pipeline does."""

    def __init__(self) -> None:
        self.estimator = GroundingEstimator(GroundingConfig(odometry=OdometryConfig(enabled=True)))
        self.chain = PoseChain()

    def step(self, index: int, pose: Float64Array, *odometry: OdometrySample) -> EgoMotion:
        disparity = CoarseDisparity.resized(VALUES, CAMERA)
        stamp = stamp_of(index)
        self.estimator.update(
            GroundingInput(stamp, disparity, CAMERA, session_from_camera=pose, odometry=odometry)
        )
        still, moving = self.estimator.standing_still, self.estimator.moving
        return self.chain.update(
            ChainedPose(stamp, pose, 0.0, 0.0, still=still, moving=moving), KNOWN
        )


def turned(axis: str, angle: float) -> Float64Array:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler(axis, angle).as_matrix()
    return pose


def sample(kind: str, index: int, yaw: float, rate: float) -> OdometrySample:
    """What a robot's odometry tells while it turns on the spot."""
    pose = turned('Z', -yaw) if 'pose' in kind else None
    speed = 0.0 if 'speed' in kind else math.nan
    return OdometrySample(stamp_of(index), pose, speed, rate if 'turn' in kind else math.nan)


@pytest.mark.parametrize('kind', ['pose', 'speed', 'pose+speed', 'speed+turn'])
def test_turning_on_the_spot_is_not_standing(kind: str) -> None:
    robot = Robot()
    for index in range(40):
        yaw = 0.05 * index
        motion = robot.step(index, turned('Y', yaw), sample(kind, index, yaw, 0.5))
    found = Rotation.from_matrix(motion.odom_from_camera[:3, :3]).magnitude()
    assert found == pytest.approx(0.05 * 39, abs=1e-6)


@pytest.mark.parametrize('kind', ['pose', 'speed', 'pose+speed', 'speed+turn'])
def test_standing_is_standing_whatever_the_network_says_of_its_place(kind: str) -> None:
    robot = Robot()
    random = np.random.default_rng(0)
    for index in range(60):
        pose = turned('Y', 1e-4 * random.normal())
        pose[:3, 3] = random.normal(size=3)
        motion = robot.step(index, pose, sample(kind, index, 0.0, 0.0))
        if index == 30:
            held = motion.odom_from_camera
    np.testing.assert_array_equal(motion.odom_from_camera, held)


def test_odometry_that_has_fallen_silent_does_not_hold_the_pose() -> None:
    robot = Robot()
    z = 0.0
    for index in range(60):
        silent = index > 20
        z += 0.5 * silent
        pose = np.eye(4)
        pose[2, 3] = z / FACTOR
        odometry = () if silent else (OdometrySample(stamp_of(index), np.eye(4), 0.0),)
        motion = robot.step(index, pose, *odometry)
    # Half a second of it is lost: so old may the word of a driver be.
    assert motion.odom_from_camera[2, 3] == pytest.approx(z, abs=0.5 * 6 + 1e-6)


@pytest.mark.parametrize('kind', ['pose', 'speed'])
def test_a_robot_that_creeps_is_followed_where_odometry_sees_it(kind: str) -> None:
    """3 cm/s is within the dead band for ever; odometry knows that it is motion."""
    robot, blind = Robot(), Robot()
    for index in range(300):
        z = 0.003 * index
        pose, base = np.eye(4), np.eye(4)
        pose[2, 3], base[0, 3] = z / FACTOR, z
        speed = OdometrySample(stamp_of(index), None, 0.03)
        odometry = speed if kind == 'speed' else OdometrySample(stamp_of(index), base)
        seen = robot.step(index, pose, odometry)
        unseen = blind.step(index, pose)
    assert seen.odom_from_camera[2, 3] == pytest.approx(z, abs=0.03)
    assert unseen.odom_from_camera[2, 3] < 0.03  # as documented: without odometry it stands


def test_noise_of_odometry_at_rest_is_no_motion() -> None:
    """A filter's twist, 3 cm/s and 0.02 rad/s of noise: the dead band goes on to hold."""
    robot = Robot()
    random = np.random.default_rng(1)
    for index in range(200):
        pose = turned('Y', 1e-4 * random.normal())
        pose[:3, 3] = 0.002 * random.normal(size=3)
        speed, turn = np.abs(random.normal(size=2)) * (0.03, 0.02)
        odometry = OdometrySample(stamp_of(index), None, float(speed), float(turn))
        motion = robot.step(index, pose, odometry)
        if index == 20:
            held = motion.odom_from_camera
    assert np.abs(motion.odom_from_camera - held).max() < 0.02


@pytest.mark.parametrize(('frame_s', 'late_s'), [(0.1, 0.2), (0.5, 0.5)])
@pytest.mark.parametrize('with_poses', [True, False])
def test_the_last_step_before_a_stop_is_motion(
    frame_s: float, late_s: float, with_poses: bool
) -> None:
    """Odometry of after the image is there already, and says that the vehicle stands by now."""
    brake_mps2, speed_mps, cruise_s = 1.0, 1.0, 3.0
    stop_s = cruise_s + speed_mps / brake_mps2

    def speed(t: float) -> float:
        return max(0.0, min(speed_mps, speed_mps - brake_mps2 * (t - cruise_s)))

    def way(t: float) -> float:
        braking = min(max(t - cruise_s, 0.0), stop_s - cruise_s)
        return speed_mps * min(t, cruise_s) + speed_mps * braking - brake_mps2 * braking**2 / 2

    estimator = GroundingEstimator(GroundingConfig(odometry=OdometryConfig(enabled=True)))
    disparity = CoarseDisparity.resized(VALUES, CAMERA)
    held_m, sent, last_m, known = 0.0, 0, 0.0, 0
    for index in range(round(7.0 / frame_s)):
        now_s = index * frame_s
        samples = []
        while sent * 0.02 <= now_s + late_s:
            t = sent * 0.02
            pose = np.eye(4)
            pose[2, 3] = way(t)
            stamp_ns = 10**12 + round(t * 1e9)
            given = pose if with_poses else None
            stated = math.nan if with_poses else speed(t)
            samples.append(OdometrySample(stamp_ns, given, stated))
            sent += 1
        session = np.eye(4)
        session[2, 3] = way(now_s) / FACTOR
        stamp_ns = 10**12 + round(now_s * 1e9)
        estimator.update(
            GroundingInput(
                stamp_ns, disparity, CAMERA, session_from_camera=session, odometry=tuple(samples)
            )
        )
        if estimator.standing_still:
            held_m += way(now_s) - last_m
            known += 1
        last_m = way(now_s)
    assert known > 1.5 / frame_s, 'when it stands it is held'
    assert held_m < 0.005

"""Trajectory in metres: no jumps, no drift at standstill, honest about what it does not know."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.grounding.pose_chain import (
    UNKNOWN_VARIANCE,
    ChainedPose,
    PoseChain,
    PoseChainConfig,
    base_motion,
)
from gemdepth_ros.interfaces import EgoMotion, Float64Array, GroundingState

FACTOR = 4.0
KNOWN = GroundingState(metric=True, translation_factor=FACTOR, translation_factor_std=0.08)
UNKNOWN = GroundingState()


def pose(
    index: int, xyz: Float64Array, yaw: float = 0.0, std: float = 0.0, **more: bool
) -> ChainedPose:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler('Y', yaw).as_matrix()
    matrix[:3, 3] = xyz
    return ChainedPose(index * 100_000_000, matrix, std, 0.0, **more)


def drive(chain: PoseChain, speeds: list[float], noise: float, seed: int = 0) -> list[EgoMotion]:
    """Session positions of a straight drive with noise of each position."""
    random = np.random.default_rng(seed)
    z, motions = 0.0, []
    for index, speed in enumerate(speeds):
        z += speed * 0.1
        at = np.array([0.0, 0.0, z / FACTOR]) + random.normal(size=3) * noise / FACTOR
        motions.append(chain.update(pose(index, at), KNOWN))
    return motions


def test_path_is_in_metres() -> None:
    last = drive(PoseChain(), [10.0] * 50, 0.0)[-1]
    assert last.metric
    np.testing.assert_allclose(last.odom_from_camera[:3, 3], [0, 0, 49.0], atol=1e-9)


@pytest.mark.parametrize('noise', [0.001, 0.004])
def test_standing_still_gives_standing_still(noise: float) -> None:
    chain = PoseChain()
    motions = drive(chain, [8.0] * 30 + [0.0] * 300, noise)
    assert chain.standing
    held = np.stack([m.odom_from_camera for m in motions[60:]])
    assert np.ptp(held, axis=0).max() == 0.0
    np.testing.assert_array_equal(motions[60].covariance, motions[-1].covariance)


def test_slow_walk_of_the_stream_does_not_move_a_standing_camera() -> None:
    chain = PoseChain()
    random = np.random.default_rng(1)
    walk = np.cumsum(random.normal(size=(400, 3)) * 0.0005, axis=0) / FACTOR
    motions = [chain.update(pose(i, xyz), KNOWN) for i, xyz in enumerate(walk)]
    moved = motions[-1].odom_from_camera[:3, 3] - motions[20].odom_from_camera[:3, 3]
    assert np.linalg.norm(moved) < 0.005


def test_odometry_that_stands_holds_noise_of_any_size() -> None:
    chain = PoseChain()
    random = np.random.default_rng(2)
    for index in range(100):
        noisy = random.normal(size=3)
        motion = chain.update(pose(index, noisy, still=True), KNOWN)
    np.testing.assert_array_equal(motion.odom_from_camera, np.eye(4))


def test_starting_again_loses_less_than_the_dead_band() -> None:
    chain = PoseChain()
    motions = drive(chain, [8.0] * 20 + [0.0] * 50 + [4.0] * 50, 0.0)
    travelled = motions[-1].odom_from_camera[2, 3]
    assert travelled == pytest.approx(0.8 * 19 + 0.4 * 50, abs=0.02)


def test_slow_creep_is_motion() -> None:
    motions = drive(PoseChain(), [0.05] * 200, 0.0)
    assert motions[-1].odom_from_camera[2, 3] == pytest.approx(0.05 * 0.1 * 199, rel=0.1)


def test_a_new_factor_never_moves_the_past() -> None:
    chain = PoseChain()
    before = drive(chain, [10.0] * 20, 0.0)[-1]
    doubled = GroundingState(translation_factor=2 * FACTOR, translation_factor_std=0.1)
    after = chain.update(pose(20, np.array([0, 0, 21.0 / FACTOR])), doubled)
    step = after.odom_from_camera[:3, 3] - before.odom_from_camera[:3, 3]
    np.testing.assert_allclose(step, [0, 0, 2.0], atol=1e-9)


def test_path_is_put_into_metres_when_the_factor_is_first_known() -> None:
    chain = PoseChain()
    for index in range(10):
        motion = chain.update(pose(index, np.array([0, 0, index / FACTOR])), UNKNOWN)
    assert not motion.metric
    assert motion.covariance[0, 0] == UNKNOWN_VARIANCE
    assert motion.odom_from_camera[2, 3] == pytest.approx(9 / FACTOR)
    assert not motion.rescaled
    motion = chain.update(pose(10, np.array([0, 0, 10 / FACTOR])), KNOWN)
    assert motion.metric
    assert motion.rescaled
    assert motion.odom_from_camera[2, 3] == pytest.approx(10.0)
    for index, state in ((11, UNKNOWN), (12, KNOWN)):
        motion = chain.update(pose(index, np.array([0, 0, index / FACTOR])), state)
        assert not motion.rescaled, 'the unit stays'


def test_lost_factor_goes_on_without_a_jump_and_is_not_metric() -> None:
    chain = PoseChain()
    before = drive(chain, [10.0] * 20, 0.0)[-1]
    after = chain.update(pose(20, np.array([0, 0, 21.0 / FACTOR])), UNKNOWN)
    assert not after.metric
    assert after.covariance[0, 0] == UNKNOWN_VARIANCE
    step = after.odom_from_camera[2, 3] - before.odom_from_camera[2, 3]
    assert step == pytest.approx(1.0)


def test_a_break_stays_where_it_was_and_doubts_the_distance() -> None:
    chain = PoseChain()
    before = drive(chain, [10.0] * 20, 0.0)[-1]
    lost = chain.update(pose(25, np.array([5.0, 5.0, 5.0]), lost=True), KNOWN)
    assert lost.lost
    assert lost.covariance[0, 0] == UNKNOWN_VARIANCE
    np.testing.assert_array_equal(lost.odom_from_camera, before.odom_from_camera)
    found = chain.update(pose(26, np.array([5.0, 5.0, 5.25])), KNOWN)
    assert math.sqrt(found.covariance[2, 2]) > 5.0  # half a second at 10 m/s
    assert found.odom_from_camera[2, 3] == pytest.approx(before.odom_from_camera[2, 3] + 1.0)


def test_covariance_is_that_of_many_drives() -> None:
    """Position noise of each step, and one error of the factor per drive."""
    ends, stated = [], np.zeros((6, 6))
    step_std = 0.03
    for seed in range(300):
        random = np.random.default_rng(seed)
        chain = PoseChain()
        factor = FACTOR * (1 + 0.02 * random.normal())
        grounding = GroundingState(translation_factor=factor, translation_factor_std=0.08)
        z = np.zeros(3)
        for index in range(40):
            z = z + np.array([0, 0, 1.0]) / FACTOR + random.normal(size=3) * step_std / FACTOR
            std = step_std / FACTOR * math.sqrt(index)
            motion = chain.update(pose(index, z if index else 0 * z, std=std), grounding)
            z = z if index else 0 * z
        ends.append(motion.odom_from_camera[:3, 3] - np.array([0, 0, 39.0]))
        stated = motion.covariance
    real = np.cov(np.stack(ends).T)
    np.testing.assert_allclose(np.sqrt(np.diag(real)), np.sqrt(np.diag(stated))[:3], rtol=0.15)


def test_base_turns_on_the_spot_while_its_camera_swings() -> None:
    """A camera one metre before the axis: pure yaw of the base moves the camera, not the base."""
    base_from_camera = np.array(
        [[0.0, 0, 1, 1.0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]], np.float64
    )
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler('Z', 30, degrees=True).as_matrix()
    odom_from_camera = np.linalg.inv(base_from_camera) @ turned @ base_from_camera
    covariance = np.diag([1e-4] * 3 + [1e-6] * 3)
    odom_from_base, of_base = base_motion(odom_from_camera, covariance, base_from_camera)
    np.testing.assert_allclose(odom_from_base, turned, atol=1e-12)
    # Sampled: perturb the camera's pose in its odom axes.
    random = np.random.default_rng(0)
    samples = []
    for error in random.multivariate_normal(np.zeros(6), covariance, 4000):
        moved = odom_from_camera.copy()
        moved[:3, 3] += error[:3]
        moved[:3, :3] = Rotation.from_rotvec(error[3:]).as_matrix() @ moved[:3, :3]
        seen, _ = base_motion(moved, covariance, base_from_camera)
        samples.append(seen[:3, 3])
    np.testing.assert_allclose(np.cov(np.stack(samples).T), of_base[:3, :3], atol=8e-6)


def test_unknown_covariance_stays_unknown() -> None:
    _, covariance = base_motion(np.eye(4), np.eye(6) * UNKNOWN_VARIANCE, np.eye(4))
    assert covariance[0, 0] == UNKNOWN_VARIANCE


def test_config_is_checked() -> None:
    with pytest.raises(ConfigError, match='dead_band_m must be > 0, got -1'):
        PoseChainConfig(dead_band_m=-1)

"""The covariance of one step: of the twist that the node publishes."""

from __future__ import annotations

import numpy as np

from gemdepth_ros.grounding.pose_chain import ChainedPose, PoseChain
from gemdepth_ros.interfaces import GroundingState

KNOWN = GroundingState(metric=True, translation_factor=2.0, translation_factor_std=0.02)


def walk(chain, steps, grounding, step=1.0):
    for number in range(steps):
        pose = np.eye(4)
        pose[2, 3] = step * number
        std = 0.1 * np.sqrt(number)
        motion = chain.update(
            ChainedPose(number * 100_000_000, pose, std, 0.01 * np.sqrt(number)), grounding
        )
    return motion


def test_a_step_has_its_own_noise_and_the_scales():
    motion = walk(PoseChain(), 5, KNOWN)
    expected = np.diag([0.04] * 3 + [1e-4] * 3)  # (0.1 units * 2 m)^2, 0.01 rad
    expected[2, 2] += (2.0 * 0.01) ** 2  # 1 % of 2 m
    np.testing.assert_allclose(motion.step_covariance, expected, atol=1e-9)
    assert motion.covariance[2, 2] > motion.step_covariance[2, 2]


def test_nobody_knows_it_without_metres_or_at_the_first_frame():
    assert walk(PoseChain(), 5, GroundingState()).step_covariance is None
    assert walk(PoseChain(), 1, KNOWN).step_covariance is None


def test_standing_still_may_hide_the_dead_band():
    chain = PoseChain()
    motion = walk(chain, 20, KNOWN, step=0.0)
    assert chain.standing
    np.testing.assert_allclose(motion.step_covariance[0, 0], chain.config.dead_band_m**2)

"""One trajectory from windows that each have their own frame and unit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gemdepth_ros.geometry import se3
from gemdepth_ros.geometry.window_chain import ChainStep, WindowChain
from gemdepth_ros.interfaces import Float64Array

SEEDS = st.integers(0, 2**31)


def trajectory(rng: np.random.Generator, frames: int) -> Float64Array:
    """A drive: steps of 0.5 to 2 along a heading that turns, world_from_camera [T, 4, 4]."""
    poses = [np.eye(4)]
    for _ in range(frames - 1):
        turn = Rotation.from_rotvec(rng.normal(scale=0.1, size=3)).as_matrix()
        step = np.array([0.1, 0.05, 1.0]) * rng.uniform(0.5, 2.0)
        poses.append(poses[-1] @ se3.from_parts(turn, step))
    return np.stack(poses)


def seen_in_window(
    rng: np.random.Generator, world_from_camera: Float64Array, unit: float, noise: float = 0.0
) -> Float64Array:
    """camera_from_window in a random frame, translations in ``unit`` world units."""
    rotation = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    window_from_world = se3.from_parts(rotation, rng.normal(scale=30, size=3))
    poses = window_from_world @ world_from_camera
    poses[:, :3, 3] /= unit
    poses[:, :3, 3] += rng.normal(scale=noise, size=(len(poses), 3))
    return se3.inverse(poses)


def sliding_windows(frames: int, length: int) -> list[list[int]]:
    """At every frame the pinned frame 0 and the newest ones."""
    return [
        [0, *range(max(1, newest - length + 2), newest + 1)] if newest else [0]
        for newest in range(frames)
    ]


def chained(
    rng: np.random.Generator,
    world_from_camera: Float64Array,
    windows: list[list[int]],
    units: list[float],
    noise: float = 0.0,
) -> list[ChainStep]:
    chain = WindowChain(capacity=len(windows[-1]) + 1)
    return [
        chain.add(window, seen_in_window(rng, world_from_camera[window], unit, noise))
        for window, unit in zip(windows, units, strict=True)
    ]


def poses_of(steps: list[ChainStep]) -> Float64Array:
    return np.stack([step.session_from_camera for step in steps])


@settings(max_examples=40)
@given(seed=SEEDS, frames=st.integers(2, 25), length=st.integers(3, 8))
def test_a_known_trajectory_is_recovered(seed: int, frames: int, length: int) -> None:
    """Whatever frame and unit each window has: exact, up to the first pair's unit."""
    rng = np.random.default_rng(seed)
    truth = trajectory(rng, frames)
    units = rng.uniform(1.0, 3.9, frames).tolist()  # neighbours differ by less than four
    steps = chained(rng, truth, sliding_windows(frames, length), units)
    expected = truth.copy()
    expected[:, :3, 3] /= units[1]
    np.testing.assert_allclose(poses_of(steps), expected, atol=1e-6)
    assert not any(step.lost for step in steps)
    for step, unit in zip(steps[1:], units[1:], strict=True):
        assert step.unit_in_session == pytest.approx(unit / units[1], rel=1e-6)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_a_changed_anchor_moves_nothing(seed: int) -> None:
    """The pinned frame leaves, the oldest recent one takes its place."""
    rng = np.random.default_rng(seed)
    truth = trajectory(rng, 20)
    windows = sliding_windows(12, 5) + [list(range(n - 4, n + 1)) for n in range(12, 20)]
    units = rng.uniform(1.0, 3.9, 20).tolist()
    expected = truth.copy()
    expected[:, :3, 3] /= units[1]
    found = poses_of(chained(rng, truth, windows, units))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_frame_inside_the_window_can_be_placed() -> None:
    """A look-ahead answers an older frame; later ones do not matter."""
    rng = np.random.default_rng(0)
    truth = trajectory(rng, 10)
    chain = WindowChain(capacity=8)
    placed = []
    for newest in range(10):
        window = list(range(max(0, newest - 3), min(newest + 3, 10)))
        poses = seen_in_window(rng, truth[window], unit=2.0)
        step = chain.add(window, poses, index=window.index(newest))
        placed.append(step.session_from_camera)
    expected = truth.copy()
    expected[:, :3, 3] /= 2.0
    np.testing.assert_allclose(np.stack(placed), expected, atol=1e-6)


def test_window_points_land_in_the_session() -> None:
    """``session_from_window @ (unit * p)``, as the result promises."""
    rng = np.random.default_rng(3)
    truth = trajectory(rng, 8)
    windows = sliding_windows(8, 4)
    chain = WindowChain(capacity=6)
    for window in windows:
        camera_from_window = seen_in_window(rng, truth[window], rng.uniform(1, 3))
        step = chain.add(window, camera_from_window)
    position = se3.inverse(camera_from_window)[-1, :3, 3] * step.unit_in_session
    landed = step.session_from_window @ np.append(position, 1)
    np.testing.assert_allclose(landed[:3], step.session_from_camera[:3, 3], atol=1e-9)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_a_standing_camera_stays_put(seed: int) -> None:
    """After a drive it stands; windows still differ in frame and unit."""
    rng = np.random.default_rng(seed)
    drive = trajectory(rng, 10)
    truth = np.concatenate([drive, np.repeat(drive[-1:], 40, axis=0)])
    units = rng.uniform(1.0, 3.9, 50).tolist()
    poses = poses_of(chained(rng, truth, sliding_windows(50, 6), units))
    np.testing.assert_allclose(poses[10:], poses[9:10].repeat(40, axis=0), atol=1e-6)


def test_a_noisy_standstill_does_not_run_away() -> None:
    """Noise of a thousandth of a step on every pose: no pull towards or from the far anchor."""
    rng = np.random.default_rng(5)
    drive = trajectory(rng, 20)
    truth = np.concatenate([drive, np.repeat(drive[-1:], 200, axis=0)])
    poses = poses_of(chained(rng, truth, sliding_windows(220, 8), [2.0] * 220, noise=1e-3))
    away = np.linalg.norm(poses[20:, :3, 3] - poses[19, :3, 3], axis=1)
    # A random walk of 200 steps of 1e-3 / sqrt(6 shared frames), three standard deviations.
    assert away.max() < 3 * np.sqrt(200 * 3) * 1e-3 / np.sqrt(6)
    assert np.linalg.norm(poses[19, :3, 3]) > 5


def test_the_scale_is_held_while_nothing_moves() -> None:
    """Windows that show one place have translations of noise, in whatever unit."""
    rng = np.random.default_rng(1)
    drive = trajectory(rng, 6)
    truth = np.concatenate([drive, np.repeat(drive[-1:], 40, axis=0)])
    windows = [list(range(max(0, newest - 3), newest + 1)) for newest in range(46)]
    units = [2.0 if window[0] < 5 else 0.7 for window in windows]
    steps = chained(rng, truth, windows, units, noise=1e-6)
    assert [step.unit_in_session for step in steps] == pytest.approx([1.0] * 46, rel=1e-4)


def test_a_large_change_of_unit_is_followed_when_the_shape_is_the_same() -> None:
    """Windows are normalised by their longest translation: a new anchor changes it at once."""
    rng = np.random.default_rng(2)
    truth = trajectory(rng, 8)
    chain = WindowChain(capacity=8)
    for newest in range(7):
        before = chain.add(
            list(range(newest + 1)), seen_in_window(rng, truth[: newest + 1], unit=2.0)
        )
    after = chain.add(list(range(8)), seen_in_window(rng, truth, unit=200.0))
    assert after.unit_in_session == pytest.approx(100 * before.unit_in_session)


def test_a_change_of_unit_is_refused_when_the_shape_is_another() -> None:
    rng = np.random.default_rng(2)
    truth = trajectory(rng, 8)
    chain = WindowChain(capacity=8)
    for newest in range(7):
        before = chain.add(
            list(range(newest + 1)), seen_in_window(rng, truth[: newest + 1], unit=2.0)
        )
    nonsense = seen_in_window(rng, truth, unit=200.0, noise=1.0)
    after = chain.add(list(range(8)), nonsense)
    assert after.unit_in_session == before.unit_in_session


def test_a_window_that_shares_nothing_is_lost_and_goes_on_from_the_last_pose() -> None:
    rng = np.random.default_rng(4)
    truth = trajectory(rng, 12)
    chain = WindowChain(capacity=6)
    assert not chain.add([0], seen_in_window(rng, truth[[0]], 1.0)).lost
    last = chain.add([0, 1], seen_in_window(rng, truth[[0, 1]], 1.0))
    broken = chain.add([7, 8, 9], seen_in_window(rng, truth[7:10], 1.0))
    assert broken.lost
    np.testing.assert_allclose(broken.session_from_camera, last.session_from_camera, atol=1e-9)
    after = chain.add([8, 9, 10], seen_in_window(rng, truth[8:11], 1.0))
    assert not after.lost
    moved = se3.inverse(broken.session_from_camera) @ after.session_from_camera
    np.testing.assert_allclose(moved, se3.inverse(truth[9]) @ truth[10], atol=1e-6)


def test_the_memory_has_its_capacity() -> None:
    """A window that shares only a forgotten frame is lost; the reference is not forgotten."""
    rng = np.random.default_rng(6)
    truth = trajectory(rng, 30)
    chain = WindowChain(capacity=4)
    for window in sliding_windows(20, 4):
        chain.add(window, seen_in_window(rng, truth[window], 1.0))
    assert not chain.add([0, 20], seen_in_window(rng, truth[[0, 20]], 1.0)).lost
    assert chain.add([10, 21], seen_in_window(rng, truth[[10, 21]], 1.0)).lost


def test_uncertainty_grows_with_motion_and_not_at_rest() -> None:
    rng = np.random.default_rng(7)
    drive = trajectory(rng, 10)
    truth = np.concatenate([drive, np.repeat(drive[-1:], 10, axis=0)])
    steps = chained(rng, truth, sliding_windows(20, 6), [2.0] * 20)
    stds = [step.position_std for step in steps]
    assert all(b > a for a, b in pairwise(stds[1:10]))
    assert stds[19] == pytest.approx(stds[9], rel=1e-6)
    assert steps[0].position_std == steps[0].rotation_std == 0


def test_noise_shows_in_the_uncertainty() -> None:
    rng = np.random.default_rng(8)
    truth = trajectory(rng, 30)
    windows, units = sliding_windows(30, 8), [2.0] * 30
    exact = chained(rng, truth, windows, units)[-1]
    noisy = chained(rng, truth, windows, units, noise=0.05)[-1]
    assert noisy.position_std > 2 * exact.position_std


@pytest.mark.parametrize('scale', [1e-3, 1.0, 1e3])
def test_rotations_stay_rotations(scale: float) -> None:
    """A thousand windows do not bend the matrices."""
    rng = np.random.default_rng(9)
    truth = trajectory(rng, 1000)
    truth[:, :3, 3] *= scale
    poses = poses_of(chained(rng, truth, sliding_windows(1000, 4), [1.0] * 1000))
    rotation = poses[-1, :3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(poses[-1], truth[-1], rtol=1e-6, atol=1e-6 * scale)

"""Rigid transforms."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gemdepth_ros.geometry import se3
from gemdepth_ros.interfaces import Float64Array

SEEDS = st.integers(0, 2**31)


def transforms(seed: int, count: int) -> Float64Array:
    rng = np.random.default_rng(seed)
    rotations = Rotation.random(count, random_state=seed).as_matrix()
    positions = rng.normal(scale=10, size=(count, 3))
    return np.stack([se3.from_parts(r, t) for r, t in zip(rotations, positions, strict=True)])


@given(seed=SEEDS)
def test_inverse_undoes_the_transform(seed: int) -> None:
    a_from_b = transforms(seed, 4)
    np.testing.assert_allclose(se3.inverse(a_from_b), np.linalg.inv(a_from_b), atol=1e-9)
    np.testing.assert_allclose(se3.inverse(a_from_b) @ a_from_b, [np.eye(4)] * 4, atol=1e-9)
    np.testing.assert_allclose(se3.inverse(a_from_b[0]), se3.inverse(a_from_b)[0])


def test_from_parts_takes_points_of_b_to_a() -> None:
    quarter_about_z = Rotation.from_euler('z', 90, degrees=True).as_matrix()
    a_from_b = se3.from_parts(quarter_about_z, np.array([10.0, 0, 0]))
    np.testing.assert_allclose(a_from_b @ [1, 0, 0, 1], [10, 1, 0, 1], atol=1e-12)


@given(seed=SEEDS)
def test_quaternion_is_scipys_with_a_positive_scalar(seed: int) -> None:
    matrix = transforms(seed, 1)[0]
    quaternion = se3.quaternion_xyzw(matrix)
    assert quaternion[3] >= 0
    np.testing.assert_allclose(np.linalg.norm(quaternion), 1, atol=1e-12)
    np.testing.assert_allclose(
        Rotation.from_quat(quaternion).as_matrix(), matrix[:3, :3], atol=1e-9
    )
    np.testing.assert_array_equal(quaternion, se3.quaternion_xyzw(matrix[:3, :3]))


@given(seed=SEEDS)
def test_orthonormal_straightens_a_bent_rotation(seed: int) -> None:
    rotation = transforms(seed, 1)[0, :3, :3]
    bent = rotation + np.random.default_rng(seed).normal(scale=1e-6, size=(3, 3))
    straight = se3.orthonormal(bent)
    np.testing.assert_allclose(straight @ straight.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(straight), 1, atol=1e-12)
    np.testing.assert_allclose(straight, rotation, atol=1e-5)


@given(seed=SEEDS)
def test_angle_is_scipys(seed: int) -> None:
    first, second = transforms(seed, 2)[:, :3, :3]
    expected = (Rotation.from_matrix(first).inv() * Rotation.from_matrix(second)).magnitude()
    np.testing.assert_allclose(se3.angle(first, second), expected, atol=1e-6)
    assert se3.angle(first, first) == 0.0

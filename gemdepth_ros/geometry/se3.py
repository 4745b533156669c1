"""Rigid transforms as 4x4 matrices; rotations come from scipy."""

from __future__ import annotations

import numpy as np
from scipy.linalg import polar
from scipy.spatial.transform import Rotation

from gemdepth_ros.interfaces import Float64Array


def inverse(a_from_b: Float64Array) -> Float64Array:
    """Return ``b_from_a`` of rigid transforms [..., 4, 4]."""
    rotation = np.swapaxes(a_from_b[..., :3, :3], -1, -2)
    result = np.zeros_like(a_from_b)
    result[..., :3, :3] = rotation
    result[..., :3, 3] = -(rotation @ a_from_b[..., :3, 3:])[..., 0]
    result[..., 3, 3] = 1.0
    return result


def from_parts(rotation: Float64Array, translation: Float64Array) -> Float64Array:
    """Return a transform [4, 4] from a rotation [3, 3] and a translation [3]."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def quaternion_xyzw(matrix: Float64Array) -> Float64Array:
    """Return the unit quaternion (x, y, z, w), w >= 0, of a [4, 4] or [3, 3] matrix."""
    # Not by as_quat(canonical=True), which the oldest scipy of setup.py does not know.
    quaternion: Float64Array = Rotation.from_matrix(matrix[:3, :3]).as_quat()
    return quaternion if quaternion[3] >= 0 else -quaternion


def orthonormal(rotation: Float64Array) -> Float64Array:
    """Return the rotation [3, 3] nearest to a matrix that rounding has bent a little.

    The determinant of the matrix must be positive.
    """
    matrix: Float64Array = polar(rotation)[0]
    return matrix


def angle(first: Float64Array, second: Float64Array) -> float:
    """Return the angle [rad] between two rotations [3, 3]."""
    # From the difference's norm, |A - B| = 2 sqrt(2) sin(angle / 2): exact for small angles too,
    # where the arc cosine of a trace gives 1e-8 of rounding.
    half = float(np.linalg.norm(first - second)) / (2.0 * np.sqrt(2.0))
    return 2.0 * float(np.arcsin(min(half, 1.0)))

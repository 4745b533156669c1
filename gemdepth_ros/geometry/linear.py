"""Linear algebra in float64, typed."""

from __future__ import annotations

from typing import cast

import numpy as np

from gemdepth_ros.interfaces import Float64Array

RIDGE = 1e-13  # of the diagonal: the rounding of products of float64


def inverted(matrix: Float64Array) -> Float64Array:
    """Inverse of a symmetric positive definite matrix [n, n], or of one that nearly is.

    Rows and columns are brought to one size first: those of a covariance may differ by more than
    numbers have digits (a scale beside the logarithm of a factor). What is known in fewer
    directions than there are rows is taken as known very badly in the others.
    """
    size = np.sqrt(np.abs(matrix.diagonal()))
    size[size == 0] = 1.0
    sizes = size[:, None] * size
    even = matrix / sizes
    even.ravel()[:: len(matrix) + 1] += RIDGE
    return cast('Float64Array', np.linalg.inv(even) / sizes)


def solved(matrix: Float64Array, right: Float64Array) -> Float64Array:
    """Solution x of ``matrix @ x = right``."""
    return cast('Float64Array', np.linalg.solve(matrix, right))

"""Linear algebra in float64, typed."""

from __future__ import annotations

from typing import cast

import numpy as np

from gemdepth_ros.interfaces import Float64Array


def inverted(matrix: Float64Array) -> Float64Array:
    """Inverse of a matrix [n, n]."""
    return cast('Float64Array', np.linalg.inv(matrix))


def solved(matrix: Float64Array, right: Float64Array) -> Float64Array:
    """Solution x of ``matrix @ x = right``."""
    return cast('Float64Array', np.linalg.solve(matrix, right))

"""One line of the parity table and its measure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TOLERANCE = 1e-5  # float32 on a CPU; the noise floor is 6e-7 to 2e-6


class Row(NamedTuple):
    """One tensor of one case."""

    case: str
    tensor: str
    relative_l2: float


def relative_l2(actual: npt.ArrayLike, expected: npt.ArrayLike) -> float:
    """Length of the difference over that of the reference; the difference's own if that is 0."""
    reference = np.asarray(expected, np.float64)
    found = np.asarray(actual, np.float64)
    if found.shape != reference.shape:
        raise AssertionError(f'shape {found.shape}, the reference has {reference.shape}')
    length = float(np.linalg.norm(reference))
    return float(np.linalg.norm(found - reference)) / (length or 1.0)


def beyond_rounding(actual: npt.NDArray[np.float32], expected: npt.NDArray[np.float16]) -> float:
    """Relative L2 of what lies outside the values that round to a reference in half precision."""
    reference = expected.astype(np.float64)
    half_step = np.spacing(np.abs(expected)).astype(np.float64) / 2
    outside = np.maximum(np.abs(actual - reference) - half_step, 0)
    return float(np.linalg.norm(outside) / np.linalg.norm(reference))

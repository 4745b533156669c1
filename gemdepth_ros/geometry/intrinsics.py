"""Pinhole intrinsics of a part of an image, of a binned image, and as a matrix.

Pixel (0, 0) is the *centre* of the first pixel, so that the image spans -0.5 .. width - 0.5. What
merges or splits pixels moves their centres by the half-pixel rule
``u' + 0.5 = (u + 0.5) * factor`` (resizing: ``PinholeIntrinsics.resized``; binning: here). What
picks pixels does not (cropping: here; every n-th pixel: ``PinholeIntrinsics.decimated``).
"""

from __future__ import annotations

import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics


def matrix_of(camera: PinholeIntrinsics) -> Float64Array:
    """Return the intrinsic matrix float64 [3, 3]."""
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])


def from_matrix(width: int, height: int, matrix: Float64Array) -> PinholeIntrinsics:
    """Return the intrinsics of a matrix [3, 3] (or the left part of a 3x4 projection).

    Raises:
        ConfigError: the matrix has skew, or its focal lengths are not positive numbers.
    """
    m = np.asarray(matrix, np.float64)
    if not np.isfinite(m[:3, :3]).all():
        raise ConfigError(f'intrinsics must be finite, got {m[:3, :3].tolist()}')
    if abs(m[0, 1]) > 1e-6 * abs(m[0, 0]):
        raise ConfigError(f'intrinsics with skew are not supported, got {m[0, 1]} beside fx')
    return PinholeIntrinsics(
        width, height, float(m[0, 0]), float(m[1, 1]), float(m[0, 2]), float(m[1, 2])
    )


def crop_matrix(matrix: Float64Array, column: int, row: int) -> Float64Array:
    """Return intrinsics [3, 3] of the part of the image that begins at this pixel."""
    result = np.array(matrix, np.float64)
    result[0, 2] -= column
    result[1, 2] -= row
    return result


def bin_matrix(matrix: Float64Array, columns: int, rows: int) -> Float64Array:
    """Return intrinsics [3, 3] of the image whose pixels are means of ``columns`` x ``rows``.

    The half-pixel rule is used: the centre of a merged pixel lies in the middle of its parts.
    """
    result = np.array(matrix, np.float64)
    for axis, count in ((0, columns), (1, rows)):
        result[axis] /= count
        result[axis, 2] += 0.5 / count - 0.5
    return result


def cropped(
    camera: PinholeIntrinsics, column: int, row: int, width: int, height: int
) -> PinholeIntrinsics:
    """Return the intrinsics of ``image[row : row + height, column : column + width]``.

    Raises:
        ConfigError: the part is empty or reaches beyond the image.
    """
    check_region((camera.width, camera.height), (column, row, width, height))
    return from_matrix(width, height, crop_matrix(matrix_of(camera), column, row))


def binned(camera: PinholeIntrinsics, columns: int, rows: int) -> PinholeIntrinsics:
    """Return the intrinsics after ``columns`` x ``rows`` pixels are merged into one.

    Columns and rows that do not fill a merged pixel are lost at the right and lower border.
    """
    return from_matrix(
        camera.width // columns,
        camera.height // rows,
        bin_matrix(matrix_of(camera), columns, rows),
    )


def check_region(size: tuple[int, int], region: tuple[int, int, int, int]) -> None:
    """Raise ``ConfigError`` unless a region lies in the image.

    Args:
        size: width and height of the image [px].
        region: first column, first row, width and height [px].
    """
    column, row, width, height = region
    inside = column >= 0 and row >= 0 and column + width <= size[0] and row + height <= size[1]
    if width < 1 or height < 1 or not inside:
        raise ConfigError(
            f'region of interest {width}x{height} at column {column}, row {row} does not lie in '
            f'the image of {size[0]}x{size[1]}'
        )

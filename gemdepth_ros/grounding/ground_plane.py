"""Scale and shift from the camera's height above a flat ground and its tilt.

On a plane inverse depth is linear in the image, and so is any affine of it: a plane of disparity
says nothing about the shift. With the normal n (pitch, roll) and the height h known,
``n . ray / h = u d - v`` gives both. An error of the pitch moves the shift, fully: it goes into
the covariance, as an error that is the same in every frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gemdepth_ros.geometry.linear import inverted
from gemdepth_ros.geometry.plane import ImagePlane, fit_image_plane
from gemdepth_ros.geometry.robust_fit import IntArray
from gemdepth_ros.grounding.config import GroundPlaneConfig
from gemdepth_ros.grounding.inputs import CameraMounting, down_of
from gemdepth_ros.grounding.reading import Reading
from gemdepth_ros.grounding.scene import Scene
from gemdepth_ros.grounding.tilt import Tilt
from gemdepth_ros.grounding.track import Measurement
from gemdepth_ros.interfaces import Float64Array

MAX_CELLS = 1500
# Errors of a network's disparity grow with it; a constant part rules beyond this many heights.
NOISE_FLOOR = 1.0 / 20.0
SIDE_SLOPE = 0.9  # candidates lie within this much |x| per height below the horizon, times 4
STEP_RAD = 1e-4  # of numerical derivatives


def read_ground_plane(
    scene: Scene, mounting: CameraMounting | None, tilt: Tilt, config: GroundPlaneConfig
) -> Reading:
    """Fit the ground's plane in disparity and read scale and shift from it."""
    if mounting is None or not math.isfinite(mounting.height_m) or mounting.height_m <= 0:
        return Reading(message='ground_plane: the height of the camera above ground is unknown')
    candidates = _candidates(scene, tilt, config)
    if candidates is None:
        return Reading(message='ground_plane: too little of the image can be ground')
    x, y, rows, columns = candidates
    down = down_of(tilt.pitch, tilt.roll)
    below = down[0] * x + down[1] * y + down[2]
    plane = fit_image_plane(
        x,
        y,
        scene.values[rows, columns].astype(np.float64),
        std=below + NOISE_FLOOR,
        clusters=scene.tiles(rows.astype(np.float64), columns.astype(np.float64)),
        floor=1e-5 * scene.spread,
    )
    problem = _problem(plane, tilt, scene, config)
    if problem or plane is None:
        return Reading(message=f'ground_plane: {problem}')
    return Reading(_measurement(plane, mounting, tilt))


def _candidates(
    scene: Scene, tilt: Tilt, config: GroundPlaneConfig
) -> tuple[Float64Array, Float64Array, IntArray, IntArray] | None:
    """Cells that look at the ground near the vehicle, thinned: x, y, rows, columns."""
    x, y = scene.rays
    down = down_of(tilt.pitch, tilt.roll)
    # An unknown pitch must not call the sky ground: keep away from the horizon by two sigmas.
    horizon = 1.0 / config.max_distance_heights + min(2.0 * tilt.pitch_std, 0.1)
    below = down[0] * x[None, :] + down[1] * y[:, None] + down[2]
    wide = np.abs(x)[None, :] < 4.0 * SIDE_SLOPE * below
    rows, columns = np.nonzero((below > horizon) & wide & scene.known)
    if len(rows) < 60:
        return None
    thin = -(-len(rows) // MAX_CELLS)
    # A stride that shares no factor with the width spreads over columns too.
    rows, columns = rows[::thin], columns[::thin]
    return x[columns], y[rows], rows, columns


def _problem(plane: ImagePlane | None, tilt: Tilt, scene: Scene, config: GroundPlaneConfig) -> str:
    if plane is None:
        return 'no plane fits the lower part of the image'
    if plane.inlier_share < config.min_inlier_share:
        return (
            f'only {plane.inlier_share:.0%} of the pixels before the vehicle lie on one plane '
            f'({config.min_inlier_share:.0%} are needed)'
        )
    slope_x, slope_y = plane.coefficients[:2]
    if slope_y <= 0:
        return 'disparity does not grow towards the bottom of the image'
    roll = math.atan2(slope_x, slope_y)
    off = math.degrees(abs(roll - tilt.roll))
    if off > config.max_roll_difference_deg:
        return (
            f'the plane before the vehicle is rolled by {math.degrees(roll):.1f} deg, '
            f'{math.degrees(tilt.roll):.1f} deg was expected: a wall, or the roll is wrong'
        )
    return ''


def _measurement(plane: ImagePlane, mounting: CameraMounting, tilt: Tilt) -> Measurement:
    known = np.array([mounting.height_m, tilt.pitch, tilt.roll])
    mean = _solve(plane.coefficients, known)
    of_plane = _derivative(lambda c: _solve(c, known), plane.coefficients)
    of_known = _derivative(lambda k: _solve(plane.coefficients, k), known)
    stds = np.array([mounting.height_std_m, tilt.pitch_std, tilt.roll_std])
    # Spread of one pixel over the whole plane is noise; that of mounting and road is not.
    noise = of_plane @ plane.covariance @ of_plane.T
    systematic = (of_known * stds**2) @ of_known.T
    floor = np.diag((1e-5 * np.abs(mean) + 1e-9) ** 2)
    offset = of_known[:, 1] * tilt.correction
    information = inverted(noise + floor)
    return Measurement(mean, information, systematic, offset)


def _solve(coefficients: Float64Array, known: Float64Array) -> Float64Array:
    """(u, v) of a disparity plane and a camera's height, pitch and roll."""
    height, pitch, roll = known
    normal = down_of(pitch, roll)
    # Both slopes are n / (h u); the one along the image's down carries all of the signal.
    slope = float(np.hypot(normal[0], normal[1]))
    along = (normal[0] * coefficients[0] + normal[1] * coefficients[1]) / slope
    u = slope / (height * along)
    return np.array([u, u * coefficients[2] - normal[2] / height])


def _derivative(
    function: Callable[[Float64Array], Float64Array], at: Float64Array
) -> Float64Array:
    """Central differences, float64 [2, n]."""
    columns = []
    for index, value in enumerate(at):
        step = np.zeros_like(at)
        step[index] = STEP_RAD * max(abs(value), 1e-3)
        columns.append((function(at + step) - function(at - step)) / (2 * step[index]))
    return np.stack(columns, axis=1)

"""One pair of frames with tracked corners: the equations of their flow, and what they say.

The flow of a corner is linear in its inverse depth, and so in (a, b) of ``1/Z = a d - b``, in
small errors of the predicted rotation and, once a and b are about right, in errors of the
direction of motion. All are fitted at once; the flow across the epipolar line tells movers apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gemdepth_ros.geometry import se3
from gemdepth_ros.geometry.robust_fit import IntArray, LinearFit, robust_linear_fit
from gemdepth_ros.grounding.config import ParallaxConfig
from gemdepth_ros.grounding.inputs import BoolArray, GroundingInput
from gemdepth_ros.grounding.reading import Reading
from gemdepth_ros.grounding.track import Measurement
from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics

TRACK_STD_PX = 0.3
TYPICAL_INVERSE_DEPTH = 1.0 / 20.0  # [1/m], that of ``depth_std_at_20m``
DISPARITY_STD = 0.05  # what a network's disparity may be off at one corner, as a part
REPEATED = 0.5  # part of a fit's variance that the next pairs of the same scene have, too
PASSES = 3  # the first without errors of the direction of motion
MIN_SPREAD_CELLS = 6  # tiles of the image that must hold good tracks


@dataclass(frozen=True, eq=False)
class FirstFrame:
    """First frame of a pair: corners that have a disparity."""

    stamp_ns: int
    session_from_camera: Float64Array
    pixels: Float64Array
    disparity: Float64Array
    tiles: IntArray


@dataclass(frozen=True, eq=False)
class FittedPair:
    """A fitted pair and what it was fitted to."""

    fit: LinearFit
    equations: _Equations
    first: FirstFrame
    camera: PinholeIntrinsics

    @property
    def good(self) -> BoolArray:
        """Tracks that obey along their epipolar line and across it."""
        count = len(self.first.disparity)
        return self.fit.inliers[:count] & self.fit.inliers[count:]


def fit_pair(
    first: FirstFrame, pixels: Float64Array, frame: GroundingInput, config: ParallaxConfig
) -> FittedPair | Reading:
    """Fit a pair, or say why not.

    Args:
        first: frame with the corners.
        pixels: where they are now, float64 [n, 2].
        frame: the present one.
        config: limits.
    """
    camera, pose = frame.camera, frame.session_from_camera
    assert camera is not None
    assert pose is not None
    second_from_first = se3.inverse(pose) @ first.session_from_camera
    length = float(np.linalg.norm(second_from_first[:3, 3]))
    if length <= 1e-9:
        return Reading()  # the network sees no motion: nothing to compare with
    equations = _Equations(first, pixels, camera, second_from_first)
    inverse = np.zeros(len(pixels))
    fit: LinearFit | None = None
    for _ in range(PASSES):
        fit = equations.fit(inverse, config)
        if fit is None:
            break
        inverse = fit.x[0] * first.disparity - fit.x[1]
    if fit is None:
        return Reading(message='parallax: the tracks do not determine scale and shift')
    return FittedPair(fit, equations, first, camera)


class _Equations:
    """Linear equations of the flow of each track, along its epipolar line and across it."""

    def __init__(
        self,
        first: FirstFrame,
        pixels: Float64Array,
        camera: PinholeIntrinsics,
        second_from_first: Float64Array,
    ) -> None:
        self._disparity = first.disparity
        self._tiles = first.tiles
        self._focal = camera.fx
        self._length = float(np.linalg.norm(second_from_first[:3, 3]))
        y = _rays(first.pixels, camera) @ second_from_first[:3, :3].T
        x = _rays(pixels, camera)
        t = second_from_first[:3, 3]
        z = y[:, 2:]
        self.flow = (x[:, :2] * z - y[:, :2]) / z  # what translation must explain
        self._direction = (t[:2] - x[:, :2] * t[2]) / z  # flow per inverse depth
        self.reach = np.linalg.norm(self._direction, axis=1)
        self._along = self._direction / np.maximum(self.reach, 1e-12)[:, None]
        turned = np.stack([np.cross(axis, y) for axis in np.eye(3)], axis=2)  # [n, 3, axis]
        self._turned = (turned[:, :2] - x[:, :2, None] * turned[:, 2:]) / z[:, :, None]
        sideways = np.linalg.svd(t[None])[2][1:]  # two unit vectors across the motion
        self._swerved = np.stack(
            [self._length * (s[:2] - x[:, :2] * s[2]) / z for s in sideways], axis=2
        )

    def fit(self, inverse: Float64Array, config: ParallaxConfig) -> LinearFit | None:
        """Fit (a, b, rotation 3, direction 2) around a guess of the inverse depths."""
        moved = self._swerved * inverse[:, None, None]
        columns = np.concatenate([self._turned, moved], axis=2)  # [n, 2, 5]
        across = np.stack([-self._along[:, 1], self._along[:, 0]], axis=1)
        nothing = np.zeros((len(inverse), 2))
        affine = np.stack([self._disparity * self.reach, -self.reach], axis=1)
        design = np.concatenate(
            [
                np.hstack([affine, np.einsum('ni,nik->nk', self._along, columns)]),
                np.hstack([nothing, np.einsum('ni,nik->nk', across, columns)]),
            ]
        )
        target = np.concatenate(
            [(self._along * self.flow).sum(axis=1), (across * self.flow).sum(axis=1)]
        )
        noise = TRACK_STD_PX / self._focal
        std_along = np.hypot(noise, DISPARITY_STD * np.abs(inverse) * self.reach)
        turn, swerve = (
            math.radians(config.rotation_std_deg),
            math.radians(config.direction_std_deg),
        )
        return robust_linear_fit(
            design,
            target,
            std=np.concatenate([std_along, np.full(len(inverse), noise)]),
            clusters=np.concatenate([self._tiles, self._tiles]),
            prior_std=np.array([np.inf, np.inf, turn, turn, turn, swerve, swerve]),
            floor=0.3,
        )


def judged(pair: FittedPair, config: ParallaxConfig, factor: float) -> Reading:
    """What a pair of which enough tracks agree says."""
    fit, equations, first, camera = pair.fit, pair.equations, pair.first, pair.camera
    good = pair.good
    a, b = float(fit.x[0]), float(fit.x[1])
    if len(np.unique(first.tiles[good])) < MIN_SPREAD_CELLS:
        return Reading(message='parallax: the good tracks are all in one part of the image')
    if a <= 0:
        return Reading(message='parallax: near things seem to move less than far ones')
    inverse = a * first.disparity[good] - b
    # Not the median: where most tracks are far away there is next to no flow to explain.
    explained = float(np.percentile(np.abs(inverse) * equations.reach[good], 75))
    misfit = fit.sigma * math.hypot(TRACK_STD_PX / camera.fx, DISPARITY_STD * explained)
    if misfit > config.max_residual * max(explained, config.max_epipolar_px / camera.fx):
        return Reading(
            message=f'parallax: the flow is {misfit / max(explained, 1e-12):.0%} off one scale '
            'and shift: movers, or the poses are wrong'
        )
    open_part = _open_part(pair, factor)
    if open_part > config.max_fit_std:
        return Reading(
            message=f'parallax: the tracks leave {open_part:.0%} of depth at 20 m open '
            f'({config.max_fit_std:.0%} is allowed): too little motion, or movers'
        )
    mean = np.array([a, b])
    baseline = config.baseline_std**2 * np.outer(mean, mean)
    # Patches that grow while they are tracked pull all flows one way: no average removes it.
    offset = config.track_bias_px / (camera.fx * float(np.median(equations.reach[good])))
    # Where many tracks disagree some of those that agree are movers too, again and again.
    scale = math.hypot(config.scale_bias, config.mover_bias * (1.0 - float(good.mean())))
    bias = scale**2 * np.outer(mean, mean) + np.diag([0.0, offset**2])
    repeated = REPEATED * fit.covariance[:2, :2]
    noise = fit.covariance[:2, :2] - repeated + baseline
    return Reading(Measurement.of_covariance(mean, noise, bias + repeated))


def _open_part(pair: FittedPair, factor: float) -> float:
    """Relative standard deviation that a pair leaves to depth at 20 m; NaN without a factor."""
    inverse = TYPICAL_INVERSE_DEPTH * factor  # in session units
    row = np.array([(inverse + pair.fit.x[1]) / pair.fit.x[0], -1.0])
    return math.sqrt(max(float(row @ pair.fit.covariance[:2, :2] @ row), 0.0)) / inverse


def _rays(pixels: Float64Array, camera: PinholeIntrinsics) -> Float64Array:
    return np.stack(
        [
            (pixels[:, 0] - camera.cx) / camera.fx,
            (pixels[:, 1] - camera.cy) / camera.fy,
            np.ones(len(pixels)),
        ],
        axis=1,
    )

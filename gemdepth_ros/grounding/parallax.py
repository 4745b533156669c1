"""Scale and shift in session units, from corners tracked between two frames of a known motion.

The flow of a corner is linear in its inverse depth, and so in (a, b) of ``1/Z = a d - b``, in
small errors of the predicted rotation and, once a and b are about right, in errors of the
direction of motion. All are fitted at once; the flow across the epipolar line tells movers apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np

from gemdepth_ros.geometry import se3
from gemdepth_ros.geometry.robust_fit import IntArray, LinearFit, robust_linear_fit
from gemdepth_ros.grounding.config import ParallaxConfig
from gemdepth_ros.grounding.inputs import GroundingInput
from gemdepth_ros.grounding.reading import Reading
from gemdepth_ros.grounding.scene import Scene
from gemdepth_ros.grounding.track import Measurement
from gemdepth_ros.interfaces import Float32Array, Float64Array, PinholeIntrinsics, UInt8Array

WINDOW_PX = (15, 15)
PYRAMID_LEVELS = 3
MAX_TRACK_ERROR = 20.0  # mean grey-value difference of a window
BORDER_PX = 4
CORNER_QUALITY = 0.003  # of the best corner's: roads have weak ones
CORNER_GAP_PX = 8  # at half size
TRACK_STD_PX = 0.3
DISPARITY_STD = 0.05  # what a network's disparity may be off at one corner, as a part
MAX_EDGE_SPREAD = 0.2
# Where many tracks disagree some of those that agree are movers too, again and again.
MOVER_BIAS = 0.2
SCALE_BIAS = 0.01  # of near flow, as a part
PASSES = 3  # the first without errors of the direction of motion
MIN_SPREAD_CELLS = 6  # tiles of the image that must hold good tracks


@dataclass(frozen=True, eq=False)
class _First:
    """First frame of a pair: corners that have a disparity."""

    stamp_ns: int
    session_from_camera: Float64Array
    pixels: Float64Array
    disparity: Float64Array
    tiles: IntArray


class ParallaxTracker:
    """Tracks corners from frame to frame; measures when they have moved far enough."""

    def __init__(self, config: ParallaxConfig) -> None:
        self._config = config
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._first: _First | None = None
        self._points: Float32Array = np.empty((0, 2), np.float32)
        self._previous: UInt8Array | None = None
        self._size: tuple[int, ...] = ()
        self.step_flow_px = math.nan

    def read(self, frame: GroundingInput, scene: Scene) -> Reading:
        """Track into this frame; measure and take a new first frame when the pair is wide."""
        gray = frame.image_gray
        if gray is None or frame.session_from_camera is None or frame.camera is None:
            self.forget()
            what = 'image' if gray is None else 'predicted pose'
            return Reading(message=f'parallax: no {what} was given')
        if gray.shape != (frame.camera.height, frame.camera.width):
            self.forget()
            return Reading(
                message=f'parallax: the image is {gray.shape[1]}x{gray.shape[0]}, the camera '
                f'{frame.camera.width}x{frame.camera.height}'
            )
        if frame.lost or self._size != gray.shape:
            self._first = None
        self._track(gray)
        self._previous, self._size = gray, gray.shape
        first = self._first
        if first is None or len(self._points) < self._config.min_tracks:
            self._restart(frame, scene, gray)
            return Reading()
        flow = float(np.median(np.linalg.norm(self._points - first.pixels, axis=1)))
        reading = Reading()
        if flow >= self._config.min_flow_px:
            reading = _measure(first, self._points.astype(np.float64), frame, self._config)
            self._restart(frame, scene, gray)
        elif (frame.stamp_ns - first.stamp_ns) * 1e-9 > self._config.max_pair_s:
            self._restart(frame, scene, gray)
        return reading

    def _track(self, gray: UInt8Array) -> None:
        """Follow the corners; lost ones are dropped from both ends of the pair."""
        first = self._first
        if first is None or self._previous is None or not len(self._points):
            self.step_flow_px = math.nan
            return
        points, found, error = cv2.calcOpticalFlowPyrLK(
            self._previous,
            gray,
            self._points,
            cast('Any', None),
            winSize=WINDOW_PX,
            maxLevel=PYRAMID_LEVELS,
            criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.03),
        )
        height, width = self._size
        inside = (points > BORDER_PX).all(axis=1)
        inside &= (points < np.array([width - BORDER_PX, height - BORDER_PX])).all(axis=1)
        good = inside & (found.ravel() == 1) & (error.ravel() < MAX_TRACK_ERROR)
        step = np.linalg.norm(points[good] - self._points[good], axis=1)
        self.step_flow_px = float(np.median(step)) if len(step) else math.nan
        self._points = points[good]
        self._first = _First(
            first.stamp_ns,
            first.session_from_camera,
            first.pixels[good],
            first.disparity[good],
            first.tiles[good],
        )

    def _restart(self, frame: GroundingInput, scene: Scene, gray: UInt8Array) -> None:
        """Take this frame as the first of the next pair."""
        pose = frame.session_from_camera
        assert pose is not None
        # Corners are found on half the size: a quarter of the time, and tracked at full size.
        half = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        corners: Any = cv2.goodFeaturesToTrack(
            half, self._config.max_corners, CORNER_QUALITY, CORNER_GAP_PX
        )
        if corners is None or not len(corners):
            self._first, self._points = None, np.empty((0, 2), np.float32)
            return
        pixels = (corners.reshape(-1, 2) * 2.0 + 0.5).astype(np.float64)
        column, row = scene.cells(pixels[:, 0], pixels[:, 1])
        disparity = scene.sample(column, row)
        height, width = scene.values.shape
        i = np.clip(np.rint(row), 0, height - 1).astype(np.int64)
        j = np.clip(np.rint(column), 0, width - 1).astype(np.int64)
        good = np.isfinite(disparity) & (scene.edges[i, j] < MAX_EDGE_SPREAD)
        self._first = _First(
            frame.stamp_ns,
            pose,
            pixels[good],
            disparity[good],
            scene.tiles(row[good], column[good]),
        )
        self._points = pixels[good].astype(np.float32)


def _measure(
    first: _First, pixels: Float64Array, frame: GroundingInput, config: ParallaxConfig
) -> Reading:
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
    return _judge(fit, equations, first, camera, config)


class _Equations:
    """Linear equations of the flow of each track, along its epipolar line and across it."""

    def __init__(
        self,
        first: _First,
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


def _judge(
    fit: LinearFit,
    equations: _Equations,
    first: _First,
    camera: PinholeIntrinsics,
    config: ParallaxConfig,
) -> Reading:
    count = len(first.disparity)
    good = fit.inliers[:count] & fit.inliers[count:]
    a, b = float(fit.x[0]), float(fit.x[1])
    if good.mean() < config.min_inlier_share or good.sum() < config.min_tracks // 2:
        return Reading(
            message=f'parallax: only {good.mean():.0%} of {count} tracks agree with the predicted '
            'motion and one scale and shift: movers, or the poses are wrong'
        )
    if len(np.unique(first.tiles[good])) < MIN_SPREAD_CELLS:
        return Reading(message='parallax: the good tracks are all in one part of the image')
    if a <= 0:
        return Reading(message='parallax: near things seem to move less than far ones')
    inverse = a * first.disparity[good] - b
    explained = float(np.median(np.abs(inverse) * equations.reach[good]))
    misfit = fit.sigma * math.hypot(TRACK_STD_PX / camera.fx, DISPARITY_STD * explained)
    if misfit > config.max_residual * max(explained, config.max_epipolar_px / camera.fx):
        return Reading(
            message=f'parallax: the flow is {misfit / max(explained, 1e-12):.0%} off one scale '
            'and shift: movers, or the poses are wrong'
        )
    mean = np.array([a, b])
    baseline = config.baseline_std**2 * np.outer(mean, mean)
    # Patches that grow while they are tracked pull all flows one way: no average removes it.
    offset = config.track_bias_px / (camera.fx * float(np.median(equations.reach[good])))
    scale = math.hypot(SCALE_BIAS, MOVER_BIAS * (1.0 - float(good.mean())))
    bias = scale**2 * np.outer(mean, mean) + np.diag([0.0, offset**2])
    noise = fit.covariance[:2, :2] + baseline
    return Reading(Measurement.of_covariance(mean, noise, bias))


def _rays(pixels: Float64Array, camera: PinholeIntrinsics) -> Float64Array:
    return np.stack(
        [
            (pixels[:, 0] - camera.cx) / camera.fx,
            (pixels[:, 1] - camera.cy) / camera.fy,
            np.ones(len(pixels)),
        ],
        axis=1,
    )

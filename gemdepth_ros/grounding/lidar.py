"""Scale and shift from measured points: ``disparity = s / Z + t`` at their pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemdepth_ros.geometry.linear import solved
from gemdepth_ros.geometry.robust_fit import (
    MAD_TO_STD,
    IntArray,
    LinearFit,
    robust_linear_fit,
)
from gemdepth_ros.grounding.config import LidarConfig
from gemdepth_ros.grounding.inputs import LidarScan
from gemdepth_ros.grounding.misfit import misfit_covariance
from gemdepth_ros.grounding.reading import Reading, affine_measurement
from gemdepth_ros.grounding.scene import Scene
from gemdepth_ros.grounding.track import Measurement
from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics

MAX_FITTED = 1500  # more points share their errors with these
MIN_DEPTH_M = 0.5  # nearer returns are the vehicle itself
# Errors of a network's disparity grow with it; a constant part rules beyond this distance.
NOISE_FLOOR = 1.0 / 30.0  # [1/m]
# Relative standard deviation of the scale beyond which scale and shift cannot be told apart.
DEGENERATE = 0.25
SIGNIFICANT = 4.0
ONE_DEPTH = 0.3  # spread of inverse depth, as a part, within which points count as at one depth
LEAST_NOISE = 0.01  # of inverse depth: what a mean over points at one depth can say at best
WILD_SLOPE = 5.0  # times the median
SAMPLED = 97  # every n-th point tells how many of a cloud are known


@dataclass(frozen=True, eq=False)
class _Points:
    """Usable points: cells, pixels relative to the principal point / f, 1/Z, disparity."""

    column: Float64Array
    row: Float64Array
    x: Float64Array
    y: Float64Array
    inverse_depth: Float64Array
    disparity: Float64Array


def read_lidar(
    scan: LidarScan, scene: Scene, stamp_ns: int, config: LidarConfig, known_scale: float
) -> Reading:
    """Fit scale and shift to a cloud.

    Args:
        scan: the points.
        scene: the frame's disparity.
        stamp_ns: capture time of the frame [ns].
        config: limits.
        known_scale: scale s from before, or NaN; it lets points at a single depth say something.
    """
    age = abs(scan.stamp_ns - stamp_ns) * 1e-9
    if scan.stamp_ns <= 0 or age > config.max_age_s:
        return Reading(
            message=f'lidar: the cloud is {age:.2f} s away from the image '
            f'(limit {config.max_age_s} s): check its stamps'
        )
    xyz = _coordinates(scan, config.max_points)
    if isinstance(xyz, str):
        return Reading(message=f'lidar: {xyz}')
    points = _usable(xyz, scan, scene, config)
    if isinstance(points, str):
        return Reading(message=f'lidar: {points}')
    fitted = _fit(points, scene, math.radians(config.rotation_std_deg))
    if fitted is None:
        return Reading(message='lidar: the points do not determine scale and shift')
    return _judge(*fitted, points, config, known_scale)


def _coordinates(scan: LidarScan, largest: int) -> Float64Array | str:
    """Finite points [N, 3], about ``largest`` at most, or what is wrong with the cloud."""
    points: Any = scan.points
    if points.dtype.names is not None:
        missing = [name for name in 'xyz' if name not in points.dtype.names]
        if missing:
            return (
                f'the cloud has no field {", ".join(missing)}, only '
                f'{", ".join(points.dtype.names) or "none"}'
            )
        points = points.ravel()
        points = points[:: _stride(points['x'], largest)]
        points = np.stack([points[name] for name in 'xyz'], axis=1)
    if points.ndim != 2 or points.shape[1] < 3:
        return f'the cloud must be [N, 3], got {list(points.shape)}'
    if not len(points):
        return 'the cloud is empty'
    if not np.isfinite(scan.camera_from_lidar).all():
        return 'the transform from the LiDAR to the camera is not finite'
    # Thinned first: most of a cloud is behind the camera, or says what its neighbours say.
    xyz: Float64Array = points[:: _stride(points[:, 0], largest), :3].astype(np.float64)
    finite = np.isfinite(xyz).all(axis=1)
    if not finite.any():
        return f'all {len(points)} points are NaN or infinite'
    return xyz if finite.all() else xyz[finite]


def _stride(values: Any, largest: int) -> int:
    """Step that leaves at most about ``largest`` known values.

    It is odd: one that shares a factor with the number of rings would always take the same ones.
    """
    known = float(np.isfinite(values[::SAMPLED]).mean()) if len(values) else 1.0
    return -(-int(len(values) * max(known, 0.01)) // largest) | 1


def _usable(
    xyz: Float64Array, scan: LidarScan, scene: Scene, config: LidarConfig
) -> _Points | str:
    """Project; keep the nearest point of each cell, away from edges."""
    camera = scene.camera
    assert camera is not None
    transform = scan.camera_from_lidar
    depth = xyz @ transform[2, :3] + transform[2, 3]
    ahead = (depth > MIN_DEPTH_M) & (depth < config.max_range_m)
    sideways = transform[:2, :3] @ xyz[ahead].T + transform[:2, 3:]
    inverse = 1.0 / depth[ahead]
    x, y = sideways * inverse
    column, row = scene.cells(x * camera.fx + camera.cx, y * camera.fy + camera.cy)
    height, width = scene.values.shape
    inside = (column > -0.5) & (row > -0.5) & (column < width - 0.5) & (row < height - 0.5)
    if not inside.any():
        return (
            f'none of {len(xyz)} points falls into the image: check the transform from the '
            "LiDAR's frame to the camera's"
        )
    kept = np.flatnonzero(inside)
    cell = np.rint(row[kept]).astype(np.int64) * width + np.rint(column[kept]).astype(np.int64)
    kept, cell = _nearest(kept, cell, inverse)
    kept = kept[scene.edges.ravel()[cell] < config.edge_spread]
    if len(kept) > MAX_FITTED:
        kept = kept[:: -(-len(kept) // MAX_FITTED)]
    disparity = scene.sample(column[kept], row[kept])
    known = np.isfinite(disparity)
    kept = kept[known]
    if len(kept) < config.min_points:
        return (
            f'{len(kept)} usable points in the image, {config.min_points} are needed '
            f'(of {int(inside.sum())} before edges were dropped)'
        )
    return _Points(column[kept], row[kept], x[kept], y[kept], inverse[kept], disparity[known])


def _nearest(kept: IntArray, cell: IntArray, inverse: Float64Array) -> tuple[IntArray, IntArray]:
    """Keep the nearest point of each cell: one sort of (cell, depth) packed in an integer."""
    depth = (1e6 * (1.0 - np.minimum(inverse[kept] * MIN_DEPTH_M, 1.0))).astype(np.int64)
    packed = cell * (1 << 20) + depth
    order = np.argsort(packed)
    sorted_cell = cell[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = sorted_cell[1:] != sorted_cell[:-1]
    return kept[order[first]], sorted_cell[first]


def _fit(
    points: _Points, scene: Scene, rotation_std: float
) -> tuple[LinearFit, Float64Array] | None:
    """Regress disparity on inverse depth (LiDAR is exact beside it), with a rotation to doubt.

    Returns:
        The fit, and the covariance [2, 2] of scale and shift from what it cannot explain: the
        rotation that it missed, and depths at which disparity is no affine of 1/Z.
    """
    camera = scene.camera
    assert camera is not None
    rho = points.inverse_depth
    design = np.column_stack([rho, np.ones_like(rho), *_rotated(points, scene, camera)])
    prior = np.array([np.inf, np.inf, rotation_std, rotation_std])
    std = np.hypot(rho, NOISE_FLOOR)
    fit = robust_linear_fit(
        design,
        points.disparity,
        std=std,
        clusters=scene.tiles(points.row, points.column),
        prior_std=prior,
        floor=1e-5 * scene.spread,
    )
    if fit is None:
        return None
    missed = _missed(fit, design, fit.inliers / std**2, rotation_std)
    residual = points.disparity - design @ fit.x
    tiles = scene.tiles(points.row, points.column)
    return fit, missed + misfit_covariance(rho, residual, tiles)


def _missed(
    fit: LinearFit, design: Float64Array, weight: Float64Array, rotation_std: float
) -> Float64Array:
    """Covariance of scale and shift when a rotation is not seen.

    The slopes of a noisy map are noisy, and a regression on noisy columns finds too little of
    what they explain, while it believes to have found it all. So the rotation's prior counts as
    if nothing of it had been fitted, and what was found as if as much again was missed.
    """
    weighted = design[:, :2] * weight[:, None]
    # Single wild slopes at edges would speak for all points.
    limit = WILD_SLOPE * np.median(np.abs(design[:, 2:]), axis=0)
    turned = np.clip(design[:, 2:], -limit, limit)
    leak = solved(weighted.T @ design[:, :2], weighted.T @ turned)
    found = fit.x[2:] ** 2 - 4.0 * np.diag(fit.covariance)[2:]  # two sigmas of it may be noise
    return (leak * (rotation_std**2 + np.maximum(found, 0.0))) @ leak.T


def _rotated(
    points: _Points, scene: Scene, camera: PinholeIntrinsics
) -> tuple[Float64Array, Float64Array]:
    """Change of the disparity seen at each point per radian of pitch and of yaw."""
    along_x, along_y = scene.slopes(points.column, points.row)
    x, y = points.x, points.y
    # A rotation about x (pitch) and y (yaw) moves (x, y) by (xy, 1 + y^2) and (1 + x^2, xy).
    pitch = along_x * camera.fx * x * y + along_y * camera.fy * (1.0 + y**2)
    yaw = along_x * camera.fx * (1.0 + x**2) + along_y * camera.fy * x * y
    # The disparity that the model explains is the one at the true pixel: d(p + dp) = s rho + t.
    return -np.nan_to_num(pitch), -np.nan_to_num(yaw)


def _judge(
    fit: LinearFit,
    missed: Float64Array,
    points: _Points,
    config: LidarConfig,
    known_scale: float,
) -> Reading:
    scale, shift, pitch, yaw = (float(v) for v in fit.x)
    if fit.inlier_share < config.min_inlier_share:
        return Reading(
            message=f'lidar: only {fit.inlier_share:.0%} of the points agree with one scale and '
            'shift: check the transform and the stamps'
        )
    off = np.degrees(np.hypot(pitch, yaw))
    std = np.degrees(np.sqrt(fit.covariance[2, 2] + fit.covariance[3, 3]))
    if off > config.max_rotation_deg and off > SIGNIFICANT * std:
        return Reading(
            message=f'lidar: the transform to the camera seems to be off by {off:.1f} deg '
            f'(limit {config.max_rotation_deg} deg): calibrate it',
            fault=np.array([pitch, yaw]) / math.hypot(pitch, yaw),
        )
    noise = fit.covariance[:2, :2] - fit.prior_covariance[:2, :2]
    scale_std = math.sqrt(fit.covariance[0, 0])
    if scale > 0 and scale_std < DEGENERATE * scale:
        spread = float(np.ptp(np.percentile(points.inverse_depth, (5, 95))))
        if fit.sigma * np.hypot(spread, NOISE_FLOOR) > config.max_residual * scale * spread:
            return Reading(
                message='lidar: the points do not follow the disparity '
                f'(misfit {fit.sigma * np.hypot(spread, NOISE_FLOOR) / (scale * spread):.0%} of '
                'its range): check the transform and the stamps'
            )
        systematic = fit.prior_covariance[:2, :2] + missed
        return Reading(affine_measurement(scale, shift, noise, systematic))
    return _without_scale(fit, missed, points, config, known_scale)


def _without_scale(
    fit: LinearFit,
    missed: Float64Array,
    points: _Points,
    config: LidarConfig,
    known_scale: float,
) -> Reading:
    """Points that give no scale: they are at one depth, or the disparity shows something else."""
    low, high = np.percentile(points.inverse_depth, (5, 95))
    if not math.isfinite(known_scale):
        if high - low < ONE_DEPTH * high:
            return Reading(
                message='lidar: all points are at nearly one depth: scale and shift cannot be '
                'told apart'
            )
        return _unrelated(low, high)
    rest = points.disparity - known_scale * points.inverse_depth
    spread = MAD_TO_STD * float(np.median(np.abs(rest - np.median(rest)))) / known_scale
    if spread > config.max_residual * float(np.median(points.inverse_depth)):
        return _unrelated(low, high)
    return Reading(_at_one_depth(fit, missed, points, known_scale, spread))


def _unrelated(low: float, high: float) -> Reading:
    return Reading(
        message=f'lidar: the points lie at {1 / high:.0f} to {1 / low:.0f} m, but disparity does '
        'not follow them: check the image, the transform and the stamps'
    )


def _at_one_depth(
    fit: LinearFit, missed: Float64Array, points: _Points, scale: float, spread: float
) -> Measurement:
    """Constraint ``u d - v = 1/Z`` at the points' mean, with the scale from elsewhere.

    Args:
        fit: of scale and shift; its outliers are left out.
        missed: covariance of scale and shift from a rotation.
        points: at one depth.
        scale: s from before.
        spread: standard deviation of inverse depth that disparity leaves open with that scale.
    """
    weights = fit.inliers / (points.inverse_depth**2 + NOISE_FLOOR**2)
    rho = float(np.average(points.inverse_depth, weights=weights))
    disparity = float(np.average(points.disparity, weights=weights))
    row = np.array([disparity, -1.0])
    noise = max(fit.sigma * math.hypot(rho, NOISE_FLOOR) / scale, spread, LEAST_NOISE * rho)
    count = max(float(fit.inliers.sum()) / 10.0, 1.0)  # neighbours share their errors
    mean = np.array([1.0 / scale, disparity / scale - rho])
    at = np.array([rho, 1.0])
    systematic = np.diag([0.0, float(at @ missed @ at) / scale**2])
    return Measurement(mean, np.outer(row, row) * count / noise**2, systematic)

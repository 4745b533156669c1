"""Robust planes: in the image, where inverse depth is linear, and in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gemdepth_ros.geometry.robust_fit import IntArray, robust_linear_fit
from gemdepth_ros.interfaces import Float64Array


@dataclass(frozen=True, eq=False)
class ImagePlane:
    """``value = coefficients @ (x, y, 1)`` over normalised image coordinates x, y.

    A plane in space has inverse depth, and so any affine of it, of this form.

    Attributes:
        coefficients: float64 [3].
        covariance: float64 [3, 3].
        sigma: robust standard deviation of one value.
        inliers: bool [n].
    """

    coefficients: Float64Array
    covariance: Float64Array
    sigma: float
    inliers: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @property
    def inlier_share(self) -> float:
        """Part of the values that lie on the plane."""
        return float(self.inliers.mean())


def fit_image_plane(
    x: Float64Array,
    y: Float64Array,
    value: Float64Array,
    *,
    std: Float64Array | None = None,
    clusters: IntArray | None = None,
    floor: float = 0.0,
) -> ImagePlane | None:
    """Fit a plane to values of the image, with up to about 40 % of them off it.

    Args:
        x: normalised column ``(u - cx) / fx`` [n].
        y: normalised row ``(v - cy) / fy`` [n].
        value: inverse depth or an affine of it [n].
        std: relative standard deviation of each value [n].
        clusters: numbers of tiles within which errors may be correlated [n].
        floor: smallest standard deviation of a value.
    """
    design = np.stack([x, y, np.ones_like(x)], axis=1)
    fit = robust_linear_fit(design, value, std=std, clusters=clusters, floor=floor)
    if fit is None:
        return None
    return ImagePlane(fit.x, fit.covariance, fit.sigma, fit.inliers)


@dataclass(frozen=True, eq=False)
class SpacePlane:
    """``normal @ X = distance`` for points X in the camera's frame.

    Attributes:
        normal: unit vector [3], from the camera towards the plane.
        distance: of the camera from the plane, > 0, in the unit of the points.
        sigma: robust standard deviation of the inverse depth of a point.
        inliers: bool [n].
    """

    normal: Float64Array
    distance: float
    sigma: float
    inliers: np.ndarray[tuple[int], np.dtype[np.bool_]]


def fit_space_plane(points: Float64Array) -> SpacePlane | None:
    """Fit a plane that does not go through the camera to points in front of it.

    The fit is made in inverse depth, where a depth camera's errors are nearly the same everywhere.

    Args:
        points: float64 [n, 3] in the optical frame, z > 0.
    """
    inverse = 1.0 / points[:, 2]
    plane = fit_image_plane(points[:, 0] * inverse, points[:, 1] * inverse, inverse)
    if plane is None:
        return None
    length = float(np.linalg.norm(plane.coefficients))
    if length < 1e-9:
        return None
    return SpacePlane(plane.coefficients / length, 1.0 / length, plane.sigma, plane.inliers)

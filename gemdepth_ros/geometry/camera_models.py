"""Cameras with distortion: pixels from points and rays from pixels, by OpenCV's formulas.

- Brown-Conrady (``plumb_bob``: k1 k2 p1 p2 k3; ``rational_polynomial``: k1 .. k6 and more)
- Kannala-Brandt (``equidistant``: k1 .. k4 over the angle), as in ``cv2.fisheye``

Far outside the calibrated field of view, the polynomials turn back and would put points that
the camera cannot see into the middle of the image. ``project`` gives NaN beyond that turning
point, and ``unproject`` where no ray leads to the pixel.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry.intrinsics import from_matrix
from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics

DISTORTION_SIZES = {  # coefficients that OpenCV takes for each of ROS's models
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
LARGEST_SLOPE = math.tan(math.radians(85))  # of a ray of a Brown-Conrady camera
LARGEST_ANGLE = math.radians(89)  # OpenCV's fisheye functions know rays in front only
SAMPLES = 2000
ROUND_TRIP_PX = 0.05  # a ray that misses its pixel by more was not found
_TERMINATION = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)


@dataclass(frozen=True, eq=False)
class DistortedCamera(ABC):
    """A camera whose image is not rectified.

    Attributes:
        width: image width [px].
        height: image height [px].
        k: float64 [3, 3] intrinsics.
        d: float64 [n] distortion coefficients in OpenCV's order.
    """

    width: int
    height: int
    k: Float64Array
    d: Float64Array

    @property
    def pinhole(self) -> PinholeIntrinsics:
        """The intrinsics without the distortion."""
        return from_matrix(self.width, self.height, self.k)

    def project(self, points: Float64Array) -> Float64Array:
        """Return the pixels [..., 2] of points [..., 3] in the optical frame.

        NaN for points behind the camera or beyond the field of view that the model can describe.
        """
        flat = np.asarray(points, np.float64).reshape(-1, 3)
        with np.errstate(divide='ignore', invalid='ignore'):
            slopes = flat[:, :2] / flat[:, 2:]
            seen = (flat[:, 2] > 0) & (np.hypot(slopes[:, 0], slopes[:, 1]) <= self.largest_slope)
        pixels = np.full((len(flat), 2), np.nan)
        if seen.any():
            pixels[seen] = self._distort(slopes[seen])
        return pixels.reshape(*np.shape(points)[:-1], 2)

    def unproject(self, pixels: Float64Array) -> Float64Array:
        """Return the rays [..., 3] of pixels [..., 2], with z = 1; NaN where there is none."""
        flat = np.asarray(pixels, np.float64).reshape(-1, 2)
        rays = np.ones((len(flat), 3))
        if len(flat):
            rays[:, :2] = self._undistort(flat)
            missed = np.linalg.norm(self.project(rays) - flat, axis=-1)
            rays[~(missed <= ROUND_TRIP_PX)] = np.nan
        return rays.reshape(*np.shape(pixels)[:-1], 3)

    def rectification_maps(
        self, r: Float64Array, p: Float64Array, width: int, height: int
    ) -> tuple[Float64Array, Float64Array]:
        """Return OpenCV's maps (for ``cv2.remap``) from a rectified image to this camera's.

        Args:
            r: rectifying rotation float64 [3, 3].
            p: intrinsics of the rectified image, float64 [3, 3].
            width: of the rectified image [px].
            height: of the rectified image [px].
        """
        maps = self._maps(r, p, (width, height))
        return maps[0], maps[1]

    @cached_property
    def largest_slope(self) -> float:
        """Tangent of the largest angle to the optical axis before the model turns back."""
        slopes, distorted = self._radial_samples()
        falling = np.flatnonzero(np.diff(distorted) <= 0)
        return float(slopes[falling[0] if falling.size else -1])

    @abstractmethod
    def _radial_samples(self) -> tuple[Float64Array, Float64Array]:
        """Ascending slopes [SAMPLES] of rays and their distorted distances from the centre."""

    @abstractmethod
    def _distort(self, slopes: Float64Array) -> Float64Array:
        """Pixels [N, 2] of the rays (x, y, 1)."""

    @abstractmethod
    def _undistort(self, pixels: Float64Array) -> Float64Array:
        """Slopes [N, 2] of the rays of pixels."""

    @abstractmethod
    def _maps(
        self, r: Float64Array, p: Float64Array, size: tuple[int, int]
    ) -> tuple[Float64Array, Float64Array]:
        """Fixed-point maps of OpenCV."""


class BrownConradyCamera(DistortedCamera):
    """Radial and tangential distortion: ``plumb_bob`` and ``rational_polynomial``."""

    def _radial_samples(self) -> tuple[Float64Array, Float64Array]:
        slopes = np.linspace(0.0, LARGEST_SLOPE, SAMPLES)
        k = np.zeros(14)
        k[: self.d.size] = self.d
        square = slopes**2
        above = 1 + square * (k[0] + square * (k[1] + square * k[4]))
        below = 1 + square * (k[5] + square * (k[6] + square * k[7]))
        # Zero below: the model has a pole; beyond it nothing holds.
        factor = np.where(below > 0, above / np.where(below > 0, below, 1.0), -np.inf)
        with np.errstate(invalid='ignore'):
            distorted = np.where(slopes > 0, slopes * factor, 0.0)
        ends = np.flatnonzero(np.isinf(distorted))
        if ends.size:
            distorted[ends[0] :] = -1.0
        return slopes, distorted

    def _distort(self, slopes: Float64Array) -> Float64Array:
        points = np.concatenate([slopes, np.ones((len(slopes), 1))], axis=1)
        zero = np.zeros(3)
        pixels, _ = cv2.projectPoints(points[:, None], zero, zero, self.k, self.d)
        return np.asarray(pixels, np.float64).reshape(-1, 2)

    def _undistort(self, pixels: Float64Array) -> Float64Array:
        found = cv2.undistortPointsIter(
            pixels[:, None], self.k, self.d, np.eye(3), np.eye(3), _TERMINATION
        )
        return np.asarray(found, np.float64).reshape(-1, 2)

    def _maps(
        self, r: Float64Array, p: Float64Array, size: tuple[int, int]
    ) -> tuple[Float64Array, Float64Array]:
        first, second = cv2.initUndistortRectifyMap(self.k, self.d, r, p, size, cv2.CV_16SC2)
        return first, second  # type: ignore[return-value]


class KannalaBrandtCamera(DistortedCamera):
    """A fisheye lens: the distance from the centre is a polynomial of the angle."""

    def _radial_samples(self) -> tuple[Float64Array, Float64Array]:
        angles = np.linspace(0.0, LARGEST_ANGLE, SAMPLES)
        square = angles**2
        k1, k2, k3, k4 = self.d
        factor = 1 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
        return np.tan(angles), angles * factor

    def _distort(self, slopes: Float64Array) -> Float64Array:
        pixels = cv2.fisheye.distortPoints(slopes[:, None], self.k, self.d)
        return np.asarray(pixels, np.float64).reshape(-1, 2)

    def _undistort(self, pixels: Float64Array) -> Float64Array:
        found = cv2.fisheye.undistortPoints(
            pixels[:, None], self.k, self.d, None, None, None, _TERMINATION
        )
        return np.asarray(found, np.float64).reshape(-1, 2)

    def _maps(
        self, r: Float64Array, p: Float64Array, size: tuple[int, int]
    ) -> tuple[Float64Array, Float64Array]:
        first, second = cv2.fisheye.initUndistortRectifyMap(
            self.k, self.d, r, p, size, cv2.CV_16SC2
        )
        return first, second  # type: ignore[return-value]


def camera_model(
    width: int, height: int, model: str, k: Float64Array, d: Float64Array
) -> DistortedCamera:
    """Return the camera of a calibration.

    Args:
        width: image width [px].
        height: image height [px].
        model: ``plumb_bob``, ``rational_polynomial`` or ``equidistant``; any where ``d`` is
            zero, because nothing is to be undone then.
        k: float64 [3, 3] intrinsics.
        d: distortion coefficients.

    Raises:
        ConfigError: unknown model, wrong number of coefficients, or numbers that are impossible.
    """
    k, d = np.asarray(k, np.float64), np.asarray(d, np.float64)
    from_matrix(width, height, k)  # refuses what is no camera
    kind = KannalaBrandtCamera if model == 'equidistant' else BrownConradyCamera
    if not d.any():
        return kind(width, height, k, np.zeros(4))
    sizes = DISTORTION_SIZES.get(model)
    if sizes is None:
        raise ConfigError(
            f'distortion model {model!r} is not supported; known: '
            f'{", ".join(DISTORTION_SIZES)}; rectify the image before this node'
        )
    if d.size not in sizes or not np.isfinite(d).all():
        raise ConfigError(
            f'distortion model {model} needs {" or ".join(map(str, sizes))} finite '
            f'coefficients, got {d.tolist()}'
        )
    return kind(width, height, k, d)

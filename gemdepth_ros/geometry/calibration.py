"""The numbers of one camera calibration: raw and rectified image, region of interest, binning."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gemdepth_ros.geometry.camera_models import DistortedCamera, camera_model
from gemdepth_ros.geometry.intrinsics import (
    bin_matrix,
    check_region,
    crop_matrix,
    from_matrix,
)
from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a camera driver states about its images, as in sensor_msgs/CameraInfo.

    K, D, R and P describe the sensor's full image. A driver that sends a part of it
    (``region``), or merges pixels (``binning``), says so beside them; ``delivered`` gives the
    calibration of the image as it is sent.

    Attributes:
        width: width of the full image [px].
        height: height of the full image [px].
        model: name of the distortion model.
        k: float64 [3, 3] intrinsics of the raw image.
        d: float64 [n] distortion coefficients.
        r: float64 [3, 3] rectifying rotation.
        p: float64 [3, 3] intrinsics of the rectified image, or None when unknown.
        region: first column, first row, width, height of the part that is sent [px of the full
            image], or None for all.
        binning: columns and rows that are merged into one pixel.
    """

    width: int
    height: int
    model: str
    k: Float64Array
    d: Float64Array
    r: Float64Array
    p: Float64Array | None
    region: tuple[int, int, int, int] | None = None
    binning: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        assert min(self.binning) >= 1

    @property
    def calibrated(self) -> bool:
        """Whether the camera was ever calibrated (REP 104)."""
        return bool(self.k[0, 0] != 0)

    @property
    def rectified_matrix(self) -> Float64Array:
        """Intrinsics of the rectified image; K's where there is no P."""
        return self.k if self.p is None else self.p

    @property
    def delivered_size(self) -> tuple[int, int]:
        """(width, height) of the image that is sent [px]."""
        width, height = (self.width, self.height) if self.region is None else self.region[2:]
        return width // self.binning[0], height // self.binning[1]

    def delivered(self) -> Calibration:
        """Return the calibration of the image that is sent, without region and binning.

        D and R work on rays and stay as they are.

        Raises:
            ConfigError: the region does not lie in the full image.
        """
        if self.region is None and self.binning == (1, 1):
            return self
        column, row = 0, 0
        if self.region is not None:
            check_region((self.width, self.height), self.region)
            column, row = self.region[:2]
        k, p = (
            None if m is None else bin_matrix(crop_matrix(m, column, row), *self.binning)
            for m in (self.k, self.p)
        )
        assert k is not None
        width, height = self.delivered_size
        return replace(self, width=width, height=height, k=k, p=p, region=None, binning=(1, 1))

    def intrinsics(self) -> PinholeIntrinsics:
        """Return the intrinsics of the rectified image.

        Raises:
            ConfigError: they are impossible.
        """
        return from_matrix(self.width, self.height, self.rectified_matrix)

    def raw_camera(self) -> DistortedCamera:
        """Return the model of the raw image.

        Raises:
            ConfigError: the distortion is of no known model.
        """
        return camera_model(self.width, self.height, self.model, self.k, self.d)

    def rectification_maps(self) -> tuple[Float64Array, Float64Array]:
        """Return OpenCV's maps from the rectified image (P) to the raw one (K, D, R).

        Raises:
            ConfigError: the distortion is of no known model.
        """
        return self.raw_camera().rectification_maps(
            self.r, self.rectified_matrix, self.width, self.height
        )

    def off_centre(self, matrix: Float64Array) -> float:
        """How far the principal point of a matrix lies from the middle, as a part of the size."""
        size = np.array([self.width, self.height], float)
        return float(np.max(np.abs(matrix[:2, 2] - (size - 1) / 2) / size))

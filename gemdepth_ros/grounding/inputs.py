"""What the estimator is given for one frame. All arrays stay the caller's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ImageError
from gemdepth_ros.interfaces import (
    Float32Array,
    Float64Array,
    PinholeIntrinsics,
    ResetReason,
    UInt8Array,
)

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CoarseDisparity:
    """Disparity on a coarse grid of the image; NaN where unknown.

    Cell (i, j) lies at pixel ``column = offset_x + j * step_x``, ``row = offset_y + i * step_y``.

    Attributes:
        values: float32 [h, w].
        step_x: pixels between columns.
        step_y: pixels between rows.
        offset_x: pixel column of cell 0.
        offset_y: pixel row of cell 0.
    """

    values: Float32Array
    step_x: float
    step_y: float
    offset_x: float = 0.0
    offset_y: float = 0.0

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or min(self.values.shape) < 4:
            raise ImageError(
                f'coarse disparity must be [h, w] with h, w >= 4, got {list(self.values.shape)}'
            )

    @classmethod
    def resized(cls, values: Float32Array, camera: PinholeIntrinsics) -> CoarseDisparity:
        """Grid of an image resized with its pixel areas (OpenCV, or align_corners=False)."""
        height, width = values.shape
        step_x, step_y = camera.width / width, camera.height / height
        return cls(values, step_x, step_y, 0.5 * step_x - 0.5, 0.5 * step_y - 0.5)

    @classmethod
    def corners_aligned(
        cls, values: Float32Array, camera: PinholeIntrinsics, of: tuple[int, int], step: int = 1
    ) -> CoarseDisparity:
        """Grid of every ``step``-th cell of a map whose corner cells are the corner pixels.

        This is what ``align_corners=True`` means: the published resize of the network's output.

        Args:
            values: the cells ``[::step, ::step]``.
            camera: intrinsics of the full image.
            of: rows and columns of the map before every ``step``-th was taken.
            step: see above.
        """
        step_y = (camera.height - 1) / max(of[0] - 1, 1) * step
        step_x = (camera.width - 1) / max(of[1] - 1, 1) * step
        return cls(values, step_x, step_y)

    @classmethod
    def decimated(cls, values: Float32Array, step: int) -> CoarseDisparity:
        """Grid of every ``step``-th pixel, from pixel 0."""
        return cls(values, float(step), float(step))


@dataclass(frozen=True, eq=False)
class LidarScan:
    """Points measured since the last frame.

    Attributes:
        points: float32 [N, 3 or more] x y z in the sensor's frame [m], or a structured array with
            fields x, y and z.
        camera_from_lidar: float64 [4, 4], to the camera's optical frame.
        stamp_ns: capture time [ns].
    """

    points: npt.NDArray[np.generic]
    camera_from_lidar: Float64Array
    stamp_ns: int


@dataclass(frozen=True, eq=False)
class OdometrySample:
    """One message of odometry: a pose, or a speed, or both.

    Attributes:
        stamp_ns: capture time [ns].
        odom_from_base: float64 [4, 4], or None.
        speed_mps: speed along the path [m/s]; NaN when unknown. That of the camera
            (``speed_at``) where ``base_from_camera`` is given, else that of the base.
        turn_radps: speed of turning [rad/s]; NaN when unknown. A vehicle without speed that turns
            on the spot does not stand.
        base_from_camera: float64 [4, 4], optical frame to the frame whose pose and speed these
            are. None: as the mounting says.
    """

    stamp_ns: int
    odom_from_base: Float64Array | None = None
    speed_mps: float = math.nan
    turn_radps: float = math.nan
    base_from_camera: Float64Array | None = None

    @property
    def odom_from_camera(self) -> Float64Array:
        """Pose of the camera, float64 [4, 4]; only of a sample that has a pose.

        That of the base where nobody knows where the camera sits.
        """
        assert self.odom_from_base is not None
        if self.base_from_camera is None:
            return self.odom_from_base
        result: Float64Array = self.odom_from_base @ self.base_from_camera
        return result

    def mounted(self, mounting: CameraMounting | None) -> OdometrySample:
        """Return the sample with the camera where the mounting has it, if it does not know."""
        if self.base_from_camera is not None or mounting is None:
            return self
        return replace(self, base_from_camera=mounting.base_from_camera)

    def same_place(self, other: OdometrySample) -> bool:
        """Return whether both are about one place on the vehicle."""
        mine, others = self.base_from_camera, other.base_from_camera
        if mine is None or others is None:
            return mine is others
        return mine is others or np.array_equal(mine, others)


def speed_at(
    base_from_camera: Float64Array, linear_mps: Float64Array, turning_radps: Float64Array
) -> float:
    """Return the speed of a camera on a moving rigid base, |v + w x r| [m/s].

    Args:
        base_from_camera: float64 [4, 4]; its translation is r.
        linear_mps: v of the base's origin, float64 [3], in the base's axes [m/s].
        turning_radps: w, float64 [3], likewise [rad/s].
    """
    return float(np.linalg.norm(linear_mps + np.cross(turning_radps, base_from_camera[:3, 3])))


@dataclass(frozen=True, eq=False)
class CameraMounting:
    """Where the camera sits on the vehicle, as far as known. NaN: nobody gave it.

    Attributes:
        base_from_camera: float64 [4, 4] of the optical frame, or None.
        height_m: of the camera above the ground [m].
        height_std_m: its standard deviation [m].
        pitch_rad: angle of the optical axis below the ground plane's horizon; > 0 looks down.
        pitch_std_rad: its standard deviation [rad].
        roll_rad: > 0 when the image's right side hangs lower than its left.
        roll_std_rad: its standard deviation [rad].
    """

    base_from_camera: Float64Array | None = None
    height_m: float = math.nan
    height_std_m: float = 0.05
    pitch_rad: float = math.nan
    pitch_std_rad: float = math.radians(0.3)
    roll_rad: float = math.nan
    roll_std_rad: float = math.radians(0.5)

    @classmethod
    def of_transform(
        cls,
        base_from_camera: Float64Array,
        base_height_m: float,
        height_std_m: float = 0.05,
        angle_std_rad: float = math.radians(0.3),
    ) -> CameraMounting:
        """Mounting from the static transform of a base with x forward and z up.

        Args:
            base_from_camera: float64 [4, 4], optical frame to base.
            base_height_m: of the base's origin above the ground [m]; 0 for a base footprint.
            height_std_m: standard deviation of the camera's height [m].
            angle_std_rad: standard deviation of pitch and roll [rad].
        """
        down = -base_from_camera[2, :3]  # the base's -z axis in the optical frame
        pitch, roll = tilt_of(down)
        height = base_height_m + float(base_from_camera[2, 3])
        return cls(
            base_from_camera, height, height_std_m, pitch, angle_std_rad, roll, angle_std_rad
        )


def tilt_of(down: Float64Array) -> tuple[float, float]:
    """Pitch and roll [rad] of a camera in whose optical frame ``down`` points to the ground."""
    unit = down / np.linalg.norm(down)
    return math.asin(float(np.clip(unit[2], -1.0, 1.0))), math.atan2(unit[0], unit[1])


def down_of(pitch_rad: float, roll_rad: float) -> Float64Array:
    """Unit vector to the ground in the optical frame of a camera with this pitch and roll."""
    level = math.cos(pitch_rad)
    return np.array([math.sin(roll_rad) * level, math.cos(roll_rad) * level, math.sin(pitch_rad)])


@dataclass(frozen=True, eq=False)
class GroundingInput:
    """One frame and everything measured since the one before.

    Attributes:
        stamp_ns: capture time of the frame [ns].
        disparity: on a coarse grid of the image.
        camera: intrinsics of the full image; None when unknown (CameraInfo of zeros): then only
            sources that need no geometry work.
        image_gray: uint8 [H, W] at full size; only ``parallax`` needs it.
        session_from_camera: float64 [4, 4] predicted pose, or None.
        position_std: its accumulated standard deviation [session units].
        segment: number of the stream's segment.
        lost: the predicted trajectory was broken at this frame.
        reset: why the stream started anew at this frame, or None.
        lidar: points, or None.
        odometry: samples since the last frame, oldest first.
        mounting: where the camera sits, or None.
        gravity_camera: direction of gravity (down) in the optical frame, or None.
        gravity_std_rad: its standard deviation against the ground's normal [rad]: that of the
            road's slope, not of the sensor.
        sky: bool on the coarse grid, pixels known to be sky, or None.
    """

    stamp_ns: int
    disparity: CoarseDisparity
    camera: PinholeIntrinsics | None
    image_gray: UInt8Array | None = None
    session_from_camera: Float64Array | None = None
    position_std: float = 0.0
    segment: int = 0
    lost: bool = False
    reset: ResetReason | None = None
    lidar: LidarScan | None = None
    odometry: tuple[OdometrySample, ...] = ()
    mounting: CameraMounting | None = None
    gravity_camera: Float64Array | None = None
    gravity_std_rad: float = math.radians(1.0)
    sky: BoolArray | None = None

    def __post_init__(self) -> None:
        if self.sky is not None and self.sky.shape != self.disparity.values.shape:
            raise ImageError(
                f'sky mask must have the coarse grid {list(self.disparity.values.shape)}, '
                f'got {list(self.sky.shape)}'
            )

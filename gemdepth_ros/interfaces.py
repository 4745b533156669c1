"""Frozen values that cross folders: numpy and the standard library only.

Conventions: images are RGB, uint8 ``[H, W, 3]``. Pixel (0, 0) is the centre of the first pixel
(OpenCV). Camera axes are x right, y down, z forward (ROS *optical* frame). A 4x4 transform is
named ``a_from_b``: it takes coordinates in ``b`` to coordinates in ``a``. Time stamps are
nanoseconds since the epoch of the capture clock.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ConfigError, ImageError

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


class ResetReason(enum.Enum):
    """Why a stream forgot its past and started anew."""

    REQUEST = 'request'
    SIZE_CHANGE = 'size_change'
    CAMERA_CHANGE = 'camera_change'
    BACKWARD_TIME = 'backward_time'
    GAP = 'gap'
    NON_FINITE_OUTPUT = 'non_finite_output'
    DEVICE_MEMORY = 'device_memory'
    INTERRUPTED = 'interrupted'


@dataclass(frozen=True)
class PinholeIntrinsics:
    """Intrinsics of a rectified image, in pixels.

    Attributes:
        width: image width [px].
        height: image height [px].
        fx: horizontal focal length [px].
        fy: vertical focal length [px].
        cx: principal point, column [px], 0 at the centre of the first pixel.
        cy: principal point, row [px].
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ConfigError(f'camera size must be positive, got {self.width}x{self.height}')
        for name in ('fx', 'fy'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f'camera {name} must be finite and > 0, got {value}')

    def resized(self, width: int, height: int) -> PinholeIntrinsics:
        """Return the intrinsics after the whole image is resized to ``width`` x ``height``.

        Pixel centres map as ``u' + 0.5 = (u + 0.5) * width' / width``.
        """
        sx, sy = width / self.width, height / self.height
        return PinholeIntrinsics(
            width,
            height,
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
        )

    def decimated(self, step: int) -> PinholeIntrinsics:
        """Return the intrinsics of the image made of every ``step``-th pixel, from pixel 0."""
        return PinholeIntrinsics(
            -(-self.width // step),
            -(-self.height // step),
            self.fx / step,
            self.fy / step,
            self.cx / step,
            self.cy / step,
        )


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One rectified camera image with its identity.

    Attributes:
        image_rgb: uint8 [H, W, 3].
        stamp_ns: capture time [ns].
        frame_id: name of the camera's optical frame.
        camera: intrinsics of this image, or None when unknown.
        dropped_before: frames lost between the previous frame given to the pipeline and this one.
        valid: bool [H, W], False where the image shows nothing (outside a lens after
            rectification); None: valid everywhere.
    """

    image_rgb: UInt8Array
    stamp_ns: int
    frame_id: str = 'camera_optical_frame'
    camera: PinholeIntrinsics | None = None
    dropped_before: int = 0
    valid: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        image = self.image_rgb
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ImageError(
                f'image must be RGB uint8 [H, W, 3], got {image.dtype} {list(image.shape)}'
            )
        camera = self.camera
        if camera is not None and (camera.height, camera.width) != image.shape[:2]:
            raise ImageError(
                f'camera is {camera.width}x{camera.height} but the image is '
                f'{image.shape[1]}x{image.shape[0]}'
            )
        if self.valid is not None and self.valid.shape != image.shape[:2]:
            raise ImageError(
                f'valid must be bool {list(image.shape[:2])}, got {list(self.valid.shape)}'
            )

    @property
    def height(self) -> int:
        """Rows of the image [px]."""
        return int(self.image_rgb.shape[0])

    @property
    def width(self) -> int:
        """Columns of the image [px]."""
        return int(self.image_rgb.shape[1])


@dataclass(frozen=True, eq=False)
class WindowPoses:
    """Poses that the network predicted for the frames of one window.

    Attributes:
        stamps_ns: capture times, ascending; the first is the reference.
        reference_from_camera: float64 [T, 4, 4]; entry 0 is the identity. Translations are in the
            network's own unit, which changes from window to window.
        session_from_reference: float64 [4, 4] pose of the reference frame in the session.
        unit_in_session: session units per unit of the window's translations.
    """

    stamps_ns: tuple[int, ...]
    reference_from_camera: Float64Array
    session_from_reference: Float64Array
    unit_in_session: float


@dataclass(frozen=True, eq=False)
class EgoMotion:
    """Pose of the newest camera in one continuous trajectory.

    Attributes:
        odom_from_camera: float64 [4, 4], start of the session = identity (optical axes).
            Metres when ``metric``, else session units (arbitrary but constant scale).
        covariance: float64 [6, 6], order x y z rotX rotY rotZ, in the odom frame.
        metric: whether translations are metres.
        lost: whether the chain was broken at this frame.
        window: the predicted poses of the window behind this frame, placed in the odom frame and
            in its unit (``session_from_reference`` is ``odom_from_reference`` here).
        step_covariance: float64 [6, 6] of the motion since the frame before, in the camera's
            axes, order as above; None when unknown.
        rescaled: the unit changed at this frame: positions became metres, and those of the
            frames before it are not comparable.
    """

    odom_from_camera: Float64Array
    covariance: Float64Array
    metric: bool
    lost: bool
    window: WindowPoses | None
    step_covariance: Float64Array | None = None
    rescaled: bool = False


@dataclass(frozen=True)
class GroundingState:
    """What is known about metres: ``1/Z = (disparity - shift) / scale``.

    Attributes:
        metric: whether ``scale`` and ``shift`` may be trusted as metres.
        scale: s in Z = s / (disparity - shift) [m * disparity].
        shift: t, in units of disparity.
        scale_std: standard deviation of ``scale``; NaN when unknown.
        shift_std: standard deviation of ``shift``; NaN when unknown.
        translation_factor: metres per session unit of translation; NaN when unknown.
        translation_factor_std: its standard deviation; NaN when unknown.
        depth_std_at_20m: relative standard deviation of depth at 20 m; NaN when unknown.
        sources: names of the sources behind the state.
        covariance: 3 x 3, row by row, of (1 / scale, shift / scale, log of translation_factor):
            inverse depth is linear in the first two. NaN when unknown.
        messages: one line for each thing that is wrong with what the sources were given.
    """

    metric: bool = False
    scale: float = math.nan
    shift: float = math.nan
    scale_std: float = math.nan
    shift_std: float = math.nan
    translation_factor: float = math.nan
    translation_factor_std: float = math.nan
    depth_std_at_20m: float = math.nan
    sources: tuple[str, ...] = ()
    covariance: tuple[float, ...] = (math.nan,) * 9
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class OrganizedCloud:
    """A point cloud that keeps the image's rows and columns.

    Attributes:
        points: float32 [h, w, 4]: x, y and z in the camera's optical frame, NaN where there is no
            point; and the colour, whose bits are 0x00RRGGBB, as PCL and RViz read it.
        metric: whether coordinates are metres.
        normals: float32 [h, w, 3], unit vectors towards the camera in the optical frame, NaN
            where unknown; None when nobody wants them.
    """

    points: Float32Array
    metric: bool
    normals: Float32Array | None = None

    def __post_init__(self) -> None:
        # Copied into messages as they are.
        assert self.points.dtype == np.float32, self.points.dtype
        assert self.points.shape[2:] == (4,), self.points.shape

    @property
    def xyz(self) -> Float32Array:
        """Coordinates, float32 [h, w, 3]."""
        return self.points[..., :3]

    @property
    def rgb(self) -> UInt8Array:
        """Colours, uint8 [h, w, 3]."""
        packed = np.ascontiguousarray(self.points[..., 3]).view(np.uint32)
        bgr0 = packed.astype('<u4', copy=False)[..., None].view(np.uint8)
        return np.ascontiguousarray(bgr0[..., 2::-1])


@dataclass(frozen=True)
class OutputRequest:
    """Which products somebody wants; the rest is not computed.

    Attributes:
        depth: depth image and disparity.
        points: organised cloud.
        preview: colour-mapped disparity.
        depth_std: standard deviation of metric depth.
        costmap: points that mark obstacles and points that clear free space.
        normals: surface normals and their image.
    """

    depth: bool = True
    points: bool = True
    preview: bool = False
    depth_std: bool = False
    costmap: bool = False
    normals: bool = False


@dataclass(frozen=True, eq=False)
class PipelineOutput:
    """Everything the pipeline knows about one frame.

    Attributes:
        stamp_ns: capture time of the frame.
        frame_id: the camera's optical frame.
        camera: intrinsics of the maps below (given, or from the predicted field of view).
        camera_is_predicted: True when ``camera`` came from the network's field of view.
        predicted_fov_deg: field of view (horizontal, vertical) that the network predicts; NaN when
            it predicts none, and ``camera`` is then a guess unless it was given.
        network_size: (height, width) of the network's input.
        window_frames: frames in the window behind this output.
        disparity: affine-invariant disparity, float32 [H, W], larger is nearer; None if not asked.
        relative_depth: 1 / disparity in the network's unit, +Inf where disparity is 0; None when
            metric or not asked.
        depth_m: metres, float32 [H, W], NaN unknown, +Inf beyond the maximum; None when not
            metric or not asked.
        cloud: points of ``depth_m`` or ``relative_depth``; None if not asked.
        preview_rgb: colour-mapped disparity, uint8 [H, W, 3]; None if not asked.
        motion: the camera's motion; None when the network predicts no poses and no odometry
            stands in.
        grounding: what is known about metres.
        reset: why the stream started anew at this frame, or None.
        processing_ms: time spent in the pipeline on this frame.
        depth_std_m: standard deviation of ``depth_m`` [m], float32 [H, W]; NaN where unknown;
            None when not metric, not asked, or nothing is known about scale and shift.
        mark_points: obstacles, float32 [N, 3] in the optical frame [m]; None when not metric, not
            asked, or the camera's mounting is unknown.
        clear_points: ends of free rays, likewise.
        normals: surface normals of ``depth_m``, or of ``relative_depth`` when not metric, whose
            unknown shift bends planes: unit vectors towards the camera, float32 [H, W, 3] in the
            optical frame, NaN where unknown; None if not asked.
        normals_rgb: ``normals`` as colours, uint8 [H, W, 3], black where unknown; likewise.
    """

    stamp_ns: int
    frame_id: str
    camera: PinholeIntrinsics
    camera_is_predicted: bool
    predicted_fov_deg: tuple[float, float]
    network_size: tuple[int, int]
    window_frames: int
    disparity: Float32Array | None
    relative_depth: Float32Array | None
    depth_m: Float32Array | None
    cloud: OrganizedCloud | None
    preview_rgb: UInt8Array | None
    motion: EgoMotion | None
    grounding: GroundingState
    reset: ResetReason | None
    processing_ms: float
    depth_std_m: Float32Array | None = None
    mark_points: Float32Array | None = None
    clear_points: Float32Array | None = None
    normals: Float32Array | None = None
    normals_rgb: UInt8Array | None = None

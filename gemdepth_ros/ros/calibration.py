"""CameraInfo to a rectified image and its intrinsics: which matrix is this image's?

REP 104: a rectified image is described by P, a raw one by K and D; K[0] == 0 is uncalibrated.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics, UInt8Array

logger = logging.getLogger(__name__)
RectifiedInput = Literal['auto', 'true', 'false']
DISTORTION_SIZES = {  # coefficients that OpenCV takes for each of ROS's models
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """The numbers of one CameraInfo.

    Attributes:
        width: image width [px].
        height: image height [px].
        model: name of the distortion model.
        k: float64 [3, 3] intrinsics of the raw image.
        d: float64 [n] distortion coefficients.
        r: float64 [3, 3] rectifying rotation; the identity where the message has zeros.
        p: float64 [3, 3], left part of P, or None where the message has zeros.
    """

    width: int
    height: int
    model: str
    k: Float64Array
    d: Float64Array
    r: Float64Array
    p: Float64Array | None

    @classmethod
    def from_message(cls, message: Any) -> Calibration:
        """Read a sensor_msgs/CameraInfo."""
        r = np.array(message.r, float).reshape(3, 3)
        p = np.array(message.p, float).reshape(3, 4)[:, :3]
        return cls(
            width=int(message.width),
            height=int(message.height),
            model=str(message.distortion_model),
            k=np.array(message.k, float).reshape(3, 3),
            d=np.array(message.d, float),
            r=r if r.any() else np.eye(3),
            p=p if p[0, 0] else None,
        )

    @property
    def calibrated(self) -> bool:
        """Whether the camera was ever calibrated (REP 104)."""
        return bool(self.k[0, 0] != 0)

    @property
    def rectified_matrix(self) -> Float64Array:
        """Intrinsics of the rectified image; K's where the message has no P."""
        return self.k if self.p is None else self.p

    def intrinsics(self) -> PinholeIntrinsics:
        """Return the intrinsics of the rectified image."""
        m = self.rectified_matrix
        return PinholeIntrinsics(
            self.width, self.height, *(float(v) for v in (m[0, 0], m[1, 1], m[0, 2], m[1, 2]))
        )


def is_rectified(mode: RectifiedInput, topic: str, calibration: Calibration) -> tuple[bool, str]:
    """Decide whether the images of ``topic`` are rectified, and say why.

    ``auto`` believes the topic's name first (``image_rect``), then D: without distortion nothing
    remains to be done. With distortion the image is raw, unless K cannot belong to it: bags made
    from KITTI carry rectified images beside the K and D of the uncropped raw camera. That K has a
    principal point far from the middle (over 5 % of the size) where P's is nearer, and a focal
    length over 10 % away from P's.

    Returns:
        (rectified, reason).
    """
    if mode != 'auto':
        return mode == 'true', f'input_is_rectified is {mode}'
    if {'rect', 'rectified'} & set(re.split('[/_]', topic)):
        return True, f'the topic is named {topic}'
    if not calibration.d.any():
        return True, 'camera_info has no distortion'
    if calibration.p is None or np.allclose(calibration.k, calibration.p, rtol=1e-3):
        return False, 'camera_info has distortion and P has K'
    if _belongs_to_another_image(calibration):
        return True, 'K does not fit the image size but P does (as in bags made from KITTI)'
    return False, 'camera_info has distortion and K differs from P'


def _belongs_to_another_image(calibration: Calibration) -> bool:
    k, p = calibration.k, calibration.p
    if p is None:
        return False
    size = np.array([calibration.width, calibration.height], float)
    middle = (size - 1) / 2
    off_k = np.max(np.abs(k[:2, 2] - middle) / size)
    off_p = np.max(np.abs(p[:2, 2] - middle) / size)
    focal_differs = abs(k[0, 0] / p[0, 0] - 1) > 0.1
    return bool(off_k > 0.05 and off_p < off_k and focal_differs)


@dataclass(frozen=True, eq=False)
class RectifiedImage:
    """An image that a pinhole camera would have taken.

    Attributes:
        image_rgb: uint8 [H, W, 3].
        camera: its intrinsics, or None when unknown.
        note: why the intrinsics are unknown; empty when they are known.
    """

    image_rgb: UInt8Array
    camera: PinholeIntrinsics | None
    note: str = ''


class Rectifier:
    """Rectify the images of one topic; the maps of the newest CameraInfo are kept."""

    def __init__(self, mode: RectifiedInput, topic: str) -> None:
        self.decision = ''
        self._mode = mode
        self._topic = topic
        self._key: bytes | None = None
        self._camera: PinholeIntrinsics | None = None
        self._maps: tuple[Any, Any] | None = None
        self._note = ''

    def apply(self, image_rgb: UInt8Array, message: Any | None) -> RectifiedImage:
        """Return the rectified image with its intrinsics.

        Args:
            image_rgb: uint8 [H, W, 3].
            message: its sensor_msgs/CameraInfo, or None.
        """
        if message is None:
            return RectifiedImage(image_rgb, None, 'no camera_info for this image')
        height, width = image_rgb.shape[:2]
        if (message.height, message.width) != (height, width):
            return RectifiedImage(
                image_rgb,
                None,
                f'camera_info is {message.width}x{message.height} but the image {width}x{height}',
            )
        self._prepare(message)
        if self._camera is not None and self._maps is not None:
            image_rgb = cv2.remap(image_rgb, *self._maps, cv2.INTER_LINEAR)  # type: ignore[assignment]
        return RectifiedImage(image_rgb, self._camera, self._note)

    def _prepare(self, message: Any) -> None:
        calibration = Calibration.from_message(message)
        numbers = (calibration.k, calibration.d, calibration.r, calibration.rectified_matrix)
        key = b'|'.join(
            (*(array.tobytes() for array in numbers), calibration.model.encode(),
             b'%dx%d' % (calibration.width, calibration.height))
        )  # fmt: skip
        if key == self._key:
            return
        self._key, self._camera, self._maps = key, None, None
        self._note = self._read(calibration)
        logger.info('camera_info: %s', self._note or self.decision)

    def _read(self, calibration: Calibration) -> str:
        """Set camera and maps from a new calibration; return why it cannot be used, or ''."""
        if not calibration.calibrated:
            self.decision = 'uncalibrated'
            return 'camera is uncalibrated (K[0] is 0 in camera_info)'
        try:
            camera = calibration.intrinsics()
        except ConfigError as error:
            return f'camera_info is unusable: {error}'
        rectified, reason = is_rectified(self._mode, self._topic, calibration)
        self.decision = f'{"rectified" if rectified else "raw"}: {reason}'
        if not rectified:
            problem = _distortion_problem(calibration)
            if problem:
                return problem
            self._maps = rectification_maps(calibration)
        self._camera = camera
        return ''


def _distortion_problem(calibration: Calibration) -> str:
    if not calibration.d.any():  # whatever the model: there is nothing to undo
        return ''
    sizes = DISTORTION_SIZES.get(calibration.model)
    if sizes is None:
        return (
            f'distortion model {calibration.model!r} is not supported; known: '
            f'{", ".join(DISTORTION_SIZES)}; rectify the image before this node'
        )
    if calibration.d.size not in sizes or not np.isfinite(calibration.d).all():
        return (
            f'distortion model {calibration.model} needs {" or ".join(map(str, sizes))} finite '
            f'coefficients, got {calibration.d.tolist()}'
        )
    return ''


def rectification_maps(calibration: Calibration) -> tuple[Any, Any]:
    """Return OpenCV's maps from the rectified image (P) to the raw one (K, D, R)."""
    size = (calibration.width, calibration.height)
    d = calibration.d if calibration.d.any() else np.zeros(4)
    arguments = (calibration.k, d, calibration.r, calibration.rectified_matrix)
    if calibration.model == 'equidistant':
        return cv2.fisheye.initUndistortRectifyMap(*arguments, size, cv2.CV_16SC2)
    return cv2.initUndistortRectifyMap(*arguments, size, cv2.CV_16SC2)

"""CameraInfo to a rectified image and its intrinsics: which matrix is this image's?

REP 104: a rectified image is described by P, a raw one by K and D; K[0] == 0 is uncalibrated.
The numbers are worked on in ``geometry``; here messages are read and decisions are made.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry.calibration import Calibration
from gemdepth_ros.interfaces import PinholeIntrinsics, UInt8Array

logger = logging.getLogger(__name__)
BoolArray = npt.NDArray[np.bool_]
RectifiedInput = Literal['auto', 'true', 'false']
LARGEST_NUMBER, SMALLEST_FOCAL = 1e6, 1e-3  # of K, D, R, P, and of a focal length [px]
ROTATION_TOLERANCE = 0.01  # some drivers round R to a few digits
WHITE = 224  # of 255 that remain of a pixel with 1/16 pixel outside on two sides; maps are rounded


def read_camera_info(message: Any) -> Calibration:
    """Return the numbers of a sensor_msgs/CameraInfo.

    Zeros mean "not stated": the identity for R, no P, the whole image, no binning.
    """
    r = np.array(message.r, float).reshape(3, 3)
    p = np.array(message.p, float).reshape(3, 4)[:, :3]
    roi = message.roi
    region = (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height))
    return Calibration(
        width=int(message.width),
        height=int(message.height),
        model=str(message.distortion_model),
        k=np.array(message.k, float).reshape(3, 3),
        d=np.array(message.d, float),
        r=r if r.any() else np.eye(3),
        p=p if p[0, 0] else None,
        region=region if roi.width and roi.height else None,
        binning=(int(message.binning_x) or 1, int(message.binning_y) or 1),
    )


def delivered_size_of(message: Any) -> tuple[int, int]:
    """Return (height, width) of the images that a sensor_msgs/CameraInfo belongs to."""
    height, width = message.height, message.width
    if message.roi.width and message.roi.height:
        height, width = message.roi.height, message.roi.width
    return height // (message.binning_y or 1), width // (message.binning_x or 1)


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
    off_k, off_p = calibration.off_centre(k), calibration.off_centre(p)
    focal_differs = abs(k[0, 0] / p[0, 0] - 1) > 0.1
    return bool(off_k > 0.05 and off_p < off_k and focal_differs)


@dataclass(frozen=True, eq=False)
class RectifiedImage:
    """An image that a pinhole camera would have taken.

    Attributes:
        image_rgb: uint8 [H, W, 3].
        camera: its intrinsics, or None when unknown.
        note: why the intrinsics are unknown; empty when they are known.
        valid: bool [H, W], False where the raw image had nothing; None: all of it is image.
    """

    image_rgb: UInt8Array
    camera: PinholeIntrinsics | None
    note: str = ''
    valid: BoolArray | None = None


class Rectifier:
    """Rectify the images of one topic; the maps of the newest CameraInfo are kept."""

    def __init__(self, mode: RectifiedInput, topic: str) -> None:
        self.decision = ''
        self._mode = mode
        self._topic = topic
        self._key: bytes | None = None
        self._camera: PinholeIntrinsics | None = None
        self._maps: tuple[Any, Any] | None = None
        self._valid: BoolArray | None = None
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
        stated = delivered_size_of(message)
        if stated != (height, width):
            return RectifiedImage(image_rgb, None, _size_note(message, stated, (height, width)))
        self._prepare(message)
        if self._camera is not None and self._maps is not None:
            image_rgb = cv2.remap(image_rgb, *self._maps, cv2.INTER_LINEAR)  # type: ignore[assignment]
        return RectifiedImage(image_rgb, self._camera, self._note, self._valid)

    def _prepare(self, message: Any) -> None:
        calibration = read_camera_info(message)
        numbers = (calibration.k, calibration.d, calibration.r, calibration.rectified_matrix)
        layout = (calibration.width, calibration.height, calibration.region, calibration.binning)
        key = b'|'.join(
            (*(array.tobytes() for array in numbers), calibration.model.encode(),
             repr(layout).encode())
        )  # fmt: skip
        if key == self._key:
            return
        self._key, self._camera, self._maps, self._valid = key, None, None, None
        self._note = self._read(calibration)
        logger.info('camera_info: %s', self._note or self.decision)

    def _read(self, calibration: Calibration) -> str:
        """Set camera and maps from a new calibration; return why it cannot be used, or ''."""
        if not calibration.calibrated:
            self.decision = 'uncalibrated'
            return 'camera is uncalibrated (K[0] is 0 in camera_info)'
        try:
            check_numbers(calibration)
            calibration = calibration.delivered()
            camera = calibration.intrinsics()
            rectified, reason = is_rectified(self._mode, self._topic, calibration)
            self.decision = f'{"rectified" if rectified else "raw"}: {reason}'
            if not rectified:
                self._maps = calibration.rectification_maps()
                self._valid = seen_part(calibration, self._maps)
        except ConfigError as error:
            return f'camera_info is unusable: {error}'
        self._camera = camera
        return ''


def check_numbers(calibration: Calibration) -> None:
    """Refuse numbers that no camera has.

    Raises:
        ConfigError: one is not finite or absurd, R is no rotation, or P no projection.
    """
    p = calibration.rectified_matrix
    for name, values in (
        ('K', calibration.k),
        ('D', calibration.d),
        ('R', calibration.r),
        ('P', p),
    ):
        if not np.isfinite(values).all():
            raise ConfigError(f'{name} has numbers that are not finite')
        if np.abs(values).max(initial=0.0) > LARGEST_NUMBER:
            raise ConfigError(f'{name} has the number {np.abs(values).max():g}, which is absurd')
    for name, focal in (('K', np.diag(calibration.k)[:2]), ('P', np.diag(p)[:2])):
        if np.abs(focal).min() < SMALLEST_FOCAL:
            raise ConfigError(f'{name} has focal lengths of {focal[0]:g} and {focal[1]:g} px')
    if not np.allclose(p[2], [0, 0, 1]):
        raise ConfigError(f'the last row of P must be 0 0 1, got {p[2].tolist()}')
    r = calibration.r
    if not np.allclose(r @ r.T, np.eye(3), atol=ROTATION_TOLERANCE) or np.linalg.det(r) < 0:
        raise ConfigError('R is no rotation')


def seen_part(calibration: Calibration, maps: tuple[Any, Any]) -> BoolArray | None:
    """Return which pixels of the rectified image come from the raw one, bool [H, W].

    The rest is black, and would be taken for a surface. Beyond the angle where a distortion model
    turns back, OpenCV's maps lead into the image again; those pixels are not valid either.

    Args:
        calibration: of the image as it is sent.
        maps: its rectification maps.

    Returns:
        None when all pixels do.

    Raises:
        ConfigError: none does.
    """
    size = (calibration.height, calibration.width)
    white = cv2.remap(np.full(size, 255, np.uint8), *maps, cv2.INTER_LINEAR)
    valid: BoolArray = (np.asarray(white) >= WHITE) & _within_model(calibration)
    if not valid.any():
        raise ConfigError('R, P and D lead no pixel of the rectified image into the raw one')
    return None if valid.all() else valid


def _within_model(calibration: Calibration) -> BoolArray:
    """Where the rays of the rectified image are ones that the distortion model describes."""
    inverse = np.linalg.inv(calibration.rectified_matrix @ calibration.r).astype(np.float32)
    columns = np.arange(calibration.width, dtype=np.float32)
    rows = np.arange(calibration.height, dtype=np.float32)[:, None]
    x, y, z = (line[0] * columns + line[1] * rows + line[2] for line in inverse)
    largest = np.float32(calibration.raw_camera().largest_slope)
    result: BoolArray = (z > 0) & (x * x + y * y <= (largest * z) ** 2)
    return result


def _size_note(message: Any, stated: tuple[int, int], found: tuple[int, int]) -> str:
    """Say that an image has another size (height, width) than its CameraInfo states."""
    note = f'camera_info is {stated[1]}x{stated[0]}'
    if stated != (message.height, message.width):
        note += f' (after region of interest and binning of {message.width}x{message.height})'
    return f'{note} but the image {found[1]}x{found[0]}'

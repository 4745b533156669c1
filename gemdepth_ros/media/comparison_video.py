"""Image and coloured disparity side by side, as a video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gemdepth_ros.errors import DependencyError, ImageError
from gemdepth_ros.interfaces import Float32Array, UInt8Array
from gemdepth_ros.media.colormap import SteadyRange, colour_map

STEM = 'comparison'
# MPEG-4 is in every OpenCV wheel; H.264 often is not, and MJPG asks for nothing at all.
_ENCODERS = (('mp4v', '.mp4'), ('avc1', '.mp4'), ('MJPG', '.avi'))
_MAX_SIDE_PX = 1920  # of one half; encoders and players stop at 8192 in all


class ComparisonVideo:
    """Write image | disparity; colours keep one range that follows slowly (``SteadyRange``).

    The file is opened at the first frame, whose size it takes.
    """

    def __init__(self, folder: Path, frame_rate_hz: float) -> None:
        self._folder = folder
        self._frame_rate_hz = frame_rate_hz
        self._range = SteadyRange()
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self.path: Path | None = None

    def add(self, image_rgb: UInt8Array, disparity: Float32Array) -> None:
        """Append one frame.

        Args:
            image_rgb: uint8 [H, W, 3].
            disparity: float32 [H, W].
        """
        if self._writer is None:
            self._size = _half_size(image_rgb.shape[1], image_rgb.shape[0])
            self._writer = self._open()
        coloured = colour_map(disparity, *self._range.update(disparity))
        both = np.hstack([_fit(image_rgb, self._size), _fit(coloured, self._size)])
        self._writer.write(cv2.cvtColor(both, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """End the file.

        Raises:
            ImageError: the encoder wrote nothing (it does not report a full disk by itself).
        """
        if self._writer is None or self.path is None:
            return
        self._writer.release()
        self._writer = None
        if not self.path.is_file() or self.path.stat().st_size == 0:
            raise ImageError(f'the video {self.path} could not be written; is the disk full?')

    def _open(self) -> cv2.VideoWriter:
        width, height = self._size
        for code, suffix in _ENCODERS:
            self.path = self._folder / (STEM + suffix)
            fourcc = cv2.VideoWriter.fourcc(*code)
            writer = cv2.VideoWriter(
                str(self.path), fourcc, self._frame_rate_hz, (2 * width, height)
            )
            if writer.isOpened():
                return writer
            self.path.unlink(missing_ok=True)
        raise DependencyError(
            f'this OpenCV has no video encoder (tried {", ".join(c for c, _ in _ENCODERS)}); '
            f'pip install opencv-python-headless, or do without the video'
        )


def _half_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of one half: even, as encoders want it, and not too wide."""
    shrink = min(1.0, _MAX_SIDE_PX / width)
    return max(int(width * shrink) // 2 * 2, 2), max(int(height * shrink) // 2 * 2, 2)


def _fit(image: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    width, height = size
    if image.shape[1] - width in (0, 1) and image.shape[0] - height in (0, 1):
        return image[:height, :width]  # an odd last row or column is left out, not blurred
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

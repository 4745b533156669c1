"""Image and coloured disparity side by side, as a video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gemdepth_ros.interfaces import Float32Array, UInt8Array
from gemdepth_ros.media.colormap import SteadyRange, colour_map
from gemdepth_ros.media.video_output import VideoOutput

STEM = 'comparison'
_MAX_SIDE_PX = 1920  # of one half; encoders and players stop at 8192 in all


class ComparisonVideo:
    """Write image | disparity; colours keep one range that follows slowly (``SteadyRange``).

    The file is opened at the first frame, whose size it takes.
    """

    def __init__(self, folder: Path, frame_rate_hz: float) -> None:
        files = [folder / f'{STEM}.mp4', folder / f'{STEM}.avi']
        self._video = VideoOutput(files, frame_rate_hz)
        self._range = SteadyRange()
        self._size = (0, 0)

    @property
    def path(self) -> Path | None:
        """The file, or None before the first frame."""
        return self._video.path

    def add(self, image_rgb: UInt8Array, disparity: Float32Array) -> None:
        """Append one frame.

        Args:
            image_rgb: uint8 [H, W, 3].
            disparity: float32 [H, W].
        """
        if self._size == (0, 0):
            self._size = _half_size(image_rgb.shape[1], image_rgb.shape[0])
        coloured = colour_map(disparity, *self._range.update(disparity))
        self._video.add(np.hstack([_fit(image_rgb, self._size), _fit(coloured, self._size)]))

    def close(self) -> None:
        """End the file.

        Raises:
            ImageError: it does not play or lacks frames: the disk is full.
        """
        self._video.close()


def _half_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of one half: even, as encoders want it, and not too wide."""
    shrink = min(1.0, _MAX_SIDE_PX / width)
    return max(int(width * shrink) // 2 * 2, 2), max(int(height * shrink) // 2 * 2, 2)


def _fit(image: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    width, height = size
    if image.shape[1] - width in (0, 1) and image.shape[0] - height in (0, 1):
        return image[:height, :width]  # an odd last row or column is left out, not blurred
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

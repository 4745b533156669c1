"""Image, depth and a line of text as a video to look at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gemdepth_ros.interfaces import Float32Array, UInt8Array
from gemdepth_ros.media.colormap import SteadyRange, colour_map
from gemdepth_ros.media.video_output import VideoOutput

MAX_SIDE_PX = 1280  # of one picture
WIDE = 2.0  # images wider than this many heights stand one above the other
BAR_PX = 28
_FONT = cv2.FONT_HERSHEY_SIMPLEX


class PreviewVideo:
    """Write image and disparity with a line of text below.

    Args:
        file: ``.mp4`` or ``.avi``.
        frame_rate_hz: frames per second.
    """

    def __init__(self, file: Path, frame_rate_hz: float) -> None:
        self._video = VideoOutput([file], frame_rate_hz)
        self._range = SteadyRange()
        self._size: tuple[int, int] | None = None

    def add(self, image_rgb: UInt8Array, disparity: Float32Array, text: str) -> None:
        """Append one frame.

        Args:
            image_rgb: uint8 [H, W, 3]; later frames are fitted to the size of the first.
            disparity: float32 [H, W], larger is nearer.
            text: ASCII, one line.
        """
        if self._size is None:
            self._size = _picture_size(image_rgb.shape[1], image_rgb.shape[0])
        coloured = colour_map(disparity, *self._range.update(disparity))
        pictures = [
            cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
            for picture in (image_rgb, coloured)
        ]
        width, height = self._size
        both = np.vstack(pictures) if width > WIDE * height else np.hstack(pictures)
        self._video.add(np.vstack([both, _bar(both.shape[1], text)]))

    def close(self) -> None:
        """End the file.

        Raises:
            ImageError: it does not play or lacks frames: the disk is full.
        """
        self._video.close()


def _picture_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of one picture: even, as encoders want it, and not too wide."""
    shrink = min(1.0, MAX_SIDE_PX / max(width, height))
    return max(int(width * shrink) // 2 * 2, 2), max(int(height * shrink) // 2 * 2, 2)


def _bar(width: int, text: str) -> UInt8Array:
    bar = np.full((BAR_PX, width, 3), 24, np.uint8)
    size = 0.5
    (wide, _), _ = cv2.getTextSize(text, _FONT, size, 1)
    size *= min(1.0, (width - 16) / max(wide, 1))
    cv2.putText(bar, text, (8, BAR_PX - 9), _FONT, size, (235, 235, 235), 1, cv2.LINE_AA)
    return bar

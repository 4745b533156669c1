"""A video file as a clip, decoded by OpenCV."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from gemdepth_ros.errors import ImageError
from gemdepth_ros.media.source import DEFAULT_RATE_HZ, MediaFrame, require_size


class VideoFile:
    """The frames of a video file, with the presentation times of its container."""

    def __init__(self, path: Path, frame_rate_hz: float | None = None) -> None:
        self._path = path
        self._own_stamps = frame_rate_hz is None
        capture = self._open()
        rate = capture.get(cv2.CAP_PROP_FPS)
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        capture.release()
        known = math.isfinite(rate) and 0 < rate <= 1000
        self.frame_rate_hz = frame_rate_hz or (rate if known else DEFAULT_RATE_HZ)
        self.stated_frames: int | None = int(count) if 0 < count < 1e9 else None

    def __iter__(self) -> Iterator[MediaFrame]:
        """Decode the video from its start."""
        size: tuple[int, ...] | None = None
        for frame in self._decoded():
            size = size or frame.image_rgb.shape
            require_size(frame.image_rgb, size, f'frame {frame.index} of {self._path}')
            yield frame

    def readable(self, on_bad_image: Callable[[ImageError], None]) -> Iterator[MediaFrame]:
        """Decode the video up to its first damage: no frame behind it stands alone."""
        del on_bad_image
        return self._decoded()

    def _decoded(self) -> Iterator[MediaFrame]:
        capture = self._open()
        index, stamp_ns = 0, -1
        try:
            while True:
                good, image = capture.read()
                if not good:
                    break
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
                stamp_ns = self._stamp_ns(capture.get(cv2.CAP_PROP_POS_MSEC), index, stamp_ns)
                yield MediaFrame(index, rgb, stamp_ns)
                index += 1
        except cv2.error as error:
            raise ImageError(
                f'cannot decode frame {index} of {self._path}: {error.err}'
            ) from error
        finally:
            capture.release()
        if index == 0:
            raise ImageError(f'no frame of {self._path} can be decoded; {_HINT}')

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise ImageError(f'cannot open {self._path} as a video; {_HINT}')
        return capture

    def _stamp_ns(self, position_ms: float, index: int, previous_ns: int) -> int:
        """Return the frame's time: the container's where it ascends, else one period later."""
        if self._own_stamps and math.isfinite(position_ms):
            stated_ns = round(position_ms * 1e6)
            if stated_ns > previous_ns:
                return stated_ns
            return previous_ns + round(1e9 / self.frame_rate_hz)
        return round(index * 1e9 / self.frame_rate_hz)


_HINT = (
    'it is damaged, cut short, or in a format that this OpenCV lacks (try: ffmpeg -i FILE new.mp4)'
)

"""Frames on their way into a predictor, kept until its result for them comes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.media.source import MediaFrame

_NO_PIXELS = np.empty((0, 0, 3), np.uint8)  # a slice would keep the whole image alive


class FrameTap:
    """Hand images to a windowed predictor and pair each with its late result.

    A predictor reads a window ahead of what it returns; the frames in between wait here.

    Args:
        frames: the clip.
        capacity: most frames that may wait. More is an error of the predictor, not of the clip.
        keep_images: whether waiting frames keep their pixels, or only stamp and name.
    """

    def __init__(
        self, frames: Iterable[MediaFrame], capacity: int, *, keep_images: bool = True
    ) -> None:
        self._frames = frames
        self._capacity = capacity
        self._keep_images = keep_images
        self._waiting: deque[MediaFrame] = deque()
        self.read = 0

    def __len__(self) -> int:
        """Return how many frames wait for their result."""
        return len(self._waiting)

    def images(self) -> Iterator[UInt8Array]:
        """Yield the images, uint8 [H, W, 3], for the predictor."""
        for frame in self._frames:
            if len(self._waiting) >= self._capacity:
                raise RuntimeError(
                    f'{self._capacity} frames wait for a result; the predictor reads too far ahead'
                )
            kept = frame if self._keep_images else replace(frame, image_rgb=_NO_PIXELS)
            self._waiting.append(kept)
            self.read += 1
            yield frame.image_rgb

    def take(self, index: int) -> MediaFrame:
        """Return the frame of a result, and forget it; results come in the order of the clip."""
        frame = self._waiting.popleft() if self._waiting else None
        if frame is None or frame.index != index:
            found = 'none' if frame is None else frame.index
            raise RuntimeError(f'a result for frame {index} came where {found} was due')
        return frame

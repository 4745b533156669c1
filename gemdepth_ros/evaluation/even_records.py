"""Records of one size: what compares neighbouring frames compares them pixel by pixel.

A prediction is judged at the size of its true depth map. Frames to which no map belongs (depth
that comes at half the images' rate, or a map that was dropped) keep the size of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gemdepth_ros.evaluation.metrics import resize_to
from gemdepth_ros.evaluation.records import FrameRecord, Records
from gemdepth_ros.interfaces import PinholeIntrinsics


class EvenRecords:
    """Records, brought to one size when they are read.

    Args:
        records: as they lie.
        size: (height, width) of the true depth maps; None: there are none, and all images have
            one size.
    """

    def __init__(self, records: Records, size: tuple[int, int] | None) -> None:
        self._records, self._size = records, size

    def read(self, number: int) -> FrameRecord:
        """Return one record."""
        return self._even(self._records.read(number))

    def __iter__(self) -> Iterator[FrameRecord]:
        """Read all records in order, one in memory."""
        return map(self._even, self._records)

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._records)

    def _even(self, record: FrameRecord) -> FrameRecord:
        if self._size is None or record.disparity.shape == self._size:
            return record
        return resized(record, *self._size)


def resized(record: FrameRecord, height: int, width: int) -> FrameRecord:
    """Return a record at another size, without its truth: that belongs to pixels of its own.

    Disparity is resized bilinearly, as the published scripts do, all else to the nearest pixel.
    """
    old_height, old_width = record.disparity.shape
    camera = PinholeIntrinsics(old_width, old_height, *record.camera.tolist())
    new = camera.resized(width, height)
    return replace(
        record,
        disparity=resize_to(record.disparity, height, width).astype(np.float32),
        camera=np.array([new.fx, new.fy, new.cx, new.cy]),
        depth_m=nearest_to(record.depth_m, height, width),
        depth_std_m=nearest_to(record.depth_std_m, height, width),
        moving=nearest_to(record.moving, height, width),
        truth_pixels=None,
        truth_m=None,
    )


def nearest_to(image: npt.NDArray[Any] | None, height: int, width: int) -> npt.NDArray[Any] | None:
    """Return a map at another size, each pixel of it one of the old ones."""
    if image is None or image.shape == (height, width):
        return image
    stored = image.astype(np.uint8) if image.dtype == np.bool_ else image
    scaled = cv2.resize(stored, (width, height), interpolation=cv2.INTER_NEAREST)
    return scaled.astype(image.dtype)

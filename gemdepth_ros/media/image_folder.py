"""A folder of images as a clip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from gemdepth_ros.errors import ImageError
from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.media.source import IMAGE_SUFFIXES, MediaFrame, require_size


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key that puts ``2.png`` before ``10.png``, and numbers before letters."""
    parts = re.findall(r'\d+|\D+', path.name)
    return [(0, int(p), '') if p.isdecimal() else (1, 0, p.lower()) for p in parts], path.name


class ImageFolder:
    """Image files in a given order, with stamps from a frame rate."""

    def __init__(self, paths: tuple[Path, ...], frame_rate_hz: float) -> None:
        self.frame_rate_hz = frame_rate_hz
        self.stated_frames: int | None = len(paths)
        self._paths = paths

    @classmethod
    def of_folder(cls, folder: Path, frame_rate_hz: float) -> ImageFolder:
        """Return the images of a folder (not of its sub-folders), naturally sorted by name."""
        try:
            found = [
                path
                for path in folder.iterdir()
                if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')
            ]
        except OSError as error:
            raise ImageError(f'cannot read the folder {folder}: {error.strerror}') from error
        if not found:
            raise ImageError(
                f'no images in {folder} (looked for {" ".join(sorted(IMAGE_SUFFIXES))})'
            )
        return cls(tuple(sorted(found, key=natural_key)), frame_rate_hz)

    def __iter__(self) -> Iterator[MediaFrame]:
        """Decode the images one by one."""
        size: tuple[int, ...] | None = None
        for frame in self.readable(_refuse):
            size = size or frame.image_rgb.shape
            require_size(frame.image_rgb, size, str(self._paths[frame.index]))
            yield frame

    def readable(self, on_bad_image: Callable[[ImageError], None]) -> Iterator[MediaFrame]:
        """Decode the images that can be decoded; see `FrameSource`."""
        for index, path in enumerate(self._paths):
            try:
                image = read_image(path)
            except ImageError as error:
                on_bad_image(error)
                continue
            yield MediaFrame(index, image, round(index * 1e9 / self.frame_rate_hz), path.name)


def _refuse(error: ImageError) -> None:
    raise error


def read_image(path: Path) -> UInt8Array:
    """Read one image file as RGB.

    Returns:
        uint8 [H, W, 3]; grey images are repeated, 16-bit ones reduced, transparency is dropped.

    Raises:
        ImageError: the file cannot be read or is no image.
    """
    try:
        encoded = np.fromfile(path, np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    except OSError as error:
        raise ImageError(f'cannot read {path}: {error.strerror}') from error
    except cv2.error as error:
        raise ImageError(f'cannot decode {path}: {error.err}') from error
    if image is None:
        raise ImageError(f'cannot decode {path}: damaged, or not an image')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

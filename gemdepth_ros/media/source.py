"""A clip as an iterator of RGB frames with time stamps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gemdepth_ros.errors import ConfigError, ImageError
from gemdepth_ros.interfaces import UInt8Array

DEFAULT_RATE_HZ = 10.0  # of an image folder, which does not know its own
IMAGE_SUFFIXES = frozenset(
    ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
)


@dataclass(frozen=True, eq=False)
class MediaFrame:
    """One frame of a clip.

    Attributes:
        index: 0-based number in the clip.
        image_rgb: uint8 [H, W, 3].
        stamp_ns: time since the start of the clip [ns], strictly ascending.
        name: file name of an image; empty for the frames of a video.
    """

    index: int
    image_rgb: UInt8Array
    stamp_ns: int
    name: str = ''


class FrameSource(Protocol):
    """A clip that can be read from its start any number of times, one frame in memory.

    Attributes:
        frame_rate_hz: frames per second.
        stated_frames: how many frames there should be, or None when unknown. Of a video this is
            the container's word, which may be off where the file is damaged.
    """

    frame_rate_hz: float
    stated_frames: int | None

    def __iter__(self) -> Iterator[MediaFrame]:
        """Yield the frames in order.

        Raises:
            ImageError: a frame cannot be decoded, or has another size than the first.
        """

    def readable(self, on_bad_image: Callable[[ImageError], None]) -> Iterator[MediaFrame]:
        """Yield the frames that can be decoded, of whatever size.

        Args:
            on_bad_image: told of each of the others; its number stays free.

        Raises:
            ImageError: the clip cannot be read on, where its frames are not files of their own.
        """


def require_size(image: UInt8Array, size: tuple[int, ...], what: str) -> None:
    """Raise ``ImageError`` unless the image has the size of the clip's first one."""
    if image.shape != size:
        raise ImageError(
            f'{what} is {image.shape[1]}x{image.shape[0]}, but the clip began with '
            f'{size[1]}x{size[0]}; all frames must have one size'
        )


def open_source(path: Path, frame_rate_hz: float | None = None) -> FrameSource:
    """Return the clip at ``path``: a video file, a folder of images, or a single image.

    Args:
        path: existing file or folder.
        frame_rate_hz: frames per second; None: the video's own, 10 for images.

    Raises:
        ImageError: there is nothing at ``path`` that can be read as a clip.
        ConfigError: the frame rate is out of range.
    """
    from gemdepth_ros.media.image_folder import ImageFolder
    from gemdepth_ros.media.video_file import VideoFile

    if frame_rate_hz is not None and not (math.isfinite(frame_rate_hz) and frame_rate_hz > 0):
        raise ConfigError(f'frame rate must be finite and > 0 Hz, got {frame_rate_hz}')
    if path.is_dir():
        return ImageFolder.of_folder(path, frame_rate_hz or DEFAULT_RATE_HZ)
    # OpenCV would take an address or a numbering pattern for a video; only files are opened here.
    if not path.is_file():
        raise ImageError(f'no video file or image folder at {path}')
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFolder((path,), frame_rate_hz or DEFAULT_RATE_HZ)
    return VideoFile(path, frame_rate_hz)

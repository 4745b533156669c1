"""Pictures into a video file, with an encoder that this OpenCV has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from gemdepth_ros.errors import ConfigError, DependencyError, ImageError
from gemdepth_ros.interfaces import UInt8Array

# MPEG-4 is in every OpenCV wheel; H.264 often is not, and MJPG asks for nothing at all.
ENCODERS = (('mp4v', '.mp4'), ('avc1', '.mp4'), ('MJPG', '.avi'))
# These readers of OpenCV know the number of frames exactly and find each of them; others
# (GStreamer) guess the number from length and rate.
COUNTING_READERS = ('FFMPEG',)


class VideoOutput:
    """A video file that is opened at its first frame, whose size it takes.

    Args:
        files: where the video may go; their suffixes choose the encoder, the first that works
            is taken.
        frame_rate_hz: frames per second.

    Attributes:
        path: the file, or None before the first frame.

    Raises:
        ConfigError: a suffix that no encoder writes.
    """

    def __init__(self, files: Sequence[Path], frame_rate_hz: float) -> None:
        suffixes = {suffix for _, suffix in ENCODERS}
        for file in files:
            if file.suffix.lower() not in suffixes:
                raise ConfigError(
                    f'a video is written as {" or ".join(sorted(suffixes))}, got {file}'
                )
        self.path: Path | None = None
        self._files = files
        self._frame_rate_hz = frame_rate_hz
        self._writer: cv2.VideoWriter | None = None
        self._frames = 0

    def add(self, picture_rgb: UInt8Array) -> None:
        """Append one frame, uint8 [H, W, 3] with even H and W.

        Raises:
            DependencyError: this OpenCV has no encoder for it.
        """
        if self._writer is None:
            self._writer = self._open(picture_rgb.shape[1], picture_rgb.shape[0])
        self._frames += 1
        self._writer.write(cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """End the file and look whether it plays.

        Raises:
            ImageError: it does not, or lacks frames (the encoder does not report a full disk).
        """
        if self._writer is None or self.path is None:
            return
        self._writer.release()
        self._writer = None
        if not _plays(self.path, self._frames):
            raise ImageError(
                f'the video {self.path} could not be written whole ({self._frames} frames): '
                'is the disk full?'
            )

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        for code, suffix in ENCODERS:
            for file in self._files:
                if file.suffix.lower() != suffix:
                    continue
                fourcc = cv2.VideoWriter.fourcc(*code)
                writer = cv2.VideoWriter(str(file), fourcc, self._frame_rate_hz, (width, height))
                if writer.isOpened():
                    self.path = file
                    return writer
                file.unlink(missing_ok=True)
        raise DependencyError(
            f'this OpenCV has no video encoder for {self._files[0]} (tried '
            f'{", ".join(code for code, _ in ENCODERS)}); pip install opencv-python-headless, or '
            'do without the video'
        )


def _plays(path: Path, frames: int) -> bool:
    """Whether a video opens, knows of all its frames, and gives the last of them.

    The number alone is not enough: an AVI that was cut off may state it in its header.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return False
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            return False
        if capture.getBackendName() in COUNTING_READERS:
            if int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) != frames:
                return False
            capture.set(cv2.CAP_PROP_POS_FRAMES, frames - 1)
        return bool(capture.read()[0])
    finally:
        capture.release()

"""What is kept of each frame until the whole sequence has been seen, on disk.

The published protocol aligns with one scale and shift of the whole sequence, so no frame can be
scored before the last one was predicted. Records lie on disk: memory does not grow with the
recording, and a killed evaluation finds its frames again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import Float32Array, Float64Array

# What numpy's reader raises on files that were cut off or changed.
_DAMAGE = (OSError, ValueError, TypeError, EOFError, NotImplementedError, BadZipFile)


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """One processed frame.

    Attributes:
        index: number of the frame in the source.
        stamp_ns: capture time [ns].
        disparity: float32 [H, W], as predicted; NaN where nothing is.
        camera: float64 [4]: fx, fy, cx, cy [px].
        depth_m: float32 [H, W], metric; None when not metric.
        depth_std_m: float32 [H, W]; None when not stated.
        truth_pixels: int32 [N], flat indices of pixels whose true depth counts, ascending.
        truth_m: float32 [N], their true depth [m].
        moving: bool [H, W], pixels of moving objects; None when unknown.
        world_from_camera: float64 [4, 4], true pose; None when unknown.
        own_from_camera: float64 [4, 4], estimated pose; None when there is none.
        own_metric: whether the estimated pose is in metres.
        lost: whether the estimated trajectory is broken at this frame.
        scale: stated s of grounding; NaN when not metric.
        scale_std: its standard deviation.
        reset: why the stream started anew at this frame; empty: it did not.
        latency_ms: time in the pipeline [ms].
    """

    index: int
    stamp_ns: int
    disparity: Float32Array
    camera: Float64Array
    depth_m: Float32Array | None = None
    depth_std_m: Float32Array | None = None
    truth_pixels: npt.NDArray[np.int32] | None = None
    truth_m: Float32Array | None = None
    moving: npt.NDArray[np.bool_] | None = None
    world_from_camera: Float64Array | None = None
    own_from_camera: Float64Array | None = None
    own_metric: bool = False
    lost: bool = False
    scale: float = float('nan')
    scale_std: float = float('nan')
    reset: str = ''
    latency_ms: float = 0.0

    @property
    def matrix(self) -> Float64Array:
        """Camera matrix, float64 [3, 3]."""
        fx, fy, cx, cy = self.camera
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])

    def at_truth(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values of a map [H, W] at the pixels whose truth counts, [N]."""
        pixels = self.truth_pixels
        return image.ravel()[:0] if pixels is None else image.ravel()[pixels]


class Records(Protocol):
    """Records of a sequence, numbered from 0."""

    def read(self, number: int) -> FrameRecord:
        """Return one record."""

    def __iter__(self) -> Iterator[FrameRecord]:
        """Read all records in order."""

    def __len__(self) -> int:
        """Return how many records there are."""


class RecordStore:
    """Records of one evaluation in a folder, numbered from 0, written all or nothing each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._write(lambda: folder.mkdir(parents=True, exist_ok=True))
        self.count = 0
        while self._path(self.count).exists():
            self.count += 1
        # Those that an earlier process left without a state behind them will be truncated.
        self._settled = self.count

    def append(self, record: FrameRecord) -> None:
        """Write the next record.

        Raises:
            ConfigError: the disk is full, or the folder cannot be written.
        """
        self._write(lambda: self._save(record))
        self.count += 1

    def settle(self) -> None:
        """Have the records so far reach the disk itself, so that they outlast a loss of power.

        Raises:
            ConfigError: the disk failed.
        """
        self._write(self._sync)
        self._settled = self.count

    def truncate(self, count: int) -> None:
        """Forget all records from number ``count`` on."""
        for number in range(count, self.count):
            self._path(number).unlink()
        self.count = min(self.count, count)
        self._settled = min(self._settled, count)

    def read(self, number: int) -> FrameRecord:
        """Return one record.

        Raises:
            ConfigError: its file is damaged.
        """
        path = self._path(number)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return FrameRecord(**{name: _plain(arrays[name]) for name in arrays.files})
        except _DAMAGE as error:
            raise ConfigError(f'record {path} is damaged ({error}); evaluate anew') from error

    def __iter__(self) -> Iterator[FrameRecord]:
        """Read all records in order, one in memory."""
        return (self.read(number) for number in range(self.count))

    def __len__(self) -> int:
        """Return how many records there are."""
        return self.count

    def _path(self, number: int) -> Path:
        return self.folder / f'{number:07d}.npz'

    def _save(self, record: FrameRecord) -> None:
        values = {item.name: getattr(record, item.name) for item in fields(record)}
        temporary = self.folder / 'next.tmp'
        with temporary.open('wb') as file:
            np.savez(file, **{name: value for name, value in values.items() if value is not None})
        os.replace(temporary, self._path(self.count))

    def _sync(self) -> None:
        for number in range(self._settled, self.count):
            with self._path(number).open('rb') as file:
                os.fsync(file.fileno())
        sync_folder(self.folder)

    def _write(self, action: Any) -> None:
        try:
            action()
        except OSError as error:
            raise ConfigError(
                f'cannot write to {self.folder}: {error.strerror or error}; evaluation keeps one '
                'record per frame there until it ends'
            ) from error


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files reach the disk itself.

    Raises:
        OSError: the disk failed.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(array: npt.NDArray[Any]) -> Any:
    return array.item() if array.ndim == 0 else array

"""A few frames of an evaluation, kept beside its result for pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np

from gemdepth_ros.errors import BagError
from gemdepth_ros.interfaces import Float32Array, UInt8Array

MAX_WIDTH_PX = 640  # of what is kept: pictures in a report are not larger


@dataclass(frozen=True, eq=False)
class SampleFrame:
    """One frame with its prediction and what is true.

    Attributes:
        index: of the frame in its recording.
        stamp_ns: capture time [ns].
        image_rgb: uint8 [H, W, 3].
        depth_m: predicted, aligned as the result's first protocol says, float32 [H, W]; NaN
            unknown, +Inf far.
        truth_m: float32 [H, W], NaN unknown; None without ground truth.
    """

    index: int
    stamp_ns: int
    image_rgb: UInt8Array
    depth_m: Float32Array
    truth_m: Float32Array | None


def evenly(count: int, wanted: int) -> list[int]:
    """Return the indices of up to ``wanted`` of ``count`` frames, first and last left out."""
    return sorted({int((k + 0.5) * count / wanted) for k in range(wanted)}) if count else []


def write_sample(folder: Path, sample: SampleFrame) -> Path:
    """Write one frame into ``folder``, at most `MAX_WIDTH_PX` wide; return its file.

    Depth keeps the value of one pixel, it is not averaged over edges.

    Raises:
        BagError: it cannot be written.
    """
    height, width = sample.depth_m.shape
    step = -(-width // MAX_WIDTH_PX)
    size = (width // step, height // step)
    arrays: dict[str, Any] = {
        'image_rgb': cv2.resize(sample.image_rgb, size, interpolation=cv2.INTER_AREA),
        'depth_m': _thinned(sample.depth_m, step, size).astype(np.float32),
        'index': np.int64(sample.index),
        'stamp_ns': np.int64(sample.stamp_ns),
    }
    if sample.truth_m is not None:
        arrays['truth_m'] = _nearest_known(sample.truth_m, step, size)
    file = folder / f'{sample.index:06d}.npz'
    partial = file.with_suffix('.partial')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open('wb') as stream:
            np.savez_compressed(stream, **arrays)
        os.replace(partial, file)
    except OSError as error:
        raise BagError(f'cannot write {file}: {error.strerror or error}') from error
    return file


def read_samples(folder: Path) -> list[SampleFrame]:
    """Return the frames in ``folder``, in order; none where there is no such folder.

    Raises:
        BagError: a file is damaged.
    """
    return [_read(file) for file in sorted(folder.glob('*.npz'))]


def _read(file: Path) -> SampleFrame:
    try:
        with np.load(file) as arrays:  # never pickles
            return SampleFrame(
                index=int(arrays['index']),
                stamp_ns=int(arrays['stamp_ns']),
                image_rgb=arrays['image_rgb'],
                depth_m=arrays['depth_m'],
                truth_m=arrays.get('truth_m'),
            )
    except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
        raise BagError(f'{file} is no sample of an evaluation: {error}') from error


def _thinned(values: Float32Array, step: int, size: tuple[int, int]) -> Float32Array:
    """Every ``step``-th value, float32 [size[1], size[0]]."""
    start = step // 2
    return values[start::step, start::step][: size[1], : size[0]]


def _nearest_known(values: Float32Array, step: int, size: tuple[int, int]) -> Float32Array:
    """The nearest of each ``step`` x ``step`` values: of sparse truth none may be lost."""
    width, height = size
    cells = np.where(np.isfinite(values), values, np.inf)[: height * step, : width * step]
    nearest = cells.reshape(height, step, width, step).min(axis=(1, 3))
    return np.where(np.isfinite(nearest), nearest, np.nan).astype(np.float32)

"""Truth in files beside a recording: folders of depth maps and masks, files of poses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from gemdepth_ros.bags.kitti_files import matrices_3x4, read_numbers, read_pixels
from gemdepth_ros.cli.evaluation.source import Findings
from gemdepth_ros.errors import BagError
from gemdepth_ros.geometry.se3 import from_parts
from gemdepth_ros.interfaces import Float32Array, Float64Array

KITTI_FACTOR = 256.0
MAP_SUFFIXES = ('.png', '.npy')


@dataclass(frozen=True)
class FrameKey:
    """How files name a frame: by its place in the source, its own number, or its time."""

    index: int
    number: int
    stamp_ns: int


Lookup = Callable[[FrameKey], Any]


def looked_up(lookup: Lookup | None, key: FrameKey, what: str, findings: Findings) -> Any:
    """Return what belongs to a frame, or None; a damaged file costs its frame and is counted.

    Args:
        lookup: where; None: nowhere.
        key: of the frame.
        what: is looked for, in the plural.
        findings: told of files that cannot be read.
    """
    if lookup is None:
        return None
    return findings.tried(f'{what} that cannot be read', lambda: lookup(key))


def depth_folder(folder: Path, factor: float) -> Lookup:
    """Return a look-up of depth maps (``N.png`` 16 bit, or ``N.npy`` in metres), by number.

    Raises:
        BagError: the folder holds no numbered maps.
    """
    files = _numbered(folder)

    def find(key: FrameKey) -> Float32Array | None:
        path = files.get(key.number)
        return None if path is None else read_depth_map(path, factor or KITTI_FACTOR)

    return find


def mask_folder(folder: Path) -> Lookup:
    """Return a look-up of masks, bool [H, W]: every pixel that is not black moves."""
    files = _numbered(folder)

    def find(key: FrameKey) -> npt.NDArray[np.bool_] | None:
        path = files.get(key.number)
        if path is None:
            return None
        image = read_pixels(path, cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise BagError(f'mask {path} cannot be read: missing or damaged')
        return np.asarray(image > 0)

    return find


def pose_file(path: Path, tolerance_ns: int) -> Lookup:
    """Return a look-up of true poses of the camera, ``world_from_camera`` [4, 4].

    Twelve numbers on a line are KITTI's, one line per frame number; eight are TUM's: seconds, x,
    y, z, and a quaternion x y z w, found by time.

    Raises:
        BagError: the file is of neither kind.
    """
    rows = _pose_rows(path)
    widths = {len(row) for row in rows}
    if widths == {12}:
        poses = matrices_3x4(rows, path)
        return lambda key: poses[key.number] if key.number < len(poses) else None
    if widths != {8}:
        raise BagError(
            f'{path} must hold 12 numbers on each line (KITTI) or 8 (TUM: s x y z qx qy qz qw), '
            f'it has {sorted(widths) or "none"}'
        )
    return _by_time(tum_poses(rows, path), tolerance_ns)


def tum_poses(rows: Sequence[Sequence[float]], path: Path) -> dict[int, Float64Array]:
    """Return the poses of TUM's rows by stamp [ns]."""
    values = np.array(rows, np.float64)
    quaternions = values[:, 4:8]
    if not np.isfinite(values).all() or (np.linalg.norm(quaternions, axis=1) < 0.5).any():
        raise BagError(f'{path} holds a quaternion that is none')
    matrices = Rotation.from_quat(quaternions).as_matrix()
    stamps = [round(second * 1e9) for second in values[:, 0].tolist()]
    return {
        stamp: from_parts(rotation, position)
        for stamp, rotation, position in zip(stamps, matrices, values[:, 1:4], strict=True)
    }


def _by_time(poses: Mapping[int, Float64Array], tolerance_ns: int) -> Lookup:
    stamps = np.array(sorted(poses), np.int64)

    def find(key: FrameKey) -> Float64Array | None:
        nearest = nearest_stamp(stamps, key.stamp_ns, tolerance_ns)
        return None if nearest is None else poses[nearest]

    return find


def nearest_stamp(stamps: npt.NDArray[np.int64], stamp_ns: int, tolerance_ns: int) -> int | None:
    """Return the nearest of ascending stamps [ns], or None beyond the tolerance."""
    if not len(stamps):
        return None
    place = int(np.searchsorted(stamps, stamp_ns))
    near = stamps[max(place - 1, 0) : place + 1]
    nearest = int(near[np.argmin(np.abs(near - stamp_ns))])
    return nearest if abs(nearest - stamp_ns) <= tolerance_ns else None


def read_depth_map(path: Path, factor: float) -> Float32Array:
    """Return a depth map as metres, float32 [H, W], NaN where unknown (stored 0).

    Raises:
        BagError: it is missing, damaged, or no depth map.
    """
    if path.suffix == '.npy':
        try:
            with path.open('rb') as file:
                values = np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise BagError(
                f'depth map {path} cannot be read: {" ".join(str(error).split())}'
            ) from error
        if values.ndim != 2 or values.dtype.kind not in 'fiu':
            raise BagError(
                f'depth map {path} must be numbers [H, W], got {values.dtype} {list(values.shape)}'
            )
        return np.where(values > 0, values, np.nan).astype(np.float32)
    stored = read_pixels(path, cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 2:
        raise BagError(f'depth map {path} is not a 16-bit grey PNG')
    depth = stored.astype(np.float32) / np.float32(factor)
    return np.where(stored > 0, depth, np.float32(np.nan))


def _numbered(folder: Path) -> dict[int, Path]:
    files = {
        int(item.stem): item
        for item in folder.iterdir()
        if item.suffix in MAP_SUFFIXES and item.stem.isdecimal()
    }
    if not files:
        raise BagError(f'{folder} holds no maps named by their frame number (000012.png, .npy)')
    return files


def _pose_rows(path: Path) -> list[list[float]]:
    try:
        text = path.read_text('utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f'cannot read {path}: {error}') from error
    if '#' not in text and ',' not in text:
        return read_numbers(path)
    lines = [line.partition('#')[0].replace(',', ' ').split() for line in text.splitlines()]
    try:
        return [[float(word) for word in words] for words in lines if words]
    except ValueError as error:
        raise BagError(f'{path} holds a line that is no numbers: {error}') from error

"""A cloud that grows frame by frame in the world frame, one point per voxel, in bounded memory."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt

from gemdepth_ros.interfaces import Float32Array, Float64Array, UInt8Array

logger = logging.getLogger(__name__)

_AXIS_BITS = 21  # three axes in one 64-bit key: 2 million voxels along each
_HALF_SPAN = 1 << (_AXIS_BITS - 1)
_SMALLEST_MERGE = 1 << 18  # points that wait before they are merged

Keys = npt.NDArray[np.int64]


class VoxelCloud:
    """Mean position, colour and (optionally) normal of all points that fell into each voxel.

    When there are more than ``max_voxels``, the voxels' size doubles, with a warning: the whole
    of a long recording stays, in less detail. Points wait in a list and are merged by sorting
    when there are as many of them as voxels, so that a point costs the same at any size. Memory
    is at most about three times ``max_voxels`` rows of 56 (with normals 68) bytes.
    """

    def __init__(self, voxel_size: float, max_voxels: int, *, normals: bool = False) -> None:
        """Start empty.

        Args:
            voxel_size: edge of a voxel, in the unit of the points.
            max_voxels: how many there may be.
            normals: whether points come with normals.
        """
        assert voxel_size > 0
        assert max_voxels >= 1
        self.voxel_size = voxel_size
        self.out_of_span = 0
        """Points that were too far from the origin to be numbered, and were left out."""
        self._max_voxels = max_voxels
        self._channels = 6 if normals else 3
        self._keys: Keys = np.empty(0, np.int64)
        self._counts: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._places: Float64Array = np.empty((0, 3))  # sums
        self._values: Float32Array = np.empty((0, self._channels), np.float32)  # sums
        self._waiting: list[tuple[Float64Array, Float32Array]] = []
        self._waiting_count = 0

    def add(self, xyz: Float64Array, rgb: UInt8Array, normals: Float32Array | None = None) -> None:
        """Add points; those that are not finite are left out.

        Args:
            xyz: [N, 3] in the world frame.
            rgb: uint8 [N, 3].
            normals: [N, 3] in the world frame, NaN where unknown; needed when the cloud was
                made with normals.
        """
        kept = np.isfinite(xyz).all(axis=1)
        values = np.empty((int(kept.sum()), self._channels), np.float32)
        values[:, :3] = rgb[kept]
        if self._channels == 6:
            assert normals is not None
            values[:, 3:] = np.nan_to_num(normals[kept], nan=0.0)
        self._waiting.append((np.asarray(xyz, np.float64)[kept], values))
        self._waiting_count += len(values)
        if self._waiting_count >= max(_SMALLEST_MERGE, min(self._keys.size, self._max_voxels)):
            self._merge()

    def __len__(self) -> int:
        """Number of voxels."""
        self._merge()
        return int(self._keys.size)

    def points(self, min_count: int = 1) -> tuple[Float64Array, UInt8Array, Float32Array | None]:
        """Return positions [M, 3], colours [M, 3] and unit normals [M, 3] of the voxels.

        Args:
            min_count: leave out voxels with fewer points: what was seen once is often wrong.

        Returns:
            (xyz, rgb, normals); normals are None when the cloud has none, zero where unknown.
        """
        self._merge()
        kept = self._counts >= min_count
        counts = self._counts[kept, None]
        xyz: Float64Array = self._places[kept] / counts
        rgb: UInt8Array = np.rint(self._values[kept, :3] / counts).astype(np.uint8)
        if self._channels == 3:
            return xyz, rgb, None
        normals = self._values[kept, 3:]
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        return xyz, rgb, (normals / np.where(lengths > 0, lengths, 1)).astype(np.float32)

    def _merge(self) -> None:
        """Put the waiting points into voxels."""
        if not self._waiting:
            return
        places = np.concatenate([part[0] for part in self._waiting])
        values = np.concatenate([part[1] for part in self._waiting])
        self._waiting, self._waiting_count = [], 0
        keys, inside = self._keys_of(places)
        self.out_of_span += int(inside.size - inside.sum())
        self._gather(
            np.concatenate([self._keys, keys[inside]]),
            np.concatenate([self._counts, np.ones(int(inside.sum()), np.int64)]),
            np.concatenate([self._places, places[inside]]),
            np.concatenate([self._values, values[inside]]),
        )
        while self._keys.size > self._max_voxels:
            self._coarsen()

    def _coarsen(self) -> None:
        self.voxel_size *= 2
        logger.warning(
            'more than %d voxels: their size is now %g, so that memory stays bounded',
            self._max_voxels,
            self.voxel_size,
        )
        keys, _ = self._keys_of(self._places / self._counts[:, None])
        self._gather(keys, self._counts, self._places, self._values)

    def _gather(
        self,
        keys: Keys,
        counts: npt.NDArray[np.int64],
        places: Float64Array,
        values: Float32Array,
    ) -> None:
        """Keep the sums of the rows with equal keys, ordered by key."""
        order = np.argsort(keys, kind='stable')
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
        self._keys = keys[first]
        self._counts = np.add.reduceat(counts[order], first) if first.size else counts
        self._places = np.add.reduceat(places[order], first) if first.size else places
        self._values = np.add.reduceat(values[order], first) if first.size else values

    def _keys_of(self, places: Float64Array) -> tuple[Keys, npt.NDArray[np.bool_]]:
        """Return the voxels' numbers, and which places are near enough to have one."""
        cells = np.floor(places / self.voxel_size) + _HALF_SPAN
        inside = np.all((cells >= 0) & (cells < 2 * _HALF_SPAN), axis=1)
        numbers = np.where(inside[:, None], cells, 0).astype(np.int64)
        x, y, z = numbers.T
        return (x << (2 * _AXIS_BITS)) | (y << _AXIS_BITS) | z, inside

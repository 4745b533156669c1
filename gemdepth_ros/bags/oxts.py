"""KITTI's GPS/IMU records (OXTS) as poses of the IMU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.bags.kitti_files import read_numbers
from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gemdepth_ros.interfaces import Float64Array

EARTH_RADIUS_M = 6_378_137.0
_POSE_FIELDS = 6


def read_oxts(paths: Iterable[Path]) -> Float64Array:
    """Return latitude, longitude [deg], altitude [m], roll, pitch, yaw [rad] of each record.

    Returns:
        float64 [N, 6].
    """
    records = []
    for path in paths:
        rows = read_numbers(path)
        if not rows or len(rows[0]) < _POSE_FIELDS:
            raise BagError(f'{path} is no OXTS record: it must begin with {_POSE_FIELDS} numbers')
        records.append(rows[0][:_POSE_FIELDS])
    return np.array(records, np.float64)


def world_from_imu(records: Float64Array) -> Float64Array:
    """Return poses of the IMU in a local world, x east, y north, z up, as KITTI defines it.

    Positions are the Mercator projection at the scale of the first latitude, relative to the
    first position. Attitude is Rz(yaw) Ry(pitch) Rx(roll); yaw 0 is east, and the IMU's axes are
    x forward, y left, z up (KITTI raw data development kit, Geiger et al., IJRR 2013).

    Args:
        records: float64 [N, 6] as `read_oxts` gives them.

    Returns:
        float64 [N, 4, 4].
    """
    latitude, longitude, altitude = records[:, 0], records[:, 1], records[:, 2]
    scale = np.cos(np.radians(latitude[0]))
    poses = np.tile(np.eye(4), (len(records), 1, 1))
    poses[:, 0, 3] = scale * EARTH_RADIUS_M * np.radians(longitude)
    poses[:, 1, 3] = scale * EARTH_RADIUS_M * np.log(np.tan(np.radians(90.0 + latitude) / 2))
    poses[:, 2, 3] = altitude
    poses[:, :3, 3] -= poses[0, :3, 3].copy()
    # Intrinsic z-y-x is the product Rz(yaw) Ry(pitch) Rx(roll).
    poses[:, :3, :3] = Rotation.from_euler('ZYX', records[:, [5, 4, 3]]).as_matrix()
    return poses

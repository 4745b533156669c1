"""A driving recording as typed values, before it is a bag: where all folder layouts meet.

Frames of coordinates:

* ``camera_optical_frame``: the camera's own centre; x right, y down, z forward (REP 103).
* ``base_link``: x forward, y left, z up, the camera's axes permuted (the camera counts as level).
  Its origin lies straight below the camera: on the ground where the camera's height is known,
  else in the camera.
* ``velodyne``: x forward, y left, z up, as the sensor gives its points.
* ``odom``: ``base_link`` of the recording's first frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.errors import BagError
from gemdepth_ros.geometry.se3 import from_parts, inverse

if TYPE_CHECKING:
    from collections.abc import Callable

    from gemdepth_ros.interfaces import (
        Float32Array,
        Float64Array,
        PinholeIntrinsics,
        UInt8Array,
    )

_BASE_FROM_OPTICAL_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Rig:
    """The calibration of a recording.

    Attributes:
        camera: intrinsics of the rectified images.
        base_from_camera: float64 [4, 4], see `base_from_level_camera`.
        base_from_lidar: float64 [4, 4]; None without LiDAR.
    """

    camera: PinholeIntrinsics
    base_from_camera: Float64Array
    base_from_lidar: Float64Array | None = None


@dataclass(frozen=True, eq=False)
class SensorFrame:
    """What was measured at one camera exposure.

    Attributes:
        stamp_ns: capture time of the image [ns].
        image: rectified, uint8, RGB [H, W, 3] or grey [H, W].
        points_xyzi: float32 [N, 4] in the LiDAR's frame [m]; None when there is no scan.
        points_stamp_ns: time of the scan [ns].
        depth_m: float32 [H, W], along the optical axis [m], NaN unknown; None when not known.
        damage: why a scan or a depth map that should be there is missing.
    """

    stamp_ns: int
    image: UInt8Array
    points_xyzi: Float32Array | None = None
    points_stamp_ns: int = 0
    depth_m: Float32Array | None = None
    damage: tuple[BagError, ...] = ()


@dataclass(frozen=True, eq=False)
class PoseSample:
    """Where the vehicle was.

    Attributes:
        stamp_ns: time of the pose [ns].
        odom_from_base: float64 [4, 4].
        twist: float64 [6] in base_link: linear [m/s], angular [rad/s].
    """

    stamp_ns: int
    odom_from_base: Float64Array
    twist: Float64Array


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording whose frames are loaded when they are asked for.

    Attributes:
        name: what it is, for people.
        rig: its calibration.
        frame_count: number of frames.
        load: returns frame 0 .. frame_count - 1.
        poses: ground truth, one per frame, or empty.
        has_lidar: whether frames (may) hold points.
        has_depth: whether frames (may) hold depth.
    """

    name: str
    rig: Rig
    frame_count: int
    load: Callable[[int], SensorFrame]
    poses: tuple[PoseSample, ...]
    has_lidar: bool
    has_depth: bool

    def __post_init__(self) -> None:
        if self.frame_count < 1:
            raise BagError(f'{self.name} holds no frames')
        if self.poses and len(self.poses) != self.frame_count:
            raise BagError(
                f'{self.name} has {self.frame_count} frames but {len(self.poses)} poses'
            )

    def part(self, start: int, count: int | None = None) -> Recording:
        """Return ``count`` frames from frame ``start`` on; ``odom`` stays where it was.

        Raises:
            BagError: the part holds no frames.
        """
        stop = self.frame_count if count is None else min(start + count, self.frame_count)
        if not 0 <= start < stop:
            raise BagError(
                f'no frames left: {self.name} has {self.frame_count}, asked for '
                f'{"all" if count is None else count} from frame {start}'
            )
        return Recording(
            name=self.name,
            rig=self.rig,
            frame_count=stop - start,
            load=lambda index: self.load(start + index),
            poses=self.poses[start:stop],
            has_lidar=self.has_lidar,
            has_depth=self.has_depth,
        )


def base_from_level_camera(height_m: float) -> Float64Array:
    """Return base_link from a level camera ``height_m`` above base_link's origin."""
    return from_parts(_BASE_FROM_OPTICAL_AXES, np.array([0.0, 0.0, height_m]))


def pose_samples(
    stamps_ns: list[int], world_from_sensor: Float64Array, base_from_sensor: Float64Array
) -> tuple[PoseSample, ...]:
    """Return the poses of base_link from those of a sensor that is fixed to it.

    Args:
        stamps_ns: N times [ns].
        world_from_sensor: float64 [N, 4, 4] in any fixed world.
        base_from_sensor: float64 [4, 4].

    Returns:
        Poses relative to base_link at the first; twists from neighbouring poses.
    """
    world_from_base = world_from_sensor @ inverse(base_from_sensor)
    odom_from_base = inverse(world_from_base[0]) @ world_from_base
    twists = _body_twists(np.asarray(stamps_ns, np.int64), odom_from_base)
    return tuple(
        PoseSample(stamp_ns, pose, twist)
        for stamp_ns, pose, twist in zip(stamps_ns, odom_from_base, twists, strict=True)
    )


def _body_twists(stamps_ns: Float64Array, odom_from_base: Float64Array) -> Float64Array:
    """Return velocities [N, 6] in the body: to the next pose, and the last from the one before."""
    twists = np.zeros((len(odom_from_base), 6))
    if len(odom_from_base) < 2:
        return twists
    seconds = np.diff(stamps_ns)[:, np.newaxis] / 1e9
    steps = inverse(odom_from_base[:-1]) @ odom_from_base[1:]
    twists[:-1, :3] = steps[:, :3, 3] / seconds
    twists[:-1, 3:] = Rotation.from_matrix(steps[:, :3, :3]).as_rotvec() / seconds
    twists[-1, :3] = steps[-1, :3, :3].T @ twists[-2, :3]
    twists[-1, 3:] = twists[-2, 3:]
    return twists


def project_to_depth(
    points_xyzi: Float32Array, camera_from_lidar: Float64Array, camera: PinholeIntrinsics
) -> Float32Array:
    """Return the depth image [H, W] of LiDAR points: the nearest of each pixel, NaN elsewhere.

    A point belongs to the pixel whose centre is nearest.
    """
    rotation, translation = camera_from_lidar[:3, :3], camera_from_lidar[:3, 3]
    points = points_xyzi[:, :3].astype(np.float64) @ rotation.T + translation
    x, y, z = points[points[:, 2] > 0].T
    column = np.floor(camera.fx * x / z + camera.cx + 0.5)
    row = np.floor(camera.fy * y / z + camera.cy + 0.5)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    pixel = (row[inside] * camera.width + column[inside]).astype(np.int64)
    depth = np.full(camera.height * camera.width, np.inf, np.float32)
    np.minimum.at(depth, pixel, z[inside].astype(np.float32))
    depth[np.isinf(depth)] = np.nan
    return depth.reshape(camera.height, camera.width)

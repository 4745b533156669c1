"""One rendered image with the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float32Array, Float64Array, PinholeIntrinsics, UInt8Array

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """One image of a world with the truth about it.

    Attributes:
        image_rgb: uint8 [H, W, 3].
        depth_m: float32 [H, W], along the optical axis [m]; +Inf for sky.
        moving: bool [H, W], pixels of things that move in the world.
        stamp_ns: capture time [ns].
        camera: intrinsics.
        world_from_camera: float64 [4, 4], optical axes; the identity at frame 0.
    """

    image_rgb: UInt8Array
    depth_m: Float32Array
    moving: BoolArray
    stamp_ns: int
    camera: PinholeIntrinsics
    world_from_camera: Float64Array

    def lidar_points(self, beams: int = 64, max_range_m: float = 80.0) -> Float32Array:
        """Return what a LiDAR in the camera's centre would measure, without noise.

        Args:
            beams: rows of points.
            max_range_m: largest depth [m].

        Returns:
            float32 [N, 4]: x forward, y left, z up [m], and brightness 0 .. 1 as intensity.
        """
        camera = self.camera
        beam_rows = np.unique(np.linspace(0, camera.height - 1, beams).astype(int))
        grid = np.meshgrid(beam_rows, np.arange(0, camera.width, 2), indexing='ij')
        rows, columns = np.stack(grid)[:, self.depth_m[grid[0], grid[1]] <= max_range_m]
        depth = self.depth_m[rows, columns]
        right = (columns - camera.cx) / camera.fx * depth
        down = (rows - camera.cy) / camera.fy * depth
        brightness = self.image_rgb[rows, columns].mean(axis=1) / 255.0
        points = np.stack([depth, -right, -down, brightness], axis=-1)
        return points.astype(np.float32)

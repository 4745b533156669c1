"""What other sensors say about a frame; no torch, so that the node's callbacks may fill it."""

from __future__ import annotations

from dataclasses import dataclass

from gemdepth_ros.grounding.inputs import BoolArray, CameraMounting, LidarScan, OdometrySample
from gemdepth_ros.interfaces import Float64Array

__all__ = ['NOTHING_MEASURED', 'CameraMounting', 'LidarScan', 'OdometrySample', 'SensorReadings']


@dataclass(frozen=True, eq=False)
class SensorReadings:
    """What other sensors measured since the last frame.

    Attributes:
        lidar: points and their static transform, or None.
        odometry: samples, oldest first.
        gravity_camera: direction of gravity (down) in the optical frame, unit vector, or None.
        mounting: where the camera sits, when more is known than the configuration says, or None.
        sky: bool of the (rectified) image's size, True where it shows sky, or None.
    """

    lidar: LidarScan | None = None
    odometry: tuple[OdometrySample, ...] = ()
    gravity_camera: Float64Array | None = None
    mounting: CameraMounting | None = None
    sky: BoolArray | None = None


NOTHING_MEASURED = SensorReadings()

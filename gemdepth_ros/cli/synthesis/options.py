"""What a synthetic bag shall hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from gemdepth_ros.errors import ConfigError

RINGS = (64, 16, 1)
LARGEST_SIDE_PX = 4096
LONGEST_DRIVE_S = 3600.0
"""The world is made before the first frame, as long as the drive."""


@dataclass(frozen=True)
class CameraFaults:
    """What the camera does wrong.

    Attributes:
        drop_share: part of the frames that are missing; the first one is there.
        stamp_jitter_ms: largest error of a stamp, to both sides [ms].
        exposure_jumps: how often the brightness jumps.
    """

    drop_share: float = 0.0
    stamp_jitter_ms: float = 0.0
    exposure_jumps: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.drop_share < 1:
            raise ConfigError(
                f'the share of dropped frames must be in 0..1, got {self.drop_share}'
            )


@dataclass(frozen=True)
class SynthesisOptions:
    """A drive and its instruments.

    Attributes:
        frames: number of camera frames.
        rate_hz: of the camera.
        height: of the images [px].
        width: of the images [px].
        seed: of the world, and of all noise.
        kind: 'driving' or 'indoor'.
        varied: camera, road and light vary with the seed too, not only the street.
        device: where to render.
        lidar_rings: one LiDAR for each, of so many rings.
        lidar_field_deg: what they see around their axis [deg].
        odometry: whether there is wheel odometry.
        imu: whether there is an IMU.
        imu_orientation: whether the IMU has an orientation.
        depth: whether true depth is there.
        masks: whether masks of the sky and of what moves are there.
        compressed: images as JPEG.
        faults: of the camera.
    """

    frames: int = 40
    rate_hz: float = 10.0
    height: int = 188
    width: int = 621
    seed: int = 0
    kind: str = 'driving'
    varied: bool = False
    device: str = 'cpu'
    lidar_rings: tuple[int, ...] = (16,)
    lidar_field_deg: float = 360.0
    odometry: bool = True
    imu: bool = True
    imu_orientation: bool = False
    depth: bool = True
    masks: bool = False
    compressed: bool = False
    faults: CameraFaults = field(default_factory=CameraFaults)

    def __post_init__(self) -> None:
        if self.frames < 1 or not 0 < self.rate_hz <= 1000:
            raise ConfigError(
                f'a drive needs a frame and a rate of up to 1000 Hz, got {self.frames} frames at '
                f'{self.rate_hz} Hz'
            )
        if self.frames / self.rate_hz > LONGEST_DRIVE_S:
            raise ConfigError(
                f'a drive lasts up to {LONGEST_DRIVE_S:g} s, got {self.frames} frames at '
                f'{self.rate_hz:g} Hz: make several, of other seeds'
            )
        if max(self.width, self.height) > LARGEST_SIDE_PX:
            raise ConfigError(
                f'images have sides of up to {LARGEST_SIDE_PX} px, got {self.width}x{self.height}'
            )
        half_ms = 500.0 / self.rate_hz
        if not 0 <= self.faults.stamp_jitter_ms < half_ms:
            raise ConfigError(
                f'stamps may be off by less than half of the frame interval ({half_ms:g} ms), '
                f'or frames change places; got {self.faults.stamp_jitter_ms:g} ms'
            )
        unknown = set(self.lidar_rings) - set(RINGS)
        if unknown or len(set(self.lidar_rings)) < len(self.lidar_rings):
            raise ConfigError(f'LiDAR rings must be some of {RINGS}, got {self.lidar_rings}')

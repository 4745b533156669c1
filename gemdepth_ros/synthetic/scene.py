"""A street of boxes: what stands where, what it looks like, and how the camera drives along it.

World axes are the optical axes of the first camera: x right, y down, z along the street [m].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float32Array, Float64Array

CAMERA_HEIGHT_M = 1.65
"""The ground is the plane y = CAMERA_HEIGHT_M."""

STREET_LENGTH_M = 400.0
LANE_HALF_WIDTH_M = 1.75
_NOISE_SIZE = 256


@dataclass(frozen=True)
class Box:
    """A box with faces along the world's axes.

    Attributes:
        lower: smallest x, y, z at time 0 [m].
        upper: largest x, y, z at time 0 [m].
        colour: red, green, blue in 0 .. 1.
        window_m: distance of painted windows [m]; 0 for plain faces.
        speed_mps: motion along z [m/s].
    """

    lower: tuple[float, float, float]
    upper: tuple[float, float, float]
    colour: tuple[float, float, float]
    window_m: float = 0.0
    speed_mps: float = 0.0

    def bounds_at(self, time_s: float) -> Float64Array:
        """Return lower and upper corner at a time, float64 [2, 3]."""
        bounds = np.array([self.lower, self.upper], np.float64)
        bounds[:, 2] += self.speed_mps * time_s
        return bounds


@dataclass(frozen=True, eq=False)
class Street:
    """All that can be seen.

    Attributes:
        boxes: buildings and cars.
        noise: tileable texture in 0 .. 1 of mean 0.5, one array per level of half the size.
    """

    boxes: tuple[Box, ...]
    noise: tuple[Float32Array, ...]


def make_street(seed: int) -> Street:
    """Return the street of a seed."""
    random = np.random.default_rng(seed)
    boxes = [
        *_buildings(random, -1.0),
        *_buildings(random, 1.0),
        *_parked_cars(random),
        *_traffic(random),
    ]
    return Street(tuple(boxes), _noise_pyramid(random))


def camera_pose(time_s: float) -> Float64Array:
    """Return world_from_camera, float64 [4, 4], of a car in its lane; the identity at time 0.

    About 8 m/s, weaving by half a metre, nodding by a quarter of a degree.
    """
    x = 0.5 * (1.0 - math.cos(0.5 * time_s))
    z = 8.0 * time_s + 0.8 * math.sin(0.9 * time_s)
    x_speed = 0.25 * math.sin(0.5 * time_s)
    z_speed = 8.0 + 0.72 * math.cos(0.9 * time_s)
    yaw = math.atan2(x_speed, z_speed)
    pitch = math.radians(0.25) * math.sin(5.0 * time_s)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('YX', [yaw, pitch]).as_matrix()
    pose[:3, 3] = (x, 0.0, z)
    return pose


def _standing(
    x: tuple[float, float],
    z: tuple[float, float],
    height_m: float,
    colour: tuple[float, float, float],
    *,
    base_m: float = 0.0,
    window_m: float = 0.0,
    speed_mps: float = 0.0,
) -> Box:
    """Return a box that stands ``base_m`` above the ground and is ``height_m`` high in all."""
    return Box(
        (x[0], CAMERA_HEIGHT_M - height_m, z[0]),
        (x[1], CAMERA_HEIGHT_M - base_m, z[1]),
        colour,
        window_m,
        speed_mps,
    )


def _buildings(random: np.random.Generator, side: float) -> list[Box]:
    boxes = []
    start = -20.0 + random.uniform(0.0, 5.0)
    while start < STREET_LENGTH_M:
        length, height, setback = random.uniform((8.0, 4.0, 9.0), (20.0, 16.0, 13.0))
        near, far = side * setback, side * (setback + 12.0)
        tint = random.uniform(0.45, 0.85) * random.uniform((0.95, 0.8, 0.65), (1.0, 0.95, 0.9))
        boxes.append(
            _standing(
                (min(near, far), max(near, far)),
                (start, start + length),
                height,
                _rgb(tint),
                window_m=random.uniform(2.5, 3.5),
            )
        )
        start += length + random.choice([0.0, 4.0])
    return boxes


def _car(
    random: np.random.Generator, x_centre: float, z_start: float, speed_mps: float = 0.0
) -> list[Box]:
    colour = _rgb(random.uniform(0.1, 0.9, 3))
    glass = (0.12, 0.14, 0.17)
    length = random.uniform(3.8, 4.8)
    body_x = (x_centre - 0.88, x_centre + 0.88)
    cabin_x = (x_centre - 0.75, x_centre + 0.75)
    cabin_z = (z_start + 0.7, z_start + 0.75 * length)
    return [
        _standing(
            body_x, (z_start, z_start + length), 0.85, colour, base_m=0.2, speed_mps=speed_mps
        ),
        _standing(cabin_x, cabin_z, 1.45, glass, base_m=0.85, speed_mps=speed_mps),
    ]


def _parked_cars(random: np.random.Generator) -> list[Box]:
    boxes: list[Box] = []
    z_start = random.uniform(4.0, 12.0)
    while z_start < STREET_LENGTH_M:
        boxes += _car(random, 3.3 + random.uniform(-0.15, 0.15), z_start)
        z_start += random.uniform(6.0, 25.0)
    return boxes


def _traffic(random: np.random.Generator) -> list[Box]:
    boxes = _car(random, 0.0, 16.0, speed_mps=8.3)
    for z_start in (30.0, 75.0, 140.0):
        boxes += _car(random, -3.5, z_start + random.uniform(0.0, 10.0), speed_mps=-9.0)
    return boxes


def _rgb(values: Float64Array) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _noise_pyramid(random: np.random.Generator) -> tuple[Float32Array, ...]:
    """Return tileable noise with power at every scale, and its block means."""
    frequency = np.hypot(
        *np.meshgrid(np.fft.fftfreq(_NOISE_SIZE), np.fft.rfftfreq(_NOISE_SIZE), indexing='ij')
    )
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.standard_normal((_NOISE_SIZE, _NOISE_SIZE))) / frequency**0.8
    noise = np.fft.irfft2(spectrum)
    level = np.clip(0.5 + 0.2 * noise / noise.std(), 0.0, 1.0).astype(np.float32)
    levels = [level]
    while len(level) > 1:
        half = len(level) // 2
        level = level.reshape(half, 2, half, 2).mean(axis=(1, 3), dtype=np.float32)
        levels.append(level)
    return tuple(levels)

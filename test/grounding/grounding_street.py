"""A small analytic street: a flat road and boxes, so that every statement can be exact.

The synthetic world of the package has kerbs, bends and slopes; what grounding makes of those is
another question than whether its arithmetic is right. World axes are the optical axes of the
first camera: x right, y down, z along the street [m].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.interfaces import Float32Array, Float64Array, PinholeIntrinsics, UInt8Array
from gemdepth_ros.synthetic import CAMERA_HEIGHT_M, SyntheticFrame

RATE_HZ = 10.0
START_NS = 1_700_000_000_000_000_000
FAR_M, NEAR_M = 250.0, 0.1
LENGTH_M = 120.0
TEXEL_M, TEXTURE = 0.03, 256
GROUND, SKY = -1, -2


@dataclass(frozen=True)
class Box:
    """A box with faces along the axes, moving along z."""

    lower: tuple[float, float, float]
    upper: tuple[float, float, float]
    speed_mps: float = 0.0


def _standing(
    x: tuple[float, float], z: tuple[float, float], heights: tuple[float, float], speed: float
) -> Box:
    low, high = heights
    return Box((x[0], CAMERA_HEIGHT_M - high, z[0]), (x[1], CAMERA_HEIGHT_M - low, z[1]), speed)


def _car(random: np.random.Generator, x: float, z: float, speed: float = 0.0) -> list[Box]:
    length = random.uniform(3.8, 4.8)
    body = _standing((x - 0.88, x + 0.88), (z, z + length), (0.2, 0.85), speed)
    cabin = (z + 0.7, z + 0.75 * length)
    return [body, _standing((x - 0.75, x + 0.75), cabin, (0.85, 1.45), speed)]


def _buildings(random: np.random.Generator, side: float) -> list[Box]:
    boxes, start = [], -20.0 + random.uniform(0.0, 5.0)
    while start < LENGTH_M:
        length, height, setback = random.uniform((8.0, 4.0, 9.0), (20.0, 16.0, 13.0))
        x = sorted((side * setback, side * (setback + 12.0)))
        boxes.append(_standing((x[0], x[1]), (start, start + length), (0.0, height), 0.0))
        start += length + random.choice([0.0, 4.0])
    return boxes


def camera_pose(time_s: float) -> Float64Array:
    """About 8 m/s, weaving by half a metre, nodding by a quarter of a degree."""
    speed = (0.25 * math.sin(0.5 * time_s), 8.0 + 0.72 * math.cos(0.9 * time_s))
    pitch = math.radians(0.25) * math.sin(5.0 * time_s)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('YX', [math.atan2(*speed), pitch]).as_matrix()
    x, z = 0.5 * (1.0 - math.cos(0.5 * time_s)), 8.0 * time_s + 0.8 * math.sin(0.9 * time_s)
    pose[:3, 3] = (x, 0.0, z)
    return pose


class FlatStreet:
    """A drive along the street of a seed, seen by KITTI's camera at any size."""

    def __init__(self, height: int, width: int, seed: int) -> None:
        focal = 0.581 * width
        self.camera = PinholeIntrinsics(
            width, height, focal, focal, (width - 1) / 2, 0.46 * height
        )
        random = np.random.default_rng(seed)
        self.boxes = [*_buildings(random, -1.0), *_buildings(random, 1.0)]
        start = random.uniform(4.0, 12.0)
        while start < LENGTH_M:
            self.boxes += _car(random, 3.3 + random.uniform(-0.15, 0.15), start)
            start += random.uniform(6.0, 25.0)
        self.boxes += _car(random, 0.0, 16.0, 8.3)
        for start in (30.0, 75.0):
            self.boxes += _car(random, -3.5, start + random.uniform(0.0, 10.0), -9.0)
        self._textures = _pyramid(random)

    @cached_property
    def _rays(self) -> Float64Array:
        camera = self.camera
        rows, columns = np.mgrid[: camera.height, : camera.width].astype(np.float64)
        x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
        return np.stack([x, y, np.ones_like(x)])

    def render(self, index: int) -> SyntheticFrame:
        """Image and exact depth of one frame."""
        time_s = index / RATE_HZ
        pose = camera_pose(time_s)
        rays = np.tensordot(pose[:3, :3], self._rays, axes=1).astype(np.float32)
        with np.errstate(divide='ignore'):
            depth = np.float32(CAMERA_HEIGHT_M - pose[1, 3]) / rays[1]
        on_ground = (depth > 0) & (depth < FAR_M)
        depth = np.where(on_ground, depth, np.float32(np.inf))
        thing, axis = np.where(on_ground, GROUND, SKY), np.ones(depth.shape, np.int64)
        for number, box in enumerate(self.boxes):
            bounds = np.array([box.lower, box.upper])
            bounds[:, 2] += box.speed_mps * time_s
            window = self._window(bounds, pose)
            if window is None:
                continue
            entry, face = _entry(bounds - pose[:3, 3], rays[:, window[0], window[1]])
            nearer = entry < depth[window]
            depth[window][nearer] = entry[nearer]
            thing[window][nearer] = number
            axis[window][nearer] = face[nearer]
        speeds = np.array([box.speed_mps for box in self.boxes] + [0.0, 0.0])
        return SyntheticFrame(
            image_rgb=self._paint(depth, thing, axis, rays, pose, speeds * time_s),
            depth_m=depth,
            moving=speeds[thing] != 0,
            stamp_ns=START_NS + round(time_s * 1e9),
            camera=self.camera,
            world_from_camera=pose,
        )

    def _window(self, bounds: Float64Array, pose: Float64Array) -> tuple[slice, slice] | None:
        """Rows and columns in which a box can be seen."""
        camera = self.camera
        corners = np.array(np.meshgrid(*bounds.T)).reshape(3, 8)
        x, y, z = pose[:3, :3].T @ (corners - pose[:3, 3:])
        if z.max() < NEAR_M:
            return None
        if z.min() < NEAR_M:
            return slice(0, camera.height), slice(0, camera.width)
        columns, rows = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
        left, right = np.clip([columns.min(), columns.max() + 1], 0, camera.width).astype(int)
        top, bottom = np.clip([rows.min(), rows.max() + 1], 0, camera.height).astype(int)
        return None if left == right or top == bottom else (slice(top, bottom), slice(left, right))

    def _paint(
        self,
        depth: Float32Array,
        thing: np.ndarray,
        axis: np.ndarray,
        rays: Float32Array,
        pose: Float64Array,
        moved: Float64Array,
    ) -> UInt8Array:
        """Texture that sticks to each surface, at the level of detail of a pixel."""
        seen = thing != SKY
        points = pose[:3, 3:] + depth[seen] * rays[:, seen]
        points[2] -= moved[thing[seen]]
        face = axis[seen]
        slant = np.abs(np.take_along_axis(rays[:, seen], face[None], axis=0)[0])
        footprint = depth[seen] / self.camera.fx / np.maximum(slant, 1e-3)
        across = np.where(face == 0, points[2], points[0]) + 7.3 * thing[seen]
        along = np.where(face == 1, points[2], points[1])
        grey = np.full(depth.shape, 200.0)
        base = np.array([60.0, 45.0, 70.0])[face]
        grey[seen] = base + 150.0 * self._sample(across, along, footprint)
        return np.repeat(grey[..., None].clip(0, 255), 3, axis=2).astype(np.uint8)

    def _sample(
        self, across: Float64Array, along: Float64Array, footprint: Float64Array
    ) -> Float64Array:
        finest = np.log2(np.maximum(footprint / TEXEL_M, 1.0))
        level = np.minimum(np.rint(finest), len(self._textures) - 1).astype(np.int64)
        values = np.empty_like(across)
        for index, texture in enumerate(self._textures):
            here, texel = level == index, TEXEL_M * 2**index
            column = np.floor(across[here] / texel).astype(np.int64) % len(texture)
            row = np.floor(along[here] / texel).astype(np.int64) % len(texture)
            values[here] = texture[row, column]
        return values


def _entry(bounds: Float64Array, rays: Float32Array) -> tuple[Float32Array, np.ndarray]:
    """Where rays [3, h, w] enter a box [2, 3], +Inf where they miss, and through which face."""
    with np.errstate(divide='ignore', invalid='ignore'):
        crossings = bounds.astype(np.float32)[:, :, None, None] / rays
    near, far = crossings.min(axis=0), crossings.max(axis=0)
    entry = near.max(axis=0)
    missed = (entry > far.min(axis=0)) | (entry < NEAR_M) | (entry > FAR_M)
    return np.where(missed, np.float32(np.inf), entry), near.argmax(axis=0)


def _pyramid(random: np.random.Generator) -> list[Float64Array]:
    """Tileable noise with power at every scale, in 0 .. 1, and its block means."""
    across, along = np.meshgrid(np.fft.fftfreq(TEXTURE), np.fft.rfftfreq(TEXTURE), indexing='ij')
    frequency = np.hypot(across, along)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.standard_normal((TEXTURE, TEXTURE))) / frequency**0.8
    noise = np.fft.irfft2(spectrum)
    levels = [np.clip(0.5 + 0.2 * noise / noise.std(), 0.0, 1.0)]
    while len(levels[-1]) > 1:
        half = len(levels[-1]) // 2
        levels.append(levels[-1].reshape(half, 2, half, 2).mean(axis=(1, 3)))
    return levels

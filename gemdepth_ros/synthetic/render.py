"""A ray caster of the street: images with exact depth, one ray through each pixel centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import PinholeIntrinsics
from gemdepth_ros.synthetic.scene import (
    CAMERA_HEIGHT_M,
    LANE_HALF_WIDTH_M,
    Street,
    camera_pose,
    make_street,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gemdepth_ros.interfaces import Float32Array, Float64Array, UInt8Array

FRAME_RATE_HZ = 10.0
START_NS = 1_700_000_000_000_000_000
MAX_DISTANCE_M = 250.0
"""The world ends here; beyond it is sky."""

_SKY = -2
_GROUND = -1
_NEAR_M = 0.1
_TEXEL_M = 0.03
_SKY_COLOUR = np.array([0.62, 0.74, 0.88], np.float32)
_ASPHALT = np.array([0.33, 0.33, 0.35], np.float32)
_PAVEMENT = np.array([0.55, 0.52, 0.48], np.float32)
_HAZE_M = 220.0

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """One image of the street with the truth about it.

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


class SyntheticDrive:
    """A drive along a street; frames are rendered one by one, in any order.

    Args:
        frames: number of frames.
        height: of the images [px].
        width: of the images [px].
        seed: the street's appearance.
    """

    def __init__(self, frames: int, height: int, width: int, seed: int) -> None:
        if frames < 1 or height < 8 or width < 8:
            raise ConfigError(
                f'a drive needs a frame and images of 8x8 pixels, got {frames} frames of '
                f'{width}x{height}'
            )
        self.frames = frames
        # KITTI's field of view: 721.5 px focal length on 1242 x 375, the horizon above the middle.
        focal = 0.581 * width
        self.camera = PinholeIntrinsics(
            width, height, focal, focal, (width - 1) / 2, 0.46 * height
        )
        self._street = make_street(seed)
        rows, columns = np.mgrid[:height, :width].astype(np.float64)
        self._rays_camera = np.stack(
            [
                (columns - self.camera.cx) / focal,
                (rows - self.camera.cy) / focal,
                np.ones_like(rows),
            ]
        )

    def time_s(self, index: int) -> float:
        """Return the time of a frame since the start [s]."""
        return index / FRAME_RATE_HZ

    def stamp_ns(self, index: int) -> int:
        """Return the capture time of a frame [ns]."""
        return START_NS + round(self.time_s(index) * 1e9)

    def world_from_camera(self, index: int) -> Float64Array:
        """Return the pose of a frame, float64 [4, 4]."""
        return camera_pose(self.time_s(index))

    def render(self, index: int) -> SyntheticFrame:
        """Render frame ``index``."""
        time_s = self.time_s(index)
        world_from_camera = self.world_from_camera(index)
        # Rays have length 1 along the optical axis: the ray parameter is the depth.
        rays = np.tensordot(world_from_camera[:3, :3], self._rays_camera, axes=1)
        hits = _cast(self._street, rays.astype(np.float32), world_from_camera, self.camera, time_s)
        speeds = np.array([box.speed_mps for box in self._street.boxes] + [0.0, 0.0])
        return SyntheticFrame(
            image_rgb=_paint(self._street, hits, time_s, self.camera.fx),
            depth_m=hits.depth,
            # Ground (-1) and sky (-2) index the two zeros at the end.
            moving=speeds[hits.thing] != 0,
            stamp_ns=self.stamp_ns(index),
            camera=self.camera,
            world_from_camera=world_from_camera,
        )


def render_drive(frames: int, height: int, width: int, seed: int = 0) -> Iterator[SyntheticFrame]:
    """Render a drive at 10 Hz, one frame at a time; the same seed gives the same pixels."""
    drive = SyntheticDrive(frames, height, width, seed)
    for index in range(frames):
        yield drive.render(index)


@dataclass(frozen=True, eq=False)
class _Hits:
    """What each ray meets: depth [H, W], box index or ground or sky, face axis, origin, rays."""

    depth: Float32Array
    thing: IntArray
    axis: IntArray
    origin: Float64Array
    rays: Float32Array


def _cast(
    street: Street,
    rays: Float32Array,
    world_from_camera: Float64Array,
    camera: PinholeIntrinsics,
    time_s: float,
) -> _Hits:
    origin = world_from_camera[:3, 3]
    with np.errstate(divide='ignore'):
        depth = np.float32(CAMERA_HEIGHT_M - origin[1]) / rays[1]
    on_ground = (depth > 0) & (depth < MAX_DISTANCE_M)
    depth = np.where(on_ground, depth, np.float32(np.inf))
    thing = np.where(on_ground, _GROUND, _SKY).astype(np.int32)
    axis = np.ones_like(thing)
    for index, box in enumerate(street.boxes):
        bounds = box.bounds_at(time_s)
        window = _screen_window(bounds, world_from_camera, camera)
        if window is None:
            continue
        entry, face = _box_entry(bounds - origin, rays[:, window[0], window[1]])
        nearer = entry < depth[window]
        depth[window][nearer] = entry[nearer]
        thing[window][nearer] = index
        axis[window][nearer] = face[nearer]
    return _Hits(depth, thing, axis, origin, rays)


def _screen_window(
    bounds: Float64Array, world_from_camera: Float64Array, camera: PinholeIntrinsics
) -> tuple[slice, slice] | None:
    """Return the rows and columns where a box can be seen, or None when it cannot."""
    corners = np.array(np.meshgrid(*bounds.T)).reshape(3, 8)
    x, y, z = world_from_camera[:3, :3].T @ (corners - world_from_camera[:3, 3:])
    if z.max() < _NEAR_M or z.min() > MAX_DISTANCE_M:
        return None
    if z.min() < _NEAR_M:
        return slice(0, camera.height), slice(0, camera.width)
    columns = camera.fx * x / z + camera.cx
    rows = camera.fy * y / z + camera.cy
    left, right = np.clip([columns.min(), columns.max() + 1], 0, camera.width).astype(int)
    top, bottom = np.clip([rows.min(), rows.max() + 1], 0, camera.height).astype(int)
    return None if left == right or top == bottom else (slice(top, bottom), slice(left, right))


def _box_entry(bounds: Float64Array, rays: Float32Array) -> tuple[Float32Array, IntArray]:
    """Return where rays enter a box (+Inf where they miss it) and through which axis' face.

    Args:
        bounds: float64 [2, 3], lower and upper corner relative to the camera.
        rays: float32 [3, h, w].
    """
    with np.errstate(divide='ignore', invalid='ignore'):
        crossings = bounds.astype(np.float32)[:, :, np.newaxis, np.newaxis] / rays
    near, far = crossings.min(axis=0), crossings.max(axis=0)
    face = near.argmax(axis=0).astype(np.int32)
    entry = near.max(axis=0)
    missed = (entry > far.min(axis=0)) | (entry < _NEAR_M) | (entry > MAX_DISTANCE_M)
    return np.where(missed, np.float32(np.inf), entry), face


def _paint(street: Street, hits: _Hits, time_s: float, focal: float) -> UInt8Array:
    seen = hits.thing != _SKY
    colour = np.empty((*hits.depth.shape, 3), np.float32)
    height = np.clip(-hits.rays[1][~seen] * 2.0, 0.0, 1.0)[:, np.newaxis]
    colour[~seen] = _SKY_COLOUR * (1.0 - 0.35 * height)

    depth, axis, thing = hits.depth[seen], hits.axis[seen], hits.thing[seen]
    rays = hits.rays[:, seen]
    points = hits.origin.astype(np.float32)[:, np.newaxis] + depth * rays
    # Paint sticks to what moves.
    motion = np.array([box.speed_mps * time_s for box in street.boxes] + [0.0, 0.0], np.float32)
    points[2] -= motion[thing]
    # One pixel's length on the surface, along the direction in which it is longest.
    slant = np.abs(np.take_along_axis(rays, axis[np.newaxis], axis=0)[0])
    footprint = depth / np.float32(focal) / np.maximum(slant, np.float32(1e-3))
    across = np.where(axis == 0, points[2], points[0])
    along = np.where(axis == 1, points[2], points[1])

    surface = _box_colour(street, thing, axis, across, along, footprint)
    ground = thing == _GROUND
    surface[ground] = _ground_colour(points[0, ground], points[2, ground], footprint[ground])
    # Every box has its own piece of the texture.
    noise = _sample(street.noise, across + 7.3 * thing, along, footprint)
    surface *= (0.65 + 0.7 * noise)[:, np.newaxis]
    haze = np.exp(-depth / np.float32(_HAZE_M))[:, np.newaxis]
    colour[seen] = haze * surface + (1.0 - haze) * _SKY_COLOUR
    return (np.clip(colour, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _box_colour(
    street: Street,
    thing: IntArray,
    axis: IntArray,
    across: Float32Array,
    along: Float32Array,
    footprint: Float32Array,
) -> Float32Array:
    table = np.array([box.colour for box in street.boxes] + [(0.0, 0.0, 0.0)] * 2, np.float32)
    spacing = np.array([box.window_m for box in street.boxes] + [0.0, 0.0], np.float32)[thing]
    shade = np.array([0.75, 1.1, 0.95], np.float32)[axis]
    surface = table[thing] * shade[:, np.newaxis]
    walls = (spacing > 0) & (axis != 1)
    period = np.where(walls, spacing, np.float32(1.0))
    pane = _band(across, period, 0.5, footprint) * _band(along, period, 0.55, footprint)
    glass = (np.float32(0.6) * pane * walls)[:, np.newaxis]
    return cast('Float32Array', surface * (np.float32(1.0) - glass))


def _ground_colour(x: Float32Array, z: Float32Array, footprint: Float32Array) -> Float32Array:
    """Return asphalt with lane markings between pavements, [N, 3]."""
    # The longest direction of a pixel on the ground runs away from the camera; its width across
    # the street is what blurs a line along the street.
    width = np.sqrt(footprint * np.float32(_TEXEL_M)) + np.float32(0.01)
    road = np.clip((5.4 - np.abs(x + LANE_HALF_WIDTH_M)) / width + 0.5, 0.0, 1.0)
    left = np.clip((0.08 - np.abs(x + LANE_HALF_WIDTH_M)) / width + 0.5, 0.0, 1.0)
    right = np.clip((0.08 - np.abs(x - LANE_HALF_WIDTH_M)) / width + 0.5, 0.0, 1.0)
    line = np.maximum(left * _band(z, np.float32(9.0), 0.35, footprint), right)
    colour = road[:, np.newaxis] * _ASPHALT + (1.0 - road)[:, np.newaxis] * _PAVEMENT
    paint = line[:, np.newaxis]
    return cast('Float32Array', paint * np.float32(0.95) + (1.0 - paint) * colour)


def _band(
    position: Float32Array,
    period: Float32Array | np.float32,
    share: float,
    footprint: Float32Array,
) -> Float32Array:
    """Return 1 on the middle ``share`` of each period, 0 elsewhere, its mean where it is fine."""
    distance = np.abs(position - period * np.round(position / period))
    sharp = np.clip((0.5 * share * period - distance) / (footprint + 0.01) + 0.5, 0.0, 1.0)
    coarse = np.clip(footprint / (0.5 * period), 0.0, 1.0)
    return cast('Float32Array', (1.0 - coarse) * sharp + coarse * np.float32(share))


def _sample(
    pyramid: tuple[Float32Array, ...],
    across: Float32Array,
    along: Float32Array,
    footprint: Float32Array,
) -> Float32Array:
    """Look the noise up, at the level whose texels are as large as a pixel (nearest texel)."""
    finest = np.log2(np.maximum(footprint / np.float32(_TEXEL_M), 1.0))
    level = np.minimum(np.rint(finest), len(pyramid) - 1).astype(np.int32)
    values = np.empty_like(across)
    for index, texture in enumerate(pyramid):
        here = level == index
        if here.any():
            size = len(texture)
            texel = np.float32(_TEXEL_M * 2**index)
            column = np.floor(across[here] / texel).astype(np.int64) % size
            row = np.floor(along[here] / texel).astype(np.int64) % size
            values[here] = texture[row, column]
    return values

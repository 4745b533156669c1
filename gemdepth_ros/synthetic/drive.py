"""A drive through a seeded world, rendered frame by frame with exact truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import PinholeIntrinsics
from gemdepth_ros.synthetic.cast import PlacedSolids, camera_hits
from gemdepth_ros.synthetic.config import INDOOR, VARIED, WorldConfig
from gemdepth_ros.synthetic.flow import flow_between
from gemdepth_ros.synthetic.frame import SyntheticFrame
from gemdepth_ros.synthetic.lens import make_dirt, motion_blurred
from gemdepth_ros.synthetic.ranges import cast_ranges
from gemdepth_ros.synthetic.scene import make_scene
from gemdepth_ros.synthetic.sensor import make_sensor
from gemdepth_ros.synthetic.shade import Shader
from gemdepth_ros.synthetic.texture import Noise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gemdepth_ros.interfaces import Float32Array, Float64Array
    from gemdepth_ros.synthetic.cast import Hits

START_NS = 1_700_000_000_000_000_000
INDOOR_SHARE = 0.12
FAR_M = 300.0
"""The world ends here; beyond it is sky."""

# x forward, y left, z up from optical axes.
_LEVEL_FROM_OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


class SyntheticDrive:
    """A drive through a world; frames are rendered one by one, in any order.

    The same seed, sizes and options give the same bits on one device.

    Args:
        frames: number of frames.
        height: of the images [px].
        width: of the images [px].
        seed: of the world.
        kind: 'driving' or 'indoor'.
        device: where to render.
        config: what the world may contain; None: a street seen by KITTI's camera, or INDOOR.
    """

    def __init__(
        self,
        frames: int,
        height: int,
        width: int,
        seed: int,
        *,
        kind: str = 'driving',
        device: str | torch.device = 'cpu',
        config: WorldConfig | None = None,
    ) -> None:
        if frames < 1 or height < 8 or width < 8:
            raise ConfigError(
                f'a drive needs a frame and images of 8x8 pixels, got {frames} frames of '
                f'{width}x{height}'
            )
        self.frames = frames
        config = (INDOOR if kind == 'indoor' else WorldConfig()) if config is None else config
        random = np.random.default_rng(seed)
        self.camera_height_m = random.uniform(*config.camera_height_m)
        pitch = math.radians(random.uniform(*config.camera_pitch_deg))
        self.frame_rate_hz = random.uniform(*config.frame_rate_hz)
        self.camera = _draw_camera(random, config, height, width)
        self.camera_from_base = _camera_from_base(self.camera_height_m, pitch)
        self._device = torch.device(device)
        self._scene = make_scene(kind, random, config, frames / self.frame_rate_hz)
        self._sensor = make_sensor(random, config)
        noise = Noise(random, self._device)
        self._dirt = make_dirt(random, config)
        self._shutter_s = random.uniform(*config.shutter_s)
        self._shader = Shader(self._scene, noise, config.shadows, self._device)
        self._base_from_camera = np.linalg.inv(self.camera_from_base)
        self._world_from_scene = np.linalg.inv(self._scene_from_camera(0.0))
        self._rays_camera = _camera_rays(self.camera)

    def time_s(self, index: float) -> float:
        """Return the time of a frame since the start [s]; fractions lie between frames."""
        return index / self.frame_rate_hz

    def stamp_ns(self, index: float) -> int:
        """Return the capture time of a frame [ns]."""
        return START_NS + round(self.time_s(index) * 1e9)

    def world_from_camera(self, index: float) -> Float64Array:
        """Return the pose of a frame, or between frames, float64 [4, 4]; the identity at 0."""
        if index == 0:
            return np.eye(4)
        return np.asarray(self._world_from_scene @ self._scene_from_camera(self.time_s(index)))

    def world_from_base(self, index: float) -> Float64Array:
        """Return the pose of the carrier: x ahead, y left, z up, on the road below the camera."""
        return np.asarray(self.world_from_camera(index) @ self.camera_from_base)

    def render(self, index: int) -> SyntheticFrame:
        """Render frame ``index``."""
        time_s, shape = self.time_s(index), (self.camera.height, self.camera.width)
        pose = self._scene_from_camera(time_s)
        rays = torch.from_numpy(pose[:3, :3] @ self._rays_camera).to(self._device)
        placed = self._placed(time_s)
        hits = self._hits(rays, pose, placed, time_s)
        light = self._shader.light(hits, placed, rays, pose, self.camera).view(3, *shape)
        if self._shutter_s > 0:
            flow = self._flow(hits, rays, time_s, self._shutter_s)
            light = motion_blurred(light, flow.float().view(2, *shape))
        if self._dirt is not None:
            light = self._dirt.on(light, time_s)
        image = self._sensor.develop(light, index, time_s)
        moving = torch.from_numpy(self._moving(time_s)).to(self._device)[hits.solid]
        return SyntheticFrame(
            image_rgb=image.cpu().numpy(),
            depth_m=hits.distance.float().view(shape).cpu().numpy(),
            moving=moving.view(shape).cpu().numpy(),
            stamp_ns=self.stamp_ns(index),
            camera=self.camera,
            world_from_camera=self.world_from_camera(index),
        )

    def flow(self, index: int) -> Float32Array:
        """Return the optical flow to the next frame, float32 [H, W, 2]: columns, rows [px].

        It is also given where the point is hidden in the next frame or outside it. The sky moves
        as what is infinitely far away. NaN where a point will lie behind the camera.
        """
        time_s, shape = self.time_s(index), (self.camera.height, self.camera.width)
        pose = self._scene_from_camera(time_s)
        rays = torch.from_numpy(pose[:3, :3] @ self._rays_camera).to(self._device)
        hits = self._hits(rays, pose, self._placed(time_s), time_s)
        flow = self._flow(hits, rays, time_s, 1.0 / self.frame_rate_hz)
        return flow.float().view(2, *shape).permute(1, 2, 0).cpu().numpy()

    def ranges_m(
        self,
        world_from_sensor: Float64Array,
        directions: Float64Array,
        time_s: float,
        max_range_m: float = 120.0,
    ) -> Float32Array:
        """Return how far a sensor's rays reach, float32 [N]; +Inf where they meet nothing.

        Args:
            world_from_sensor: float64 [4, 4].
            directions: [N, 3], of any length, in the sensor's axes.
            time_s: since the start [s].
            max_range_m: what is farther away is not seen.
        """
        pose = np.linalg.inv(self._world_from_scene) @ world_from_sensor
        turned = np.asarray(directions, np.float64) @ pose[:3, :3].T
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        along = float(self._scene.ego.along(time_s))
        ground = self._scene.ground
        placed = self._placed(time_s)
        return cast_ranges(placed, ground, pose[:3, 3], turned, along, max_range_m)

    def _flow(
        self, hits: Hits, rays: torch.Tensor, time_s: float, interval_s: float
    ) -> torch.Tensor:
        scene, then = self._scene, time_s + interval_s
        actors = scene.actors.poses(time_s), scene.actors.poses(then)
        poses = self._scene_from_camera(time_s), self._scene_from_camera(then)
        return flow_between(hits, scene.solids, actors, poses, rays, self.camera)

    def _scene_from_camera(self, time_s: float) -> Float64Array:
        x, y, z, heading, pitch, roll = self._scene.ego.pose(time_s)
        scene_from_base = np.eye(4)
        scene_from_base[:3, :3] = Rotation.from_euler('ZYX', [heading, pitch, roll]).as_matrix()
        scene_from_base[:3, 3] = (x, y, z)
        return np.asarray(scene_from_base @ self._base_from_camera)

    def _placed(self, time_s: float) -> PlacedSolids:
        solids = self._scene.solids
        placed = solids.placed(self._scene.actors.poses(time_s))
        return PlacedSolids.at(solids, placed, self._device)

    def _hits(
        self, rays: torch.Tensor, pose: Float64Array, placed: PlacedSolids, time_s: float
    ) -> Hits:
        ground = None
        if self._scene.ground is not None:
            along = float(self._scene.ego.along(time_s))
            ground = self._scene.ground.cast(pose[:3, 3], rays, along, FAR_M)
        return camera_hits(placed, ground, rays, pose, self.camera, FAR_M)

    def _moving(self, time_s: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which solids move, bool [P + 2]; ground and sky are the last."""
        actors, half = self._scene.actors, 0.5 / self.frame_rate_hz
        before, after = actors.poses(time_s - half), actors.poses(time_s + half)
        moves = np.abs(after - before).max(axis=1) > 1e-4
        return np.append(moves[self._scene.solids.actor], (False, False))


def render_drive(frames: int, height: int, width: int, seed: int = 0) -> Iterator[SyntheticFrame]:
    """Render a drive at 10 Hz, one frame at a time; the same seed gives the same pixels."""
    drive = SyntheticDrive(frames, height, width, seed)
    for index in range(frames):
        yield drive.render(index)


def random_drive(
    seed: int,
    frames: int,
    height: int,
    width: int,
    device: str | torch.device = 'cpu',
    indoor_share: float = INDOOR_SHARE,
) -> SyntheticDrive:
    """Return a drive in which everything varies with the seed: what to train on.

    Args:
        seed: of the world.
        frames: number of frames.
        height: of the images [px].
        width: of the images [px].
        device: where to render.
        indoor_share: part of the seeds that give rooms instead of streets.
    """
    indoor = np.random.default_rng([seed, 1]).random() < indoor_share
    kind, config = ('indoor', INDOOR) if indoor else ('driving', VARIED)
    return SyntheticDrive(frames, height, width, seed, kind=kind, device=device, config=config)


def _draw_camera(
    random: np.random.Generator, config: WorldConfig, height: int, width: int
) -> PinholeIntrinsics:
    focal = random.uniform(*config.focal_per_width) * width
    column = (width - 1) / 2 + random.uniform(-1.0, 1.0) * config.off_centre * width
    row = random.uniform(*config.horizon_row) * height
    return PinholeIntrinsics(width, height, focal, focal, column, row)


def _camera_from_base(height_m: float, pitch: float) -> Float64Array:
    """Return camera_from_base, float64 [4, 4], of a camera that looks down by ``pitch``."""
    base_from_camera = np.eye(4)
    base_from_camera[:3, :3] = Rotation.from_euler('Y', pitch).as_matrix() @ _LEVEL_FROM_OPTICAL
    base_from_camera[2, 3] = height_m
    return np.asarray(np.linalg.inv(base_from_camera), np.float64)


def _camera_rays(camera: PinholeIntrinsics) -> Float64Array:
    """Return a ray through each pixel's centre, 1 long along the optical axis, [3, H * W]."""
    rows, columns = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    right = (columns - camera.cx) / camera.fx
    down = (rows - camera.cy) / camera.fy
    return np.stack([right, down, np.ones_like(right)]).reshape(3, -1)

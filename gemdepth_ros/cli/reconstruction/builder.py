"""Outputs of the pipeline into one cloud in the frame of the first camera."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
import torch

from gemdepth_ros.geometry.point_cloud import unproject
from gemdepth_ros.geometry.voxel_cloud import VoxelCloud
from gemdepth_ros.interfaces import (
    Float32Array,
    Float64Array,
    PipelineOutput,
    VideoFrame,
)
from gemdepth_ros.pipeline.metres import FRESH_START
from gemdepth_ros.pipeline.products_config import EdgeFilter
from gemdepth_ros.pipeline.surfaces import flying_pixels, normals

NO_POSES = (
    'motion: this network predicts no poses, and a cloud needs them: take GemDepth weights, or a '
    'bag with an odometry of poses'
)

logger = logging.getLogger(__name__)

# x forward, y left, z up (REP 103) from the optical axes of the first camera.
WORLD_FROM_OPTICAL: Float64Array = np.array(
    [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]]
)
RELATIVE_VOXELS = 100  # voxels per median depth of the first frame, where there is no metre
RELATIVE_REACH = 4  # largest depth, in median depths of the first frame


@dataclass(frozen=True)
class BuildSettings:
    """What is kept.

    Attributes:
        metric: frames must be in metres; else none is, and units are relative.
        voxel: edge of a voxel [m or relative]; 0: chosen from the first frame (relative).
        max_depth: largest depth that is kept; 0: chosen likewise.
        max_voxels: bound of memory.
        step: every n-th row and column is used.
        normals: whether normals are computed.
        edges: what flying pixels are.
    """

    metric: bool
    voxel: float
    max_depth: float
    max_voxels: int
    step: int
    normals: bool
    edges: EdgeFilter = field(default_factory=EdgeFilter)


class CloudBuilder:
    """Accumulate the points of one recording.

    Where the stream had to start anew, the motion in between is unknown: the cloud goes on from
    the last pose, and ``breaks`` counts it.

    Attributes:
        used: frames whose points are in the cloud.
        left_out: frames that were lost or had no metres.
        breaks: how often the trajectory is broken.
        guessed_cameras: frames whose intrinsics are the network's guess.
        complaints: what the sources of metres said was wrong, one line each, with its count.
    """

    def __init__(self, settings: BuildSettings) -> None:
        self.used = self.left_out = self.breaks = self.guessed_cameras = 0
        self._settings = settings
        self._said: dict[str, tuple[int, str]] = {}
        self._voxel = settings.voxel
        self._max_depth = settings.max_depth
        self._cloud: VoxelCloud | None = None
        self._world_from_session = WORLD_FROM_OPTICAL
        self._last = WORLD_FROM_OPTICAL

    @property
    def cloud(self) -> VoxelCloud | None:
        """The cloud so far; None before the first frame with points."""
        return self._cloud

    @property
    def metric(self) -> bool:
        """Whether the cloud is in metres."""
        return self._settings.metric

    @property
    def complaints(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(f'{text} ({count} frames)' for count, text in self._said.values())

    def add(self, frame: VideoFrame, output: PipelineOutput) -> None:
        """Add the points of one frame."""
        without = () if output.motion else (NO_POSES,)
        for text in (*without, *output.grounding.messages):  # the newest stands for its source
            source = text.partition(':')[0]
            self._said[source] = (self._said.get(source, (0, ''))[0] + 1, text)
        if output.reset is not None:
            self.breaks += 1
            logger.warning(
                'the stream started anew (%s): the cloud goes on from the last pose',
                output.reset.value,
            )
        if output.reset in FRESH_START:  # after other resets the trajectory itself goes on
            self._world_from_session = self._last
        self.guessed_cameras += output.camera_is_predicted
        metric, motion = self._settings.metric, output.motion
        if motion is not None and motion.metric == metric:
            self._last = self._world_from_session @ motion.odom_from_camera
        depth = output.depth_m if metric else output.relative_depth
        if depth is None or motion is None or motion.metric != metric or motion.lost:
            self.left_out += 1
            return
        self._choose_sizes(depth)
        self._add_points(depth, frame, output, self._last)
        self.used += 1

    def _choose_sizes(self, depth: Float32Array) -> None:
        """Sizes in the network's unit, from the first frame; nothing where they are given."""
        if self._voxel and self._max_depth:
            return
        known = depth[np.isfinite(depth)]
        typical = float(np.median(known)) if known.size else 1.0
        self._voxel = self._voxel or typical / RELATIVE_VOXELS
        self._max_depth = self._max_depth or typical * RELATIVE_REACH

    def _add_points(
        self,
        depth: Float32Array,
        frame: VideoFrame,
        output: PipelineOutput,
        world_from_camera: Float64Array,
    ) -> None:
        settings = self._settings
        if self._cloud is None:
            self._cloud = VoxelCloud(self._voxel, settings.max_voxels, normals=settings.normals)
        with np.errstate(divide='ignore'):
            inverse = torch.from_numpy(np.float32(1) / depth)
        hidden = flying_pixels(inverse, output.camera, settings.edges).numpy()
        with np.errstate(invalid='ignore'):
            hidden |= ~(depth <= self._max_depth)
        points = unproject(np.where(hidden, np.float32(np.nan), depth), output.camera)
        start, step = settings.step // 2, settings.step
        kept = (slice(start, None, step), slice(start, None, step))
        rotation, translation = world_from_camera[:3, :3], world_from_camera[:3, 3]
        xyz = points[kept].reshape(-1, 3)
        here = np.isfinite(xyz[:, 0])
        world = xyz[here] @ rotation.T + translation
        rgb = frame.image_rgb[kept].reshape(-1, 3)[here]
        turned = None
        if settings.normals:
            found = normals(inverse, output.camera, settings.edges).numpy()
            turned = (found[kept].reshape(-1, 3)[here] @ rotation.T).astype(np.float32)
        self._cloud.add(world, rgb, turned)

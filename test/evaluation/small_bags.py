"""Bags of a few small frames: a camera that drives over a plane, with depth and poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gemdepth_ros.bags.from_recording import write_recording
from gemdepth_ros.bags.recording import (
    Recording,
    Rig,
    SensorFrame,
    base_from_level_camera,
    pose_samples,
)
from gemdepth_ros.interfaces import PinholeIntrinsics

HEIGHT, WIDTH, CAMERA_M = 32, 96, 1.6
STEP_M = 0.5  # per frame of a tenth of a second
START_NS = 1_300_000_000_000_000_000


def write_drive(folder: Path, frames: int, seed: int = 0) -> Path:
    """Write the bag into ``folder`` and return it."""
    random = np.random.default_rng(seed)
    camera = PinholeIntrinsics(WIDTH, HEIGHT, 60.0, 60.0, (WIDTH - 1) / 2, 8.0)
    texture = random.integers(0, 255, (64, 256, 3), dtype=np.uint8)
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    ground = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    ground[10:] = camera.fy * CAMERA_M / (rows[10:] - camera.cy)
    base = base_from_level_camera(CAMERA_M)
    stamps = [START_NS + index * 100_000_000 for index in range(frames)]
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, 2, 3] = STEP_M * np.arange(frames)
    poses[:, 0, 3] = 0.02 * np.arange(frames) ** 2

    def load(index: int) -> SensorFrame:
        image = np.roll(texture, 3 * index, axis=1)[:HEIGHT, :WIDTH]
        return SensorFrame(stamps[index], np.ascontiguousarray(image), depth_m=ground)

    recording = Recording(
        name='a plane',
        rig=Rig(camera, base),
        frame_count=frames,
        load=load,
        poses=pose_samples(stamps, poses, base),
        has_lidar=False,
        has_depth=True,
    )
    write_recording(recording, folder)
    return folder

"""Tiny recordings with exact truth, and predictors of known quality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.bags.from_recording import write_recording
from gemdepth_ros.bags.recording import (
    Recording,
    Rig,
    SensorFrame,
    base_from_level_camera,
    pose_samples,
)
from gemdepth_ros.bags.writer import Storage
from gemdepth_ros.cli.evaluation.prediction import Prediction
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import SourceFrame
from gemdepth_ros.evaluation.result import SystemFacts
from gemdepth_ros.geometry.se3 import from_parts
from gemdepth_ros.interfaces import PinholeIntrinsics

START_NS = 1_000_000_000_000
PERIOD_NS = 100_000_000
HEIGHT, WIDTH = 36, 64
CAMERA = PinholeIntrinsics(WIDTH, HEIGHT, 50.0, 50.0, 31.5, 17.5)
TINY = EvaluationSettings(preset='tiny', input_size=28, window=4, samples=2, device='cpu')


def true_depth(index: int) -> Any:
    """A ground that rises into a wall, with a step that moves to the right."""
    rows = np.arange(HEIGHT, dtype=np.float32)[:, np.newaxis]
    depth = np.repeat(4.0 + 30.0 * (1 - rows / HEIGHT), WIDTH, axis=1)
    depth[10:20, 10 + index % 30 : 20 + index % 30] = 3.0
    return depth.astype(np.float32)


def true_pose(index: int) -> Any:
    turn = Rotation.from_euler('y', 0.01 * index).as_matrix()
    place = np.array([0.3 * np.sin(index / 7), 0.05 * np.cos(index / 5), 0.4 * index])
    return from_parts(turn, place)


def recording(frames: int, *, lidar: bool = False) -> Recording:
    """A recording as KITTI folders give it."""
    base_from_camera = base_from_level_camera(1.5)
    stamps = [START_NS + index * PERIOD_NS for index in range(frames)]
    poses = np.stack([true_pose(index) for index in range(frames)])

    def load(index: int) -> SensorFrame:
        noise = np.random.default_rng(index)
        image = noise.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        depth = true_depth(index)
        points = cloud_of(depth) if lidar else None
        return SensorFrame(stamps[index], image, points, stamps[index], None if lidar else depth)

    return Recording(
        name='a tiny world',
        rig=Rig(CAMERA, base_from_camera, base_from_camera if lidar else None),
        frame_count=frames,
        load=load,
        poses=pose_samples(stamps, poses, base_from_camera),
        has_lidar=lidar,
        has_depth=not lidar,
    )


def cloud_of(depth: Any) -> Any:
    """Every fourth pixel as a LiDAR point in the camera's frame."""
    v, u = np.mgrid[0:HEIGHT:4, 0:WIDTH:4]
    z = depth[v, u]
    x, y = (u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z
    return np.stack([x, y, z, np.zeros_like(z)], axis=-1).reshape(-1, 4).astype(np.float32)


def write_bag(
    folder: Path, frames: int, *, storage: Storage = Storage.MCAP, lidar: bool = False
) -> Path:
    write_recording(recording(frames, lidar=lidar), folder, storage)
    return folder


@dataclass
class KnownPredictor:
    """Predicts the truth, changed in a known way; its state is the number of frames so far."""

    settings: EvaluationSettings
    change: Callable[[Prediction], Prediction] = lambda prediction: prediction
    count: int = 0

    def facts(self) -> SystemFacts:
        return SystemFacts(version='test', weights='the truth', trained=True, mode='sliding')

    def predict(self, frames: Iterable[SourceFrame]) -> Iterator[tuple[SourceFrame, Prediction]]:
        for frame in frames:
            depth = true_depth(frame.index)
            good = Prediction(
                disparity=1 / depth,
                camera=frame.video.camera or CAMERA,
                depth_m=depth,
                depth_std_m=np.full_like(depth, 0.5),
                own_from_camera=true_pose(frame.index),
                own_metric=True,
                scale=1.0,
                scale_std=0.01,
                latency_ms=1.0,
            )
            self.count += 1
            yield frame, self.change(good)

    def snapshot(self) -> bytes | None:
        return str(self.count).encode()

    def restore(self, snapshot: bytes) -> None:
        self.count = int(snapshot)

    def close(self) -> None:
        pass


def known(change: Callable[[Prediction], Prediction] = lambda p: p) -> Any:
    """What `evaluate_source` takes to make a predictor."""
    return lambda settings: KnownPredictor(settings, change)


def scaled(factor: float) -> Callable[[Prediction], Prediction]:
    def change(prediction: Prediction) -> Prediction:
        assert prediction.depth_m is not None
        assert prediction.own_from_camera is not None
        pose = prediction.own_from_camera.copy()
        pose[:3, 3] *= factor
        return replace(
            prediction,
            depth_m=prediction.depth_m * np.float32(factor),
            disparity=prediction.disparity / np.float32(factor),
            own_from_camera=pose,
        )

    return change

"""KITTI folders as sources: clips, raw drives, odometry sequences, with the depth benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gemdepth_ros.bags import kitti_clip, kitti_odometry, kitti_raw
from gemdepth_ros.bags.kitti import open_kitti
from gemdepth_ros.bags.kitti_files import (
    IMAGE_SUFFIXES,
    KittiOptions,
    camera_folders,
    numbered_files,
)
from gemdepth_ros.bags.recording import PoseSample, Recording, SensorFrame
from gemdepth_ros.cli.evaluation.given_truth import GivenTruth, given_truth, require_no_topics
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import EvaluationSource, Findings, SourceFrame
from gemdepth_ros.cli.evaluation.truth_files import FrameKey, depth_folder, looked_up
from gemdepth_ros.errors import BagError
from gemdepth_ros.geometry.se3 import inverse
from gemdepth_ros.interfaces import Float32Array, Float64Array, VideoFrame
from gemdepth_ros.pipeline.readings import LidarScan, OdometrySample, SensorReadings

# kind, how it is recognised, its image folders, where the depth benchmark's maps lie beside them.
_LAYOUTS = (
    ('KITTI clip', kitti_clip.matches, 'image_{:02d}'),
    ('KITTI raw drive', kitti_raw.matches, 'image_{:02d}/data'),
    ('KITTI odometry sequence', kitti_odometry.matches, 'image_{}'),
)
_BENCHMARK_DEPTH = 'proj_depth/groundtruth/image_{:02d}'


def kitti_kind(folder: Path) -> str | None:
    """Return which layout a folder has, or None."""
    return next((kind for kind, matches, _ in _LAYOUTS if matches(folder)), None)


def open_kitti_source(folder: Path, settings: EvaluationSettings) -> EvaluationSource:
    """Open a KITTI folder with the truth that it holds or that the settings name.

    Raises:
        GemDepthError: the folder or the truth cannot be read.
    """
    kind, _, pattern = next(layout for layout in _LAYOUTS if layout[1](folder))
    options = KittiOptions(settings.camera, intrinsics=settings.intrinsics, tolerant=True)
    recording = open_kitti(folder, options)
    truth = given_truth(settings)
    require_no_topics(truth, f'{kind} {folder}')
    camera = settings.camera
    if camera is None:
        camera = next(iter(camera_folders(folder, pattern)), 2)
    numbers = list(numbered_files(folder / pattern.format(camera), IMAGE_SUFFIXES))
    benchmark = folder / _BENCHMARK_DEPTH.format(camera)
    reader = _KittiFrames(recording, truth, numbers, benchmark if benchmark.is_dir() else None)
    return EvaluationSource(
        kind=kind,
        description=recording.name,
        open=reader.frames,
        count=recording.frame_count,
        depth_truth=reader.depth_words,
        pose_truth=reader.pose_words,
        mask_truth=truth.mask_words,
    )


class _KittiFrames:
    """Reads a recording with its truth."""

    def __init__(
        self,
        recording: Recording,
        truth: GivenTruth,
        numbers: list[int],
        benchmark: Path | None,
    ) -> None:
        self._recording, self._truth, self._numbers = recording, truth, numbers
        self._benchmark = None
        self._own_depth = self._own_poses = False
        self.depth_words, self.pose_words = truth.depth_words, truth.pose_words
        if truth.automatic and benchmark is not None:
            self._benchmark = depth_folder(benchmark, 0.0)
            self.depth_words = 'depth maps of the depth benchmark (accumulated LiDAR)'
        elif truth.automatic and recording.has_depth:
            self._own_depth = True
            self.depth_words = 'LiDAR of each frame, projected (sparse)'
        if truth.automatic and recording.poses:
            self._own_poses = True
            self.pose_words = 'poses of the recording'

    def frames(self, findings: Findings) -> Iterator[SourceFrame]:
        """Read the frames in order."""
        for index in range(self._recording.frame_count):
            try:
                frame = self._recording.load(index)
            except BagError as error:  # of its image: damage beside it is tolerated
                findings.bad_image(error)
                continue
            for damage in frame.damage:
                findings.leave_out('scans and depth maps that cannot be read', damage)
            key = FrameKey(index, self._numbers[index], frame.stamp_ns)
            image = frame.image
            rgb = image if image.ndim == 3 else np.repeat(image[:, :, np.newaxis], 3, axis=2)
            camera = self._recording.rig.camera
            same = rgb.shape[:2] == (camera.height, camera.width)
            yield SourceFrame(
                index,
                VideoFrame(rgb, frame.stamp_ns, camera=camera if same else None),
                self._depth(frame, key, findings),
                self._pose(key, findings),
                looked_up(self._truth.masks, key, 'masks', findings),
                self._readings(frame, index),
            )

    def _depth(self, frame: SensorFrame, key: FrameKey, findings: Findings) -> Float32Array | None:
        if self._own_depth:
            return frame.depth_m
        lookup = self._benchmark or self._truth.depth
        found: Float32Array | None = looked_up(lookup, key, 'depth maps', findings)
        return found

    def _pose(self, key: FrameKey, findings: Findings) -> Float64Array | None:
        if self._own_poses:
            rig = self._recording.rig
            return self._recording.poses[key.index].odom_from_base @ rig.base_from_camera
        found: Float64Array | None = looked_up(self._truth.poses, key, 'poses', findings)
        return found

    def _readings(self, frame: SensorFrame, index: int) -> SensorReadings:
        """What the vehicle's other sensors say, for the sources of metres that are enabled."""
        rig = self._recording.rig
        scan = None
        if frame.points_xyzi is not None and rig.base_from_lidar is not None:
            camera_from_lidar = inverse(rig.base_from_camera) @ rig.base_from_lidar
            scan = LidarScan(frame.points_xyzi, camera_from_lidar, frame.points_stamp_ns)
        poses = self._recording.poses
        odometry = (_sample(poses[index], rig.base_from_camera),) if poses else ()
        return SensorReadings(lidar=scan, odometry=odometry)


def _sample(pose: PoseSample, base_from_camera: Float64Array) -> OdometrySample:
    return OdometrySample(pose.stamp_ns, pose.odom_from_base, base_from_camera=base_from_camera)

"""A depth image is truth only where its rays are the camera's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_worlds import START_NS, TINY

from gemdepth_ros.bags.clouds import lidar_message
from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.messages import camera_info_message, tf_message, transform_message
from gemdepth_ros.bags.writer import BagWriter
from gemdepth_ros.cli.evaluation.open_source import open_evaluation_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import EvaluationSource, Findings, SourceFrame
from gemdepth_ros.geometry.se3 import from_parts
from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics

OURS, THEIRS = 'camera_color_optical_frame', 'camera_depth_optical_frame'
RAW, ALIGNED = '/camera/depth/image_rect_raw', '/camera/aligned_depth_to_color/image_raw'
POINTS = '/camera/depth/points'
CAMERA = PinholeIntrinsics(64, 48, 50.0, 50.0, 31.5, 23.5)
APART: Float64Array = from_parts(np.eye(3), np.array([0.015, 0.0, 0.0]))


def write_bag(
    path: Path,
    depths: Mapping[str, str],
    ours_from_theirs: Float64Array | None = None,
    *,
    cloud: bool = False,
) -> Path:
    """A bag of colour images and of depth images, by topic in their frames."""
    with BagWriter(path) as writer:
        writer.add_topic('/tf_static', 'tf2_msgs/msg/TFMessage')
        writer.add_topic('/camera/color/image_rect', 'sensor_msgs/msg/Image')
        writer.add_topic('/camera/color/camera_info', 'sensor_msgs/msg/CameraInfo')
        for topic in depths:
            writer.add_topic(topic, 'sensor_msgs/msg/Image')
        if cloud:
            writer.add_topic(POINTS, 'sensor_msgs/msg/PointCloud2')
        if ours_from_theirs is not None:
            fixed = transform_message(ours_from_theirs, START_NS, OURS, THEIRS)
            writer.write('/tf_static', tf_message([fixed]), START_NS)
        for index in range(2):
            at = START_NS + index * 10**8
            rgb = image_message(np.zeros((48, 64, 3), np.uint8), 'rgb8', at, OURS)
            writer.write('/camera/color/image_rect', rgb, at)
            writer.write('/camera/color/camera_info', camera_info_message(CAMERA, at, OURS), at)
            for topic, frame in depths.items():
                depth = np.full((48, 64), 5, np.float32)
                writer.write(topic, image_message(depth, '32FC1', at, frame), at)
            if cloud:
                points = np.array([[0, 0, 7, 0]], np.float32)
                writer.write(POINTS, lidar_message(points, at, THEIRS), at)
    return path


def read(
    bag: Path, settings: EvaluationSettings = TINY
) -> tuple[EvaluationSource, list[SourceFrame], list[str]]:
    source = open_evaluation_source(bag, settings, bag.parent / 'work')
    findings = Findings()
    return source, list(source.open(findings)), findings.notes


@pytest.mark.parametrize('between', [None, APART])
def test_depth_of_another_camera_is_not_taken_by_itself(
    tmp_path: Path, between: Float64Array | None
) -> None:
    source, frames, notes = read(write_bag(tmp_path / 'bag', {RAW: THEIRS}, between))
    assert source.depth_truth == 'none'
    assert [frame.truth_m for frame in frames] == [None, None]
    (note,) = notes
    assert f'{RAW} is in the frame {THEIRS!r}, the images are in {OURS!r}' in note
    assert f'--ground-truth {RAW}' in note


def test_depth_of_another_camera_is_taken_when_it_is_named(tmp_path: Path) -> None:
    settings = replace(TINY, ground_truth=(RAW,))
    source, frames, notes = read(write_bag(tmp_path / 'bag', {RAW: THEIRS}, APART), settings)
    assert source.depth_truth == f'depth images {RAW}'
    assert all(frame.truth_m is not None for frame in frames)
    (note,) = notes
    assert 'because it was named' in note


def test_aligned_depth_is_found_beside_the_other(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', {RAW: THEIRS, ALIGNED: f'/{OURS}'}, APART)
    source, _, notes = read(bag)
    assert source.depth_truth == f'depth images {ALIGNED}'
    (note,) = notes
    assert RAW in note


def test_frames_at_one_place_are_one(tmp_path: Path) -> None:
    """Depth of a stereo camera is seen by its left camera, under another name."""
    source, _, notes = read(write_bag(tmp_path / 'bag', {RAW: THEIRS}, np.eye(4)))
    assert source.depth_truth == f'depth images {RAW}'
    assert notes == []


def test_a_cloud_of_the_other_camera_stands_in(tmp_path: Path) -> None:
    """Clouds are carried to the images by /tf_static."""
    source, frames, _ = read(write_bag(tmp_path / 'bag', {RAW: THEIRS}, APART, cloud=True))
    assert source.depth_truth == f'LiDAR {POINTS}, projected'
    assert frames[0].truth_m is not None
    assert np.nansum(frames[0].truth_m) == 7

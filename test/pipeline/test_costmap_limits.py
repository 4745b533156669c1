"""What the costmap clouds see and do not see of exact depth: the figures of docs/navigation.md.

`pytest test/pipeline/test_costmap_limits.py`
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gemdepth_ros.grounding import GroundingConfig
from gemdepth_ros.grounding.config import ManualConfig
from gemdepth_ros.interfaces import (
    Float32Array,
    GroundingState,
    OutputRequest,
    PinholeIntrinsics,
    VideoFrame,
)
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.pipeline import DepthPipeline, NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.clouds import points_clear, points_mark
from gemdepth_ros.pipeline.config import MountingConfig, ProductsConfig
from gemdepth_ros.pipeline.host_depth import filtered_metric_depth
from gemdepth_ros.pipeline.metres import camera_mounting

CAMERA = PinholeIntrinsics(640, 480, 500.0, 500.0, 319.5, 239.5)
HEIGHT_M, BOX_M, BOX_HEIGHT_M = 0.8, 8.0, 0.6
PRODUCTS = ProductsConfig()


def slopes() -> tuple[np.ndarray, np.ndarray]:
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(float)
    return (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy


def floor_and_box(pitch_deg: float) -> Float32Array:
    """A flat floor, and a box of a metre's width on it."""
    x, y = slopes()
    pitch = math.radians(pitch_deg)
    below = math.cos(pitch) * y + math.sin(pitch)
    ahead = math.cos(pitch) - math.sin(pitch) * y
    depth = np.where(below > 0, HEIGHT_M / np.maximum(below, 1e-9), np.inf)
    face = BOX_M / np.maximum(ahead, 1e-9)
    above = HEIGHT_M - face * below
    hit = (np.abs(x * face) < 0.5) & (above > 0) & (above < BOX_HEIGHT_M) & (face < depth)
    depth = np.where(hit, face, depth)
    return np.where(depth > 60, np.inf, depth).astype(np.float32)


def on_the_box(points: Float32Array, pitch_deg: float) -> int:
    pitch = math.radians(pitch_deg)
    ahead = points @ np.array([0, -math.sin(pitch), math.cos(pitch)])
    above = HEIGHT_M - points @ np.array([0, math.cos(pitch), math.sin(pitch)])
    near = (np.abs(ahead - BOX_M) < 0.15) & (np.abs(points[:, 0]) < 0.5) & (above > 0.02)
    return int(near.sum())


def clouds(true_deg: float, stated_deg: float) -> tuple[Float32Array, Float32Array]:
    mounting = camera_mounting(MountingConfig(height_m=HEIGHT_M, pitch_deg=stated_deg))
    assert mounting is not None
    assert mounting.base_from_camera is not None
    where = (CAMERA, mounting.base_from_camera, PRODUCTS.costmap)
    depth = floor_and_box(true_deg)
    return points_mark(depth, *where), points_clear(depth, *where, max_depth_m=80.0)


@pytest.mark.parametrize('pitch_deg', [-5.0, 0.0, 5.0])
def test_with_the_true_pitch_the_box_marks_and_nothing_clears_it(pitch_deg: float) -> None:
    marks, ends = clouds(pitch_deg, pitch_deg)
    assert on_the_box(marks, pitch_deg) > 300
    assert len(marks) == on_the_box(marks, pitch_deg), 'the floor marks nothing'
    assert on_the_box(ends, pitch_deg) < 40, 'its foot, which is as low as the floor'


def test_a_pitch_that_counts_as_level_hides_the_box_or_raises_the_floor() -> None:
    """Why a pitch that nobody gave is warned of."""
    found = {deg: clouds(deg, math.nan) for deg in (0.0, -2.0, -5.0, 2.0)}
    boxes = {deg: on_the_box(marks, deg) for deg, (marks, _) in found.items()}
    assert boxes[0.0] > 300
    assert 40 < boxes[-2.0] < 90
    assert boxes[-5.0] == 0
    assert on_the_box(found[-5.0][1], -5.0) > 50, 'its rays clear'
    floor = found[2.0][0][found[2.0][0][:, 2] < BOX_M - 0.3]
    assert len(floor) > 500
    assert 7.0 < floor[:, 2].min() < 7.7


@pytest.mark.parametrize(('pitch_deg', 'warned'), [(math.nan, True), (0.0, False)])
def test_a_guessed_pitch_is_said_where_somebody_listens(
    tiny_config: Any, monkeypatch: pytest.MonkeyPatch, pitch_deg: float, warned: bool
) -> None:
    monkeypatch.setitem(PRESETS, 'tiny', tiny_config)
    network = NetworkConfig(preset='tiny', weights='', device='cpu', allow_untrained_metric=True)
    config = PipelineConfig(
        network,
        grounding=GroundingConfig(manual=ManualConfig(enabled=True, scale=5.0)),
        mounting=MountingConfig(height_m=1.5, pitch_deg=pitch_deg),
    )
    config = replace(config, streaming=replace(config.streaming, input_size=98))
    pipeline = DepthPipeline(config)
    camera = PinholeIntrinsics(96, 64, 80.0, 80.0, 47.5, 31.5)
    image = np.zeros((64, 96, 3), np.uint8)
    said = {}
    for number, wanted in enumerate((True, False)):
        frame = VideoFrame(image, number * 100_000_000, camera=camera)
        output = pipeline.process(frame, OutputRequest(costmap=wanted))
        assert output.grounding.metric
        said[wanted] = any('mounting.pitch_deg is unknown' in m for m in output.grounding.messages)
    assert said == {True: warned, False: False}


def pole(depth_m: float, width_m: float, left_m: float) -> Float32Array:
    """Exact depth of a pole on a floor before a far wall, through the node's edge filter."""
    x, y = slopes()
    floor = np.where(y > 0, HEIGHT_M / np.maximum(y, 1e-9), np.inf)
    depth = np.minimum(floor, 30.0)
    hit = (np.abs(x * depth_m - left_m) < width_m / 2) & (y * depth_m < HEIGHT_M)
    depth = np.where(hit & (y * depth_m > HEIGHT_M - 1.5), depth_m, depth)
    state = GroundingState(metric=True, scale=1.0, shift=0.0)
    return filtered_metric_depth((1 / depth).astype(np.float32), state, CAMERA, PRODUCTS)


@pytest.mark.parametrize(('depth_m', 'width_m'), [(6.0, 0.05), (8.0, 0.08), (11.5, 0.1)])
def test_a_pole_of_more_than_four_pixels_marks_wherever_it_stands(
    depth_m: float, width_m: float
) -> None:
    assert width_m * CAMERA.fx / depth_m > 4
    mounting = camera_mounting(MountingConfig(height_m=HEIGHT_M, pitch_deg=0.0))
    assert mounting is not None
    assert mounting.base_from_camera is not None
    for left_m in np.random.default_rng(0).uniform(-0.3, 0.3, 10):
        depth = pole(depth_m, width_m, left_m)
        points = points_mark(depth, CAMERA, mounting.base_from_camera, PRODUCTS.costmap)
        near = np.abs(points[:, 2] - depth_m) < 0.1
        near &= np.abs(points[:, 0] - left_m) < width_m / 2 + 0.05
        assert near.sum() >= 3

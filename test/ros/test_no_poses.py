"""A network without poses: nothing about motion is sent, and the diagnostics say why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from gemdepth_ros.interfaces import (
    GroundingState,
    PinholeIntrinsics,
    PipelineOutput,
)
from gemdepth_ros.ros.motion_outputs import NO_POSES, MotionOutputs
from gemdepth_ros.ros.node_config import NodeConfig
from gemdepth_ros.ros.statistics import OutputFacts

pytestmark = pytest.mark.ros

OUTPUT = PipelineOutput(
    stamp_ns=1_000_000_000,
    frame_id='camera_optical_frame',
    camera=PinholeIntrinsics(64, 48, 64.0, 64.0, 31.5, 23.5),
    camera_is_predicted=False,
    predicted_fov_deg=(float('nan'), float('nan')),
    network_size=(42, 56),
    window_frames=8,
    disparity=np.ones((48, 64), np.float32),
    relative_depth=None,
    depth_m=None,
    cloud=None,
    preview_rgb=None,
    motion=None,
    grounding=GroundingState(),
    reset=None,
    processing_ms=10.0,
)


@pytest.mark.parametrize('tf_mode', ['none', 'camera', 'odom_to_base', 'inverted'])
def test_nothing_is_sent_and_the_reason_stands_in_the_note(tf_mode: str) -> None:
    sent: list[tuple[str, Any]] = []
    config = replace(NodeConfig(), tf_mode=tf_mode)  # type: ignore[arg-type]
    outputs = MotionOutputs(config, None, lambda *pair: sent.append(pair), lambda topic: True)
    outputs.publish(OUTPUT)
    assert not sent
    assert outputs.note == NO_POSES
    assert not outputs.fault


def test_a_field_of_view_that_is_not_predicted_is_not_compared() -> None:
    assert np.isnan(OutputFacts.of(OUTPUT).fov_ratio)

"""A pipeline goes on from a snapshot as if nothing had happened; a snapshot cannot run code."""

from __future__ import annotations

import pickle
from typing import Literal

import numpy as np
import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.grounding.config import (
    GroundingConfig,
    GroundPlaneConfig,
    OdometryConfig,
    ParallaxConfig,
)
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.interfaces import OutputRequest, PinholeIntrinsics, VideoFrame
from gemdepth_ros.pipeline import DepthPipeline, MountingConfig, NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.snapshot import restore_snapshot, take_snapshot

ALL = OutputRequest(preview=True, depth_std=True)


def config(mode: Literal['sliding', 'causal'], dtype: str = 'float32') -> PipelineConfig:
    return PipelineConfig(
        network=NetworkConfig('tiny', '', device='cpu', dtype=dtype, allow_untrained_metric=True),  # type: ignore[arg-type]
        streaming=StreamingConfig(mode=mode, window=4, input_size=28, anchor_max_age=5),
        grounding=GroundingConfig(
            ground_plane=GroundPlaneConfig(True),
            odometry=OdometryConfig(True),
            parallax=ParallaxConfig(True),
        ),
        mounting=MountingConfig(height_m=1.5, pitch_deg=0.0, roll_deg=0.0),
    )


def frames(count: int) -> list[VideoFrame]:
    noise = np.random.default_rng(0)
    camera = PinholeIntrinsics(64, 40, 50.0, 50.0, 31.5, 19.5)
    return [
        VideoFrame(
            noise.integers(0, 255, (40, 64, 3), dtype=np.uint8),
            stamp_ns=index * 100_000_000,
            camera=camera,
        )
        for index in range(count)
    ]


@pytest.mark.parametrize(
    ('mode', 'dtype'), [('sliding', 'float32'), ('causal', 'float32'), ('sliding', 'bfloat16')]
)
def test_going_on_is_bit_for_bit(mode: Literal['sliding', 'causal'], dtype: str) -> None:
    clip = frames(14)
    first = DepthPipeline(config(mode, dtype))
    for frame in clip[:7]:
        first.process(frame, ALL)
    snapshot = take_snapshot(first)
    second = DepthPipeline(config(mode, dtype))
    restore_snapshot(second, snapshot)
    for frame in clip[7:]:
        wanted, got = first.process(frame, ALL), second.process(frame, ALL)
        assert wanted.disparity is not None
        assert got.disparity is not None
        assert wanted.preview_rgb is not None
        assert got.preview_rgb is not None
        np.testing.assert_array_equal(wanted.disparity, got.disparity)
        np.testing.assert_array_equal(wanted.preview_rgb, got.preview_rgb)
        np.testing.assert_array_equal(wanted.motion.odom_from_camera, got.motion.odom_from_camera)
        assert repr(wanted.grounding) == repr(got.grounding)
        assert wanted.reset == got.reset


def test_weights_are_not_in_it() -> None:
    pipeline = DepthPipeline(config('sliding'))
    assert len(take_snapshot(pipeline)) < 100_000


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ('1 + 1',)


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'rubbish',
        pickle.dumps({}),
        pickle.dumps(Evil()),
        pickle.dumps(torch.nn.Linear),
        b'cgemdepth_ros.pipeline.snapshot\nio.BytesIO\n.',
        b'cgemdepth_ros.pipeline.snapshot\ntake_snapshot\n.',
        b'\x8c\x05otherQ.',
    ],
)
def test_rubbish_is_refused_in_one_line(content: bytes) -> None:
    pipeline = DepthPipeline(config('sliding'))
    with pytest.raises(ConfigError, match='saved state of the pipeline cannot be read'):
        restore_snapshot(pipeline, content)

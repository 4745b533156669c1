"""Whatever sensors send: nothing is raised, and what is called metric is a number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gemdepth_ros.grounding import (
    CameraMounting,
    CoarseDisparity,
    GroundingConfig,
    GroundingEstimator,
    GroundingInput,
    LidarScan,
    OdometrySample,
)
from gemdepth_ros.grounding.config import (
    GroundPlaneConfig,
    LidarConfig,
    ManualConfig,
    OdometryConfig,
    ParallaxConfig,
    SkyConfig,
)
from gemdepth_ros.interfaces import PinholeIntrinsics

CAMERA = PinholeIntrinsics(128, 96, 100.0, 100.0, 63.5, 47.5)
GRID = (24, 32)
FRAMES = 12
TIME_STEPS_NS = (100_000_000,) * 4 + (0, -100_000_000, 5_000_000_000, 10**13)
Random = np.random.Generator


def any_config(random: Random) -> GroundingConfig:
    on = [bool(value) for value in random.random(6) < 0.6]
    manual = ManualConfig(
        on[0],
        float(random.choice([1e-6, 0.5, 30.0, 1e6])),
        float(random.choice([0.0, 0.2, -1.0])),
        float(random.choice([math.nan, 1e-9, 1.0, 1e9])),
        scale_std_relative=float(random.choice([1e-9, 0.05, 3.0])),
    )
    return GroundingConfig(
        manual,
        GroundPlaneConfig(enabled=on[1]),
        LidarConfig(enabled=on[2]),
        OdometryConfig(enabled=on[3]),
        ParallaxConfig(enabled=on[4]),
        SkyConfig(enabled=on[5]),
    )


def any_disparity(random: Random) -> CoarseDisparity:
    values = random.uniform(0, 1, GRID)
    kind = random.integers(0, 10)
    if kind == 0:
        values[:] = random.choice([0.0, 1.0, 1e-9, 1e9, -1.0])
    elif kind == 1:
        slope = random.choice([1e-6, 1.0, 1e6, -1.0])
        values = slope * np.linspace(0, 1, GRID[0])[:, None] * np.ones(GRID)
    elif kind == 2:
        values[random.random(GRID) < 0.99] = np.nan
    elif kind == 3:
        values[:, :16] = np.inf
    elif kind > 4:  # a road below a sky
        below = np.linspace(-0.5, 0.5, GRID[0])[:, None].clip(0)
        values = 7.0 * below + 0.2 + 0.01 * values
    return CoarseDisparity.resized(values.astype(np.float32), CAMERA)


def any_odometry(random: Random, stamp_ns: int) -> tuple[OdometrySample, ...]:
    samples = []
    for _ in range(random.integers(0, 4)):
        pose = np.eye(4)
        pose[:3, 3] = random.normal(size=3) * 10.0 ** random.integers(-3, 3)
        if random.random() < 0.2:
            pose[0, 0] = np.nan
        speed = float(random.choice([0.0, math.nan, 1.0, -3.0, 1e9, math.inf]))
        late = int(random.integers(-3 * 10**8, 3 * 10**8))
        given = pose if random.random() < 0.8 else None
        samples.append(OdometrySample(stamp_ns + late, given, speed))
    return tuple(samples)


def any_scan(random: Random, stamp_ns: int) -> LidarScan:
    points = random.normal(size=(random.integers(0, 400), 3)) * 10.0 ** random.integers(-2, 3)
    points[:, 2] = np.abs(points[:, 2])
    if random.random() < 0.3:
        points[random.random(len(points)) < 0.5] = np.nan
    return LidarScan(points.astype(np.float32), np.eye(4), stamp_ns)


def any_mounting(random: Random) -> CameraMounting:
    return CameraMounting(
        height_m=float(random.choice([math.nan, 0.0, -1.0, 1.5, 1e-9, 1e9])),
        pitch_rad=float(random.choice([math.nan, 0.0, 1.5, -1.5])),
        pitch_std_rad=float(random.choice([0.0, 0.01])),
        roll_rad=float(random.choice([math.nan, 0.0, 3.0])),
    )


def any_frame(random: Random, stamp_ns: int) -> GroundingInput:
    pose = np.eye(4)
    pose[:3, 3] = random.normal(size=3) * 10.0 ** random.integers(-9, 4)
    given: dict[str, Any] = {
        'camera': CAMERA,
        'image_gray': random.integers(0, 255, (CAMERA.height, CAMERA.width)).astype(np.uint8),
        'session_from_camera': pose,
        'lidar': any_scan(random, stamp_ns),
        'mounting': any_mounting(random),
        'gravity_camera': random.normal(size=3),
        'sky': random.random(GRID) < 0.3,
    }
    given = {name: value for name, value in given.items() if random.random() < 0.85}
    return GroundingInput(
        stamp_ns,
        any_disparity(random),
        position_std=10.0 * random.random(),
        segment=int(random.integers(0, 3)),
        lost=bool(random.random() < 0.1),
        odometry=any_odometry(random, stamp_ns),
        **{'camera': None, **given},
    )


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('seed', range(0, 60, 10))
def test_nothing_is_raised_and_metric_means_numbers(seed: int) -> None:
    for run in range(seed, seed + 10):
        random = np.random.default_rng(run)
        estimator = GroundingEstimator(any_config(random))
        stamp_ns = 10**18
        for _ in range(FRAMES):
            stamp_ns += int(random.choice(TIME_STEPS_NS))
            state = estimator.update(any_frame(random, stamp_ns))
            assert not any('\n' in message for message in state.messages)
            if state.metric:
                known = (state.scale, state.shift, state.scale_std, state.depth_std_at_20m)
                assert np.isfinite(known).all()
                assert state.scale > 0
                assert state.depth_std_at_20m > 0

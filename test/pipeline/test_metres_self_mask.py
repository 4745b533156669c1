"""Metres come from the world alone, not from the vehicle in its own image or black borders."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.grounding.config import GroundingConfig, GroundPlaneConfig, ParallaxConfig
from gemdepth_ros.grounding.inputs import CoarseDisparity, GroundingInput
from gemdepth_ros.grounding.parallax import ParallaxTracker
from gemdepth_ros.grounding.scene import Scene
from gemdepth_ros.inference.streaming import StreamOutput
from gemdepth_ros.interfaces import GroundingState, PinholeIntrinsics, VideoFrame
from gemdepth_ros.pipeline.config import MountingConfig, NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.metres import CoarseView, Metres, coarse_disparity
from gemdepth_ros.pipeline.readings import NOTHING_MEASURED

HEIGHT, WIDTH = 360, 640
CAMERA = PinholeIntrinsics(WIDTH, HEIGHT, 300.0, 300.0, 319.5, 179.5)
ROAD_M, BONNET_M, BONNET_ROW = 1.4, 0.6, 280  # below the camera; the bonnet is plane as the road
SCALE, SHIFT = 20.0, 0.5


def bonnet() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[BONNET_ROW:] = True
    return mask


def drive(
    *, self_mask: np.ndarray | None = None, valid: np.ndarray | None = None
) -> GroundingState:
    config = PipelineConfig(
        network=NetworkConfig(allow_untrained_metric=True),
        mounting=MountingConfig(height_m=ROAD_M, pitch_deg=0.0, roll_deg=0.0),
        grounding=GroundingConfig(ground_plane=GroundPlaneConfig(enabled=True)),
    )
    metres = Metres(config, trained=True, self_mask=self_mask)
    noise = np.random.default_rng(0)
    rows, columns = np.linspace(0, HEIGHT - 1, 182), np.linspace(0, WIDTH - 1, 322)
    slope = (rows - CAMERA.cy) / CAMERA.fy
    inverse = np.where(rows >= BONNET_ROW, slope / BONNET_M, np.clip(slope, 0, None) / ROAD_M)
    walls = np.abs(columns - CAMERA.cx) / CAMERA.fx > 0.8
    disparity = SCALE * np.maximum(inverse[:, None], np.where(walls, 1 / 12.0, 0.0)) + SHIFT
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    state = GroundingState()
    for index in range(60):
        stamp_ns = index * 100_000_000
        seen = disparity * (1 + 0.01 * noise.standard_normal(disparity.shape))
        pose = np.eye(4)
        pose[2, 3] = 0.1 * index
        result = StreamOutput(
            stamp_ns=stamp_ns,
            disparity_HW=torch.from_numpy(seen.astype(np.float32)),
            session_from_camera=pose,
            position_std=0.001,
            rotation_std=0.001,
            lost=False,
            fov_rad=(1.0, 1.6),
            window=None,
            interval_ns=100_000_000 if index else 0,
            dropped_before=0,
            age_frames=0,
            segment=0,
            scale=1.0,
            shift=0.0,
            reset=None,
        )
        frame = VideoFrame(image, stamp_ns, camera=CAMERA, valid=valid)
        state, _ = metres.update(frame, result, NOTHING_MEASURED)
    return state


def test_without_a_mask_the_bonnet_is_taken_for_the_road() -> None:
    """Otherwise the tests below would show nothing."""
    state = drive()
    assert state.metric
    assert state.scale > 1.5 * SCALE


@pytest.mark.parametrize('by', ['self_mask', 'valid'])
def test_what_is_hidden_gives_no_metres(by: str) -> None:
    state = drive(**{by: bonnet() if by == 'self_mask' else ~bonnet()})
    assert state.metric
    assert state.scale == pytest.approx(SCALE, rel=0.05)


def test_cells_beside_the_vehicle_are_unknown_too() -> None:
    values = torch.ones(45, 80)
    frame = VideoFrame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0, camera=CAMERA)
    view = CoarseView(bonnet())
    grid = view.of(values, frame)
    first = int(np.flatnonzero(np.isnan(grid.values).all(axis=1))[0])
    assert BONNET_ROW - 3 * grid.step_y < first * grid.step_y < BONNET_ROW
    assert not np.isnan(grid.values[:first]).any()
    # The vehicle's edge and a border of the rectification, whose frames may change.
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[:, :100] = False
    bordered = view.of(values, VideoFrame(frame.image_rgb, 1, camera=CAMERA, valid=valid))
    assert np.isnan(bordered.values[:, :10]).all()
    np.testing.assert_array_equal(view.of(values, frame).values, grid.values)
    plain = CoarseView(None).of(values, frame).values
    np.testing.assert_array_equal(plain, coarse_disparity(values, HEIGHT, WIDTH).values)


def test_a_mask_of_another_size_is_refused() -> None:
    frame = VideoFrame(np.zeros((48, 64, 3), np.uint8), 0)
    with pytest.raises(ConfigError, match='self-mask is 640x360 but the image is 64x48'):
        CoarseView(bonnet()).of(torch.ones(24, 32), frame)


def test_no_track_begins_on_the_vehicle() -> None:
    image = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    image[:BONNET_ROW] //= 4  # the bonnet has the stronger corners
    values = np.linspace(1.0, 2.0, 45 * 80, dtype=np.float32).reshape(45, 80)
    values[BONNET_ROW // 8 - 1 :] = np.nan
    grid = CoarseDisparity(values, 8.0, 8.0)
    frame = GroundingInput(0, grid, CAMERA, image, np.eye(4))
    parallax = ParallaxTracker(ParallaxConfig(enabled=True, max_corners=100))
    parallax.read(frame, Scene(grid, CAMERA), 1.0)
    first = parallax._first
    assert first is not None
    assert len(first.pixels) > 50
    assert (first.pixels[:, 1] < BONNET_ROW).all()

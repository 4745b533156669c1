"""Metres across resets, and of weights that are known to be rough."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.grounding.config import (
    GroundingConfig,
    LidarConfig,
    ManualConfig,
    OdometryConfig,
)
from gemdepth_ros.grounding.pose_chain import UNKNOWN_VARIANCE
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.streaming import StreamOutput
from gemdepth_ros.interfaces import (
    EgoMotion,
    PinholeIntrinsics,
    ResetReason,
    VideoFrame,
    WindowPoses,
)
from gemdepth_ros.pipeline.config import NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.known_weights import depth_error_of, fitted_to_weights, motion_error_of
from gemdepth_ros.pipeline.metres import FRESH_START, Metres, coarse_disparity
from gemdepth_ros.pipeline.readings import LidarScan, OdometrySample, SensorReadings

CAMERA = PinholeIntrinsics(64, 48, 40.0, 40.0, 31.5, 20.0)
SCALE, SHIFT = 6.0, 0.2
GOING_ON = sorted(set(ResetReason) - set(FRESH_START), key=lambda reason: reason.value)
INTERVAL_NS = 100_000_000


class Drive:
    """A straight drive of one metre per frame before a slope of known depth."""

    def __init__(
        self,
        depth_error: float = 0.0,
        motion_error: float = 0.0,
        grounding: GroundingConfig | None = None,
    ) -> None:
        sensors = GroundingConfig(
            lidar=LidarConfig(enabled=True), odometry=OdometryConfig(enabled=True)
        )
        config = PipelineConfig(
            network=NetworkConfig(allow_untrained_metric=True), grounding=grounding or sensors
        )
        self.metres = Metres(
            config, trained=False, depth_error=depth_error, motion_error=motion_error
        )
        self.index = 0
        self.session_metres = 0.0  # since the session began
        self.factor = 2.0

    def step(self, reset: ResetReason | None = None) -> EgoMotion:
        """The next frame; a reset starts a session with another unit at its own origin."""
        if reset is not None:
            self.session_metres, self.factor = 0.0, 5.0
        elif self.index:
            self.session_metres += 1.0
        pose = np.eye(4)
        pose[2, 3] = self.session_metres / self.factor
        stamp_ns = 10**9 + self.index * INTERVAL_NS
        odom = np.eye(4)
        odom[2, 3] = float(self.index)
        self.index += 1
        frame = VideoFrame(np.zeros((48, 64, 3), np.uint8), stamp_ns, camera=CAMERA)
        readings = SensorReadings(
            lidar=LidarScan(self._points(), np.eye(4), stamp_ns),
            odometry=(OdometrySample(stamp_ns, odom),),
        )
        state, motion = self.metres.update(frame, self._result(stamp_ns, pose, reset), readings)
        self.state = state
        return motion

    def _inverse_depth(self) -> np.ndarray:
        rows = np.arange(48, dtype=np.float32)[:, None]
        return np.repeat(0.02 + 0.004 * rows, 64, axis=1).astype(np.float32)

    def _points(self) -> np.ndarray:
        rows, columns = np.mgrid[2:46:3, 2:62:3]
        depth = 1.0 / self._inverse_depth()[rows, columns]
        x = (columns - CAMERA.cx) / CAMERA.fx * depth
        y = (rows - CAMERA.cy) / CAMERA.fy * depth
        return np.stack([x, y, depth], axis=-1).reshape(-1, 3).astype(np.float32)

    def _result(self, stamp_ns: int, pose: np.ndarray, reset: ResetReason | None) -> StreamOutput:
        return StreamOutput(
            stamp_ns=stamp_ns,
            disparity_HW=torch.from_numpy(SCALE * self._inverse_depth() + SHIFT),
            session_from_camera=pose,
            position_std=0.0,
            rotation_std=0.0,
            lost=False,
            fov_rad=(1.0, 1.2),
            window=WindowPoses((stamp_ns,), np.eye(4)[None], pose, 1.0),
            interval_ns=INTERVAL_NS,
            dropped_before=0,
            age_frames=0,
            segment=0,
            scale=1.0,
            shift=0.0,
            reset=reset,
        )


def driven() -> tuple[Drive, EgoMotion]:
    drive = Drive()
    for _ in range(8):
        motion = drive.step()
    assert motion.metric
    assert drive.state.metric
    assert motion.odom_from_camera[2, 3] == pytest.approx(7.0, rel=0.02)
    return drive, motion


@pytest.mark.parametrize('reason', GOING_ON)
def test_after_other_resets_the_path_goes_on_from_where_it_was(reason: ResetReason) -> None:
    drive, before = driven()
    broken = drive.step(reason)
    assert broken.lost
    assert broken.covariance[0, 0] == UNKNOWN_VARIANCE
    np.testing.assert_array_equal(broken.odom_from_camera, before.odom_from_camera)
    path = [drive.step() for _ in range(6)]
    assert not any(motion.lost for motion in path)
    # No jump: the new session's unit is measured anew, and no step is longer than the drive's.
    along = np.array([before.odom_from_camera[2, 3]] + [m.odom_from_camera[2, 3] for m in path])
    assert (np.diff(along) >= -1e-9).all()
    assert path[-1].metric
    assert np.diff(along)[-1] == pytest.approx(1.0, rel=0.05)
    # Nobody knows what happened in between: the covariance says so from then on.
    assert path[-1].covariance[2, 2] > before.covariance[2, 2] + 0.5


@pytest.mark.parametrize('reason', FRESH_START)
def test_a_request_and_a_jump_back_in_time_begin_at_the_origin(reason: ResetReason) -> None:
    drive, _ = driven()
    begun = drive.step(reason)
    np.testing.assert_array_equal(begun.odom_from_camera, np.eye(4))
    last = [drive.step() for _ in range(6)][-1]
    assert last.metric
    assert last.odom_from_camera[2, 3] == pytest.approx(6.0, rel=0.05)


def test_the_first_frame_of_all_breaks_nothing() -> None:
    drive = Drive()
    first = drive.step(ResetReason.REQUEST)
    assert not first.lost
    np.testing.assert_array_equal(first.odom_from_camera, np.eye(4))


@pytest.mark.parametrize('reason', [ResetReason.GAP, ResetReason.REQUEST])
def test_metres_of_depth_are_measured_anew_after_any_reset(reason: ResetReason) -> None:
    drive, _ = driven()
    drive.step(reason)
    assert drive.state.metric  # LiDAR needs one frame
    assert drive.state.sources == ('lidar',)  # the odometry's baseline begins again
    assert np.isnan(drive.state.translation_factor)


@pytest.mark.parametrize(('depth_error', 'metric'), [(0.0, True), (0.05, True), (0.29, False)])
def test_depth_is_no_surer_than_the_weights(depth_error: float, metric: bool) -> None:
    """Sources that agree say nothing about what the network gets wrong between them."""
    drive = Drive(depth_error)
    for _ in range(12):
        drive.step()
    assert drive.state.metric is metric
    assert drive.state.depth_std_at_20m >= depth_error
    assert any('weights are wrong by 29%' in text for text in drive.state.messages) is not metric


@pytest.mark.parametrize(('motion_error', 'metric'), [(0.0, True), (0.1, True), (0.89, False)])
def test_motion_is_no_surer_than_the_weights(motion_error: float, metric: bool) -> None:
    drive = Drive(motion_error=motion_error)
    for _ in range(12):
        motion = drive.step()
    assert motion.metric is metric
    relative = drive.state.translation_factor_std / drive.state.translation_factor
    assert relative >= motion_error
    assert any('motion of these weights is wrong by' in m for m in drive.state.messages) != metric
    if metric:
        along = motion.odom_from_camera[2, 3]
        assert motion.covariance[2, 2] > (0.8 * motion_error * along) ** 2
        assert motion.step_covariance is not None
        assert motion.step_covariance[2, 2] > (0.9 * motion_error) ** 2
    else:
        assert motion.covariance[0, 0] == UNKNOWN_VARIANCE
        assert motion.step_covariance is None
    assert drive.state.metric, 'of depth, which is another matter'


@pytest.mark.parametrize('std', [math.nan, 0.05])
def test_a_given_factor_holds_for_its_session_alone(std: float) -> None:
    """The next session counts its translations in another unit, whoever stated the first."""
    shift_std = 0.0 if math.isnan(std) else 0.01
    manual = ManualConfig(True, SCALE, SHIFT, 2.0, std, shift_std)
    drive = Drive(grounding=GroundingConfig(manual=manual))
    for _ in range(8):
        motion = drive.step()
    assert motion.metric
    assert motion.odom_from_camera[2, 3] == pytest.approx(7.0, rel=1e-3)
    for reset in (ResetReason.GAP, None, None, None):
        motion = drive.step(reset)
    assert not motion.metric
    assert np.isnan(drive.state.translation_factor)
    assert drive.state.metric, 'of depth, whose scale and shift were given, too'


@pytest.mark.parametrize('size', [(280, 924), (98, 322), (210, 700), (140, 462)])
def test_what_grounding_sees_is_as_fine_as_what_was_measured(size: tuple[int, int]) -> None:
    """The figures of docs/grounding.md are those of about every fourth pixel of 1242x375."""
    grid = coarse_disparity(torch.zeros(size), 375, 1242)
    assert grid.step_x < 6
    assert grid.step_y < 6
    assert max(grid.values.shape) <= 330


def test_the_weights_of_the_package_state_their_error() -> None:
    assert depth_error_of(NetworkConfig(weights='gemdepth-tiny')) > 0.1
    assert motion_error_of(NetworkConfig(weights='gemdepth-tiny')) > 0.5
    assert motion_error_of(NetworkConfig(weights='own.safetensors', motion_error=0.03)) == 0.03
    assert depth_error_of(NetworkConfig(weights='')) == 0
    stated = depth_error_of(NetworkConfig(weights='gemdepth-tiny'))
    for given, counts in ((0.05, stated), (0.5, 0.5)):  # nobody may make them better by his word
        assert depth_error_of(NetworkConfig(weights='gemdepth-tiny', depth_error=given)) == counts
    assert depth_error_of(NetworkConfig(weights='own.safetensors', depth_error=0.05)) == 0.05
    with pytest.raises(ConfigError, match=r'depth_error must be 0\.\.1, got 1\.5'):
        NetworkConfig(depth_error=1.5)


@pytest.mark.parametrize(
    ('weights', 'asked', 'used'),
    [
        ('gemdepth-tiny', 518, 182),
        ('gemdepth-tiny', 140, 140),
        ('gemdepth-vitl', 518, 518),
        ('', 518, 518),
    ],
)
def test_the_input_is_no_larger_than_the_weights_know(weights: str, asked: int, used: int) -> None:
    config = PipelineConfig(
        network=NetworkConfig(weights=weights), streaming=StreamingConfig(input_size=asked)
    )
    assert fitted_to_weights(config).streaming.input_size == used

"""A network without poses in the pipeline: no motion, motion by odometry, metres of its own."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry import se3
from gemdepth_ros.grounding.config import (
    GroundingConfig,
    ManualConfig,
    MetricNetworkConfig,
    OdometryConfig,
)
from gemdepth_ros.inference import StreamGroup, StreamingConfig, StreamSession
from gemdepth_ros.interfaces import OutputRequest, PinholeIntrinsics, VideoFrame
from gemdepth_ros.model import VdaConfig, build_network
from gemdepth_ros.model.checkpoint import published_state
from gemdepth_ros.model.config import EncoderConfig
from gemdepth_ros.model.vda_config import VDA_PRESETS
from gemdepth_ros.pipeline import DepthPipeline
from gemdepth_ros.pipeline.config import MountingConfig, NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.odometry_motion import OdometryMotion
from gemdepth_ros.pipeline.readings import CameraMounting, OdometrySample, SensorReadings
from gemdepth_ros.pipeline.snapshot import restore_snapshot, take_snapshot

TINY = VdaConfig(
    EncoderConfig(width=64, depth=4, heads=2, levels=(0, 1, 2, 3)),
    features=64,
    out_channels=(16, 32, 64, 64),
)
CAMERA = PinholeIntrinsics(60, 40, 50.0, 50.0, 29.5, 19.5)
FRAME_NS = 100_000_000
SPEED = 5.0
# The optical frame of a camera 1.5 m up, looking along the base's x axis.
BASE_FROM_CAMERA = np.array([[0, 0, 1, 0.2], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]], float)
MOUNTING = CameraMounting(BASE_FROM_CAMERA, 1.5)


@pytest.fixture(autouse=True)
def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VDA_PRESETS, 'vda-small', TINY)
    monkeypatch.setitem(VDA_PRESETS, 'vda-metric-small', replace(TINY, metric=True))


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights under which depth is around 1, as a file."""
    path = tmp_path_factory.mktemp('weights') / 'metric_video_depth_anything_vits.pth'
    torch.save(published_state(build_network(TINY)), path)
    return path


def pipeline(
    preset: str = 'vda-small', weights: Path | None = None, **parts: Any
) -> DepthPipeline:
    network = NetworkConfig(preset, str(weights or ''), device='cpu')
    streaming = StreamingConfig('causal', 8, input_size=28)
    return DepthPipeline(PipelineConfig(network, streaming, **parts))


def frame(number: int, camera: PinholeIntrinsics | None = CAMERA) -> VideoFrame:
    image = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
    return VideoFrame(image, stamp_ns=(number + 1) * FRAME_NS, camera=camera)


def odometry(stamp_ns: int, *, turn: float = 0.3) -> OdometrySample:
    """A vehicle on a circle."""
    seconds = stamp_ns * 1e-9
    angle = turn * seconds
    rotation = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    radius = SPEED / turn
    position = radius * np.array([math.sin(angle), 1 - math.cos(angle), 0])
    return OdometrySample(stamp_ns, se3.from_parts(rotation, position))


def test_without_odometry_there_is_no_motion(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        made = pipeline()
    assert 'predicts no poses' in caplog.text
    output = made.process(frame(0))
    assert output.motion is None
    assert np.isnan(output.predicted_fov_deg).all()
    assert output.disparity is not None
    assert output.window_frames == 1


def test_an_uncalibrated_camera_is_a_guess_that_says_so() -> None:
    output = pipeline().process(frame(0, camera=None))
    assert output.camera_is_predicted
    assert math.isfinite(output.camera.fx)


def test_odometry_stands_in_for_the_motion() -> None:
    made = pipeline()
    samples = [odometry(round(i * FRAME_NS / 4)) for i in range(60)]
    outputs = []
    for number in range(10):
        until = (number + 1) * FRAME_NS
        new = tuple(s for s in samples if until - FRAME_NS <= s.stamp_ns < until)
        readings = SensorReadings(odometry=new, mounting=MOUNTING)
        outputs.append(made.process(frame(number), OutputRequest(), readings))
    first = odometry(FRAME_NS).odom_from_base
    assert first is not None
    for output in outputs:
        assert output.motion is not None
        assert output.motion.metric
        assert not output.motion.lost
        base = odometry(output.stamp_ns).odom_from_base
        assert base is not None
        expected = se3.inverse(first @ BASE_FROM_CAMERA) @ base @ BASE_FROM_CAMERA
        np.testing.assert_allclose(output.motion.odom_from_camera, expected, atol=2e-3)
        assert output.motion.covariance[0, 0] > 1e3  # its own messages say how good it is


@pytest.mark.parametrize('case', ['no mounting', 'one sample', 'no pose', 'too old', 'too new'])
def test_odometry_that_does_not_say_where_the_camera_is_gives_no_motion(case: str) -> None:
    samples = tuple(odometry(i * FRAME_NS) for i in (8, 9))
    stamp_ns = {'too old': 6, 'too new': 20}.get(case, 9) * FRAME_NS
    if case == 'one sample':
        samples = samples[:1]
    if case == 'no pose':
        samples = tuple(OdometrySample(s.stamp_ns, None, SPEED) for s in samples)
    motion = OdometryMotion(OdometryConfig())
    found = motion.update(stamp_ns, samples, None if case == 'no mounting' else MOUNTING)
    assert found is None


def test_an_odometry_that_jumps_breaks_the_trajectory_and_moves_it_nowhere() -> None:
    """As tf's odom has no jumps: the path goes on from where it was, and says that it broke."""
    motion = OdometryMotion(OdometryConfig())
    motion.update(FRAME_NS, (odometry(0), odometry(FRAME_NS)), MOUNTING)
    before = motion.update(2 * FRAME_NS, (odometry(2 * FRAME_NS),), MOUNTING)
    assert before is not None
    assert np.linalg.norm(before.odom_from_camera[:3, 3]) > 0.1
    assert not before.lost
    pose = odometry(3 * FRAME_NS).odom_from_base
    assert pose is not None
    far = pose.copy()
    far[0, 3] += 500
    assert motion.update(3 * FRAME_NS, (OdometrySample(3 * FRAME_NS, far),), MOUNTING) is None
    further = far.copy()
    further[0, 3] += 0.5
    later = OdometrySample(4 * FRAME_NS, further)
    after = motion.update(4 * FRAME_NS, (later,), MOUNTING)
    assert after is not None
    assert after.lost
    np.testing.assert_allclose(after.odom_from_camera, before.odom_from_camera, atol=1e-9)
    end = further.copy()
    end[0, 3] += 0.5
    last = motion.update(5 * FRAME_NS, (OdometrySample(5 * FRAME_NS, end),), MOUNTING)
    assert last is not None
    assert not last.lost
    step = se3.inverse(after.odom_from_camera) @ last.odom_from_camera
    expected = se3.inverse(further @ BASE_FROM_CAMERA) @ end @ BASE_FROM_CAMERA
    np.testing.assert_allclose(step, expected, atol=1e-9)


def test_a_trajectory_that_is_forgotten_begins_at_the_origin() -> None:
    motion = OdometryMotion(OdometryConfig())
    motion.update(FRAME_NS, (odometry(0), odometry(FRAME_NS)), MOUNTING)
    motion.update(2 * FRAME_NS, (odometry(2 * FRAME_NS),), MOUNTING)
    motion.forget()
    samples = (odometry(3 * FRAME_NS), odometry(4 * FRAME_NS))
    begun = motion.update(4 * FRAME_NS, samples, MOUNTING)
    assert begun is not None
    assert not begun.lost
    np.testing.assert_allclose(begun.odom_from_camera, np.eye(4), atol=1e-9)


def test_samples_that_know_the_cameras_place_need_no_mounting() -> None:
    """They count for more than the mounting; a camera put elsewhere has not moved there."""
    motion = OdometryMotion(OdometryConfig())
    samples = [replace(odometry(i * FRAME_NS), base_from_camera=BASE_FROM_CAMERA) for i in (1, 2)]
    elsewhere = BASE_FROM_CAMERA.copy()
    elsewhere[0, 3] -= 7
    wrong = CameraMounting(elsewhere)
    assert motion.update(2 * FRAME_NS, tuple(samples), wrong) is not None
    third = replace(odometry(3 * FRAME_NS), base_from_camera=BASE_FROM_CAMERA)
    found = motion.update(3 * FRAME_NS, (third,), wrong)
    second_pose, third_pose = samples[1].odom_from_camera, third.odom_from_camera
    assert found is not None
    expected = se3.inverse(second_pose) @ third_pose
    np.testing.assert_allclose(found.odom_from_camera, expected, atol=1e-12)
    moved = [replace(odometry(i * FRAME_NS), base_from_camera=elsewhere) for i in (4, 5)]
    assert motion.update(4 * FRAME_NS, tuple(moved[:1]), None) is None
    before, found = found, motion.update(5 * FRAME_NS, tuple(moved[1:]), None)
    assert found is not None
    assert found.lost
    np.testing.assert_allclose(found.odom_from_camera, before.odom_from_camera, atol=1e-12)


def test_metric_weights_give_metres_when_they_are_said_to_be_good_enough(weights: Path) -> None:
    source = MetricNetworkConfig(enabled=True, relative_std=0.08)
    output = pipeline('auto', weights, grounding=GroundingConfig(metric_network=source)).process(
        frame(0)
    )
    grounding = output.grounding
    assert grounding.metric
    assert grounding.sources == ('metric_network',)
    assert (grounding.scale, grounding.shift) == pytest.approx((1, 0))
    assert grounding.depth_std_at_20m == pytest.approx(math.hypot(0.08, 0.04))
    assert output.depth_m is not None
    assert output.disparity is not None
    known = np.isfinite(output.depth_m)
    assert known.any()
    np.testing.assert_allclose(output.depth_m[known], 1 / output.disparity[known], rtol=1e-5)


def test_the_stated_doubt_alone_is_too_much_for_metres(weights: Path) -> None:
    source = MetricNetworkConfig(enabled=True)
    output = pipeline('auto', weights, grounding=GroundingConfig(metric_network=source)).process(
        frame(0)
    )
    assert not output.grounding.metric
    assert output.grounding.depth_std_at_20m == pytest.approx(math.hypot(0.2, 0.04))
    assert output.relative_depth is not None


def test_another_source_and_the_network_check_each_other(weights: Path) -> None:
    source = MetricNetworkConfig(enabled=True)
    near = ManualConfig(enabled=True, scale=1.05, scale_std_relative=0.05, shift_std=0.001)
    agreed = pipeline('auto', weights, grounding=GroundingConfig(near, metric_network=source))
    state = agreed.process(frame(0)).grounding
    assert state.metric
    assert set(state.sources) == {'manual', 'metric_network'}
    wrong = replace(near, scale=3.0)
    disputed = pipeline('auto', weights, grounding=GroundingConfig(wrong, metric_network=source))
    state = disputed.process(frame(0)).grounding
    assert not state.metric
    assert any('contradict' in message for message in state.messages)


def test_relative_weights_have_no_metres_of_their_own(weights: Path) -> None:
    grounding = GroundingConfig(metric_network=MetricNetworkConfig(enabled=True))
    with pytest.raises(ConfigError, match='needs metric weights'):
        pipeline('vda-small', weights, grounding=grounding)


def test_the_ground_plane_works_without_poses() -> None:
    """The sources that need poses say nothing; none of them stops the frame."""
    grounding = GroundingConfig(
        odometry=OdometryConfig(enabled=True),
        parallax=replace(GroundingConfig().parallax, enabled=True),
        ground_plane=replace(GroundingConfig().ground_plane, enabled=True),
    )
    made = pipeline(grounding=grounding, mounting=MountingConfig(height_m=1.5, pitch_deg=0.0))
    for number in range(3):
        readings = SensorReadings(odometry=(odometry((number + 1) * FRAME_NS),))
        output = made.process(frame(number), OutputRequest(), readings)
        assert not output.grounding.metric


def test_the_published_form_runs_in_the_pipeline() -> None:
    network = NetworkConfig('vda-small', '', device='cpu')
    streaming = StreamingConfig('published_stream', 32, input_size=28)
    made = DepthPipeline(PipelineConfig(network, streaming))
    made.warm_up(40, 60)
    assert made.process(frame(0)).disparity is not None


@pytest.mark.parametrize('mode', ['causal', 'sliding', 'published_stream'])
def test_a_saved_stream_goes_on(mode: str) -> None:
    streaming = StreamingConfig(mode, 8, input_size=28)  # type: ignore[arg-type]
    config = PipelineConfig(NetworkConfig('vda-small', '', device='cpu'), streaming)
    first, second = DepthPipeline(config), DepthPipeline(config)
    for number in range(12):
        first.process(frame(number))
    restore_snapshot(second, take_snapshot(first))
    for number in range(12, 15):
        expected, found = first.process(frame(number)), second.process(frame(number))
        assert found.disparity is not None
        np.testing.assert_array_equal(found.disparity, expected.disparity)


def test_two_cameras_share_the_network() -> None:
    model = build_network(TINY)
    group = StreamGroup(model, 2, StreamingConfig('causal', 8, input_size=28))
    alone = StreamSession(model, StreamingConfig('causal', 8, input_size=28))
    for number in range(4):
        one, two = group.step([frame(number), replace(frame(number + 7), stamp_ns=number + 1)])
        expected = alone.step(frame(number))
        assert one is not None
        assert two is not None
        assert expected is not None
        torch.testing.assert_close(one.disparity_HW, expected.disparity_HW)

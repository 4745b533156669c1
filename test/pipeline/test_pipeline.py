"""One frame in, everything out: what is computed, what is said, what is kept apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gemdepth_ros.errors import ConfigError, InferenceError, WeightsError
from gemdepth_ros.geometry.point_cloud import organized_cloud
from gemdepth_ros.grounding import LidarScan
from gemdepth_ros.grounding.config import LidarConfig, SkyConfig
from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.interfaces import (
    OutputRequest,
    PinholeIntrinsics,
    PipelineOutput,
    ResetReason,
    VideoFrame,
)
from gemdepth_ros.model import GemDepth, GemDepthConfig
from gemdepth_ros.model.checkpoint import published_state
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.pipeline import (
    DepthPipeline,
    GroundingConfig,
    ManualConfig,
    MountingConfig,
    NetworkConfig,
    PipelineConfig,
    ProductsConfig,
    SensorReadings,
    product_builder,
)

HEIGHT, WIDTH = 60, 80
PERIOD_NS = 100_000_000
EVERYTHING = OutputRequest(depth=True, points=True, preview=True)
NOTHING = OutputRequest(depth=False, points=False, preview=False)
CAMERA = PinholeIntrinsics(WIDTH, HEIGHT, 70.0, 71.0, 39.0, 29.0)
MANUAL = GroundingConfig(manual=ManualConfig(True, scale=30.0, shift=0.5))


@pytest.fixture(autouse=True)
def tiny_preset(tiny_config: GemDepthConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that a test can build in no time, by name."""
    monkeypatch.setitem(PRESETS, 'tiny', tiny_config)


def configured(**changes: Any) -> PipelineConfig:
    return PipelineConfig(
        network=NetworkConfig(
            preset='tiny',
            device='cpu',
            weights=changes.pop('weights', ''),
            allow_untrained_metric=changes.pop('allow_untrained_metric', True),
        ),
        products=changes.pop('products', ProductsConfig(filter_edges=False)),
        streaming=StreamingConfig(window=3, input_size=56),
        **changes,
    )


@pytest.fixture
def relative() -> Iterator[DepthPipeline]:
    made = DepthPipeline(configured())
    yield made
    made.close()


@pytest.fixture
def metric() -> Iterator[DepthPipeline]:
    made = DepthPipeline(configured(grounding=MANUAL))
    yield made
    made.close()


def frame(number: int = 0, **changes: Any) -> VideoFrame:
    rng = np.random.default_rng(number)
    shape = changes.pop('shape', (HEIGHT, WIDTH))
    values: dict[str, Any] = {
        'image_rgb': rng.integers(0, 256, (*shape, 3), np.uint8),
        'stamp_ns': number * PERIOD_NS,
        'frame_id': 'front_optical',
        'camera': CAMERA if shape == (HEIGHT, WIDTH) else None,
    }
    return VideoFrame(**(values | changes))


def products(output: PipelineOutput) -> set[str]:
    """Names of the images and clouds that an output holds."""
    names = ('disparity', 'relative_depth', 'depth_m', 'cloud', 'preview_rgb')
    return {name for name in names if getattr(output, name) is not None}


def test_the_frames_identity_comes_through(relative: DepthPipeline) -> None:
    outputs = [relative.process(frame(number)) for number in range(5)]
    assert [output.stamp_ns for output in outputs] == [k * PERIOD_NS for k in range(5)]
    assert {output.frame_id for output in outputs} == {'front_optical'}
    assert [output.window_frames for output in outputs] == [1, 2, 3, 3, 3]
    for output in outputs:
        assert output.camera == CAMERA
        assert not output.camera_is_predicted
        assert output.network_size == (56, 70)
        assert output.processing_ms > 0
        assert output.reset is None


def test_without_grounding_nothing_looks_like_metres(relative: DepthPipeline) -> None:
    relative.process(frame(0))
    output = relative.process(frame(1), EVERYTHING)
    assert products(output) == {'disparity', 'relative_depth', 'cloud', 'preview_rgb'}
    assert output.disparity is not None
    assert output.relative_depth is not None
    assert output.cloud is not None
    assert not output.cloud.metric
    assert not output.grounding.metric
    assert not output.motion.metric
    np.testing.assert_array_equal(np.diag(output.motion.covariance), 9999.0)
    with np.errstate(divide='ignore'):
        np.testing.assert_allclose(output.relative_depth, 1 / output.disparity, rtol=1e-6)
    assert output.disparity.shape == output.relative_depth.shape == (HEIGHT, WIDTH)
    assert output.disparity.dtype == output.relative_depth.dtype == np.float32


def test_with_manual_grounding_depth_is_metres(metric: DepthPipeline) -> None:
    output = metric.process(frame(0), EVERYTHING)
    assert products(output) == {'disparity', 'depth_m', 'cloud', 'preview_rgb'}
    assert output.disparity is not None
    assert output.depth_m is not None
    assert output.cloud is not None
    assert output.cloud.metric
    assert output.grounding.metric
    assert output.grounding.sources == ('manual',)
    known = np.isfinite(output.depth_m)
    assert known.any()
    np.testing.assert_allclose(
        output.depth_m[known], 30.0 / (output.disparity[known] - 0.5), rtol=1e-4
    )
    assert not (output.depth_m[known] > 80.0).any()
    assert not (output.depth_m[known] < 0.1).any()


def test_clouds_hold_the_depth_of_the_image(metric: DepthPipeline) -> None:
    seen = frame(0)
    output = metric.process(seen, EVERYTHING)
    assert output.depth_m is not None
    assert output.cloud is not None
    expected = organized_cloud(output.depth_m, seen.image_rgb, CAMERA, 2, metric=True)
    np.testing.assert_array_equal(output.cloud.xyz, expected.xyz)
    np.testing.assert_array_equal(output.cloud.rgb, seen.image_rgb[::2, ::2])


@pytest.mark.parametrize(
    'request_', [OutputRequest(*wanted) for wanted in itertools.product((False, True), repeat=3)]
)
@pytest.mark.parametrize('grounding', [GroundingConfig(), MANUAL], ids=['relative', 'metric'])
def test_only_what_is_asked_for_is_there(
    grounding: GroundingConfig, request_: OutputRequest
) -> None:
    """And never metres and relative depth at once."""
    output = DepthPipeline(configured(grounding=grounding)).process(frame(0), request_)
    found = products(output)
    depth = 'depth_m' if grounding.manual.enabled else 'relative_depth'
    assert ({'relative_depth', 'depth_m'} & found) == ({depth} if request_.depth else set())
    assert ('cloud' in found) == request_.points
    assert ('preview_rgb' in found) == request_.preview
    assert ('disparity' in found) == (request_.depth or request_.preview)


def test_work_for_nobody_is_skipped(
    relative: DepthPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poses go on; no image is resized, moved or coloured."""

    def unwanted(*args: Any, **kwargs: Any) -> None:
        raise AssertionError('computed although nobody asked')

    for name in ('at_image_size', 'as_array', 'organized_cloud', 'relative_depth'):
        monkeypatch.setattr(product_builder, name, unwanted)
    first, second = relative.process(frame(0), NOTHING), relative.process(frame(1), NOTHING)
    assert not products(first)
    assert not np.array_equal(second.motion.odom_from_camera, np.eye(4))


def test_the_request_does_not_change_the_stream(relative: DepthPipeline) -> None:
    other = DepthPipeline(configured())
    for number in range(3):
        relative.process(frame(number), NOTHING)
        other.process(frame(number), EVERYTHING)
    ours, theirs = relative.process(frame(3)), other.process(frame(3))
    assert ours.disparity is not None
    assert theirs.disparity is not None
    np.testing.assert_array_equal(ours.disparity, theirs.disparity)
    np.testing.assert_array_equal(ours.motion.odom_from_camera, theirs.motion.odom_from_camera)


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'shape': (60, 100)}, ResetReason.SIZE_CHANGE),
        ({'camera': PinholeIntrinsics(WIDTH, HEIGHT, 75, 75, 39, 29)}, ResetReason.CAMERA_CHANGE),
        ({'frame_id': 'rear_optical'}, ResetReason.CAMERA_CHANGE),
        ({'stamp_ns': 0}, ResetReason.BACKWARD_TIME),
        ({'stamp_ns': 5_000_000_000}, ResetReason.GAP),
    ],
)
def test_the_reason_of_a_reset_is_said_once(
    relative: DepthPipeline, change: dict[str, Any], reason: ResetReason
) -> None:
    for number in range(3):
        before = relative.process(frame(number))
        assert before.reset is None
    output = relative.process(frame(3, **change))
    assert output.reset is reason
    assert output.window_frames == 1
    # When time went backwards the trajectory begins again; else it never jumps.
    fresh = reason is ResetReason.BACKWARD_TIME
    expected = np.eye(4) if fresh else before.motion.odom_from_camera
    np.testing.assert_allclose(output.motion.odom_from_camera, expected, atol=1e-9)
    assert output.motion.lost
    assert relative.reset_counts == dict.fromkeys(ResetReason, 0) | {reason: 1}
    following = dict(change) | {'stamp_ns': output.stamp_ns + PERIOD_NS}
    assert relative.process(frame(4, **following)).reset is None


def test_a_reset_on_request(relative: DepthPipeline) -> None:
    relative.process(frame(0))
    relative.reset()
    assert relative.process(frame(1)).reset is ResetReason.REQUEST
    assert relative.reset_counts[ResetReason.REQUEST] == 1


def test_an_unknown_camera_is_taken_from_the_networks_field_of_view(
    relative: DepthPipeline,
) -> None:
    output = relative.process(frame(0, camera=None))
    camera = output.camera
    assert output.camera_is_predicted
    assert (camera.width, camera.height) == (WIDTH, HEIGHT)
    assert (camera.cx, camera.cy) == ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    horizontal = math.degrees(2 * math.atan(WIDTH / 2 / camera.fx))
    assert horizontal == pytest.approx(output.predicted_fov_deg[0], abs=1e-3)
    assert camera.fx == camera.fy


def test_a_field_of_view_of_zero_gives_a_usable_camera(
    relative: DepthPipeline,
) -> None:
    """The network may predict it; an infinite focal length would be no camera."""
    model: GemDepth = relative._model
    with torch.no_grad():
        model.camera_head.pose_branch.fc2.bias[7:] = -10.0
    output = relative.process(frame(0, camera=None))
    assert output.predicted_fov_deg == (0.0, 0.0)
    assert 0 < output.camera.fx < 10 * WIDTH


def test_motion_in_metres_with_a_translation_factor(relative: DepthPipeline) -> None:
    manual = ManualConfig(True, scale=30.0, translation_factor=2.5)
    grounding = GroundingConfig(manual=manual)
    metric = DepthPipeline(configured(grounding=grounding))
    for number in range(3):
        plain, scaled = relative.process(frame(number)), metric.process(frame(number))
    assert scaled.motion.metric
    assert not scaled.motion.lost
    position = plain.motion.odom_from_camera[:3, 3]
    np.testing.assert_allclose(scaled.motion.odom_from_camera[:3, 3], 2.5 * position)
    assert np.linalg.norm(position) > 0
    # A factor on the user's word has no standard deviation, so neither has the motion.
    np.testing.assert_array_equal(np.diag(scaled.motion.covariance), 9999.0)


def test_random_weights_give_no_metres() -> None:
    made = DepthPipeline(configured(grounding=MANUAL, allow_untrained_metric=False))
    output = made.process(frame(0))
    assert not output.grounding.metric
    assert output.depth_m is None
    assert output.relative_depth is not None


def test_after_a_gap_the_trajectory_goes_on_and_says_that_it_was_lost() -> None:
    manual = ManualConfig(True, scale=30.0, translation_factor=2.5)
    made = DepthPipeline(configured(grounding=GroundingConfig(manual=manual)))
    for number in range(4):
        before = made.process(frame(number))
    after = made.process(replace(frame(4), stamp_ns=frame(3).stamp_ns + 20_000_000_000))
    assert after.reset is ResetReason.GAP
    assert after.motion.lost
    np.testing.assert_array_equal(np.diag(after.motion.covariance), 9999.0)
    np.testing.assert_allclose(
        after.motion.odom_from_camera, before.motion.odom_from_camera, atol=1e-9
    )
    # The new session counts in a new unit: the user's factor was for the first one.
    assert not after.motion.metric
    assert after.grounding.metric


def test_a_slow_network_is_no_gap() -> None:
    """Frames that were dropped while it worked are no silence of the camera."""
    made = DepthPipeline(configured())
    made.process(frame(0))
    late = replace(frame(1), stamp_ns=frame(0).stamp_ns + 1_200_000_000)
    assert made.process(replace(late, dropped_before=11)).reset is None
    much_later = replace(late, stamp_ns=late.stamp_ns + 6_000_000_000, dropped_before=59)
    assert made.process(much_later).reset is ResetReason.GAP


def test_what_no_camera_saw_and_the_vehicle_itself_have_no_depth(tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[-10:] = 255
    assert cv2.imwrite(str(tmp_path / 'mask.png'), mask)
    products_config = ProductsConfig(filter_edges=False, self_mask=str(tmp_path / 'mask.png'))
    made = DepthPipeline(configured(grounding=MANUAL, products=products_config))
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[:, :5] = False
    output = made.process(replace(frame(0), valid=valid))
    assert output.depth_m is not None
    assert np.isnan(output.depth_m[-10:]).all()
    assert np.isnan(output.depth_m[:, :5]).all()
    assert not np.isnan(output.depth_m[:-10, 5:]).any()


def test_clouds_for_costmaps_need_metres_and_a_mounting() -> None:
    wanted = OutputRequest(depth=False, points=False, costmap=True)
    mounted = MountingConfig(height_m=1.5, pitch_deg=2.0)
    both = DepthPipeline(configured(grounding=MANUAL, mounting=mounted)).process(frame(0), wanted)
    assert both.mark_points is not None
    assert both.clear_points is not None
    assert np.isfinite(both.clear_points).all()
    assert len(both.clear_points) > 0
    for changes in ({'grounding': MANUAL}, {'mounting': mounted}):
        output = DepthPipeline(configured(**changes)).process(frame(0), wanted)
        assert output.mark_points is None
        assert output.clear_points is None


def test_lidar_gives_metres_with_a_stated_uncertainty(relative: DepthPipeline) -> None:
    """Points made from the network's own disparity and a known line are found again."""
    camera_from_lidar = np.eye(4)
    config = configured(grounding=GroundingConfig(lidar=LidarConfig(enabled=True)))
    made = DepthPipeline(config)
    rng = np.random.default_rng(0)
    for number in range(3):
        seen = relative.process(frame(number))
        assert seen.disparity is not None
        rows, columns = rng.integers(0, HEIGHT, 900), rng.integers(0, WIDTH, 900)
        z = 12.0 / (seen.disparity[rows, columns] + 0.2)
        x, y = (columns - CAMERA.cx) * z / CAMERA.fx, (rows - CAMERA.cy) * z / CAMERA.fy
        points = np.stack([x, y, z], axis=1).astype(np.float32)
        scan = LidarScan(points, camera_from_lidar, frame(number).stamp_ns)
        output = made.process(frame(number), readings=SensorReadings(lidar=scan))
    assert output.grounding.metric, output.grounding
    assert output.grounding.scale == pytest.approx(12.0, rel=0.05)
    assert output.grounding.depth_std_at_20m < 0.1
    assert output.depth_m is not None
    expected = 12.0 / (seen.disparity + 0.2)
    known = np.isfinite(output.depth_m)
    assert np.median(np.abs(output.depth_m[known] / expected[known] - 1)) < 0.03


def test_metric_depth_without_a_translation_factor_leaves_motion_relative(
    metric: DepthPipeline,
) -> None:
    assert not metric.process(frame(0)).motion.metric


def test_warming_up_leaves_no_trace(relative: DepthPipeline) -> None:
    cold = DepthPipeline(configured())
    relative.warm_up(HEIGHT, WIDTH)
    ours, theirs = relative.process(frame(0)), cold.process(frame(0))
    assert ours.reset is None
    assert ours.window_frames == 1
    assert ours.disparity is not None
    assert theirs.disparity is not None
    np.testing.assert_array_equal(ours.disparity, theirs.disparity)
    assert not any(relative.reset_counts.values())


def test_output_that_is_not_finite_is_withheld_and_the_stream_goes_on(
    relative: DepthPipeline,
) -> None:
    relative.process(frame(0))
    bias = relative._model.head.output_conv3.bias
    assert bias is not None
    good = bias.data.clone()
    bias.data[0] = torch.nan
    with pytest.raises(InferenceError, match='NaN or infinity'):
        relative.process(frame(1))
    bias.data = good
    output = relative.process(frame(2))
    assert output.reset is ResetReason.NON_FINITE_OUTPUT
    assert output.disparity is not None
    assert np.isfinite(output.disparity).all()


def test_a_tiny_image_does_not_end_the_stream(relative: DepthPipeline) -> None:
    """One pixel is upsampled like any other image."""
    assert relative.process(frame(0, shape=(1, 1))).disparity is not None
    assert relative.process(frame(1)).reset is ResetReason.SIZE_CHANGE


def test_untrained_weights_say_so(relative: DepthPipeline) -> None:
    assert not relative.trained
    assert relative.weights_description == 'seeded (untrained)'


def test_weights_from_a_file_are_described(tiny_model: GemDepth, tmp_path: Path) -> None:
    path = tmp_path / 'drive.pth'
    torch.save(published_state(tiny_model), path)
    loaded = DepthPipeline(configured(weights=str(path)))
    assert loaded.trained
    assert loaded.weights_description.startswith('drive.pth sha256:')
    seeded = DepthPipeline(configured()).process(frame(0))
    output = loaded.process(frame(0))
    assert output.disparity is not None
    assert seeded.disparity is not None
    np.testing.assert_array_equal(output.disparity, seeded.disparity)


@pytest.mark.parametrize(
    ('depth_error', 'sources', 'warned'),
    [
        (0.0, {'sky': SkyConfig(enabled=True)}, 1),
        (0.1, {'sky': SkyConfig(enabled=True)}, 0),
        (0.0, {}, 0),
    ],
)
def test_weights_whose_error_nobody_measured_are_named_where_metres_depend_on_it(
    tiny_model: GemDepth,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    depth_error: float,
    sources: dict[str, Any],
    warned: int,
) -> None:
    path = tmp_path / 'drive.safetensors'
    save_file(published_state(tiny_model), path)
    config = configured(weights=str(path))
    network = replace(config.network, depth_error=depth_error)
    DepthPipeline(replace(config, network=network, grounding=GroundingConfig(**sources)))
    assert caplog.text.count('network.depth_error is 0') == warned


def test_wrong_weights_are_refused_in_one_line(tiny_model: GemDepth, tmp_path: Path) -> None:
    wrong = tmp_path / 'wrong.pth'
    torch.save({'some.weight': torch.zeros(3)}, wrong)
    for weights in (str(wrong), str(tmp_path / 'absent.pth')):
        with pytest.raises(WeightsError) as error:
            DepthPipeline(configured(weights=weights))
        assert '\n' not in str(error.value)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown network 'huge'"):
        DepthPipeline(PipelineConfig(network=NetworkConfig(preset='huge')))


def test_a_live_pipeline_has_no_lookahead() -> None:
    with pytest.raises(ConfigError, match='lookahead must be 0 in a live pipeline, got 2'):
        PipelineConfig(streaming=StreamingConfig(lookahead=2))


def test_closing_twice_is_harmless() -> None:
    made = DepthPipeline(configured())
    made.process(frame(0))
    made.close()
    made.close()

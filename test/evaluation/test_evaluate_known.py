"""A perfect prediction scores perfectly, and a known distortion its known error, end to end."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_worlds import HEIGHT, TINY, WIDTH, known, scaled, write_bag

from gemdepth_ros.bags.writer import Storage
from gemdepth_ros.cli.evaluation.prediction import Prediction
from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.evaluation.result import EvaluationResult
from gemdepth_ros.interfaces import Float32Array

FRAMES = 24


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp('known') / 'bag', FRAMES)


def figures(result: EvaluationResult, protocol: str) -> tuple[float, float, float]:
    found = result.protocol(protocol)
    assert found is not None
    return found.mean.abs_rel, found.mean.rmse, found.mean.delta1


def test_perfect_is_perfect(bag: Path, tmp_path: Path) -> None:
    result = evaluate_source(bag, TINY, tmp_path, make_predictor=known())
    assert [item.name for item in result.protocols] == ['metric', 'vda', 'per_frame', 'median']
    assert figures(result, 'metric') == (0, 0, 1)
    for protocol in ('vda', 'per_frame', 'median'):
        assert figures(result, protocol) == pytest.approx((0, 0, 1), abs=1e-5)
    for item in result.protocols:
        assert item.coverage == 1
        assert len(item.frames) == FRAMES
        row, constant = item.baselines
        assert 0.05 < row.mean.abs_rel < constant.mean.abs_rel
        assert all(band.mean == pytest.approx(0, abs=1e-5) for band in item.bands)
    motion = result.trajectory
    assert motion is not None
    assert motion.metric
    assert [item.alignment for item in motion.errors] == ['SE(3)', 'Sim(3)']
    for errors in motion.errors:
        assert errors.ate_rmse_m == pytest.approx(0, abs=1e-9)
        assert errors.rpe_translation_rmse_m == pytest.approx(0, abs=1e-9)
        assert errors.rpe_rotation_rmse_deg == pytest.approx(0, abs=1e-5)
        assert errors.scale == pytest.approx(1)
    assert motion.t_rel_percent == pytest.approx(0, abs=1e-9)
    assert result.scale is not None
    assert result.scale.mean_ratio == pytest.approx(1)
    assert result.scale.frames[3].fitted_scale == pytest.approx(1)
    assert result.calibration is not None
    assert result.calibration.rms_z == 0
    assert (result.truth.depth_frames, result.truth.pose_frames) == (FRAMES, FRAMES)
    assert result.notes == ()
    assert len(list((tmp_path / result.samples).glob('*.npz'))) == 2


def test_ten_percent_too_far(bag: Path, tmp_path: Path) -> None:
    result = evaluate_source(bag, TINY, tmp_path, make_predictor=known(scaled(1.1)))
    abs_rel, _, delta1 = figures(result, 'metric')
    assert abs_rel == pytest.approx(0.1, abs=1e-6)
    assert delta1 == 1
    for protocol in ('vda', 'per_frame', 'median'):
        assert figures(result, protocol) == pytest.approx((0, 0, 1), abs=1e-5)
    assert result.scale is not None
    assert result.scale.mean_ratio == pytest.approx(1.1)
    assert result.scale.std_log_ratio == pytest.approx(0, abs=1e-6)
    motion = result.trajectory
    assert motion is not None
    rigid, similar = motion.errors
    assert similar.scale == pytest.approx(1 / 1.1)
    assert similar.ate_rmse_m == pytest.approx(0, abs=1e-9)
    assert rigid.ate_rmse_m > 0.1
    assert motion.t_rel_percent == pytest.approx(10, rel=0.1)


def test_one_bad_frame_shows_where_it_is(bag: Path, tmp_path: Path) -> None:
    count = [0]

    def change(prediction: Prediction) -> Prediction:
        count[0] += 1
        assert prediction.depth_m is not None
        if count[0] != 6:
            return prediction
        return replace(prediction, depth_m=prediction.depth_m * np.float32(2))

    result = evaluate_source(bag, TINY, tmp_path, make_predictor=known(change))
    protocol = result.protocol('metric')
    assert protocol is not None
    errors = [frame.errors.abs_rel for frame in protocol.frames]
    assert errors[5] == pytest.approx(1, abs=0.2)  # cut at no cap: twice as far is 100 % off
    assert sum(errors[:5] + errors[6:]) == 0
    assert protocol.mean.abs_rel == pytest.approx(errors[5] / FRAMES)


def test_unknown_pixels_are_counted_not_judged(bag: Path, tmp_path: Path) -> None:
    def change(prediction: Prediction) -> Prediction:
        assert prediction.depth_m is not None
        holes: Float32Array = prediction.depth_m.copy()
        holes[:, ::4] = np.nan
        return replace(prediction, depth_m=holes)

    result = evaluate_source(bag, TINY, tmp_path, make_predictor=known(change))
    protocol = result.protocol('metric')
    assert protocol is not None
    assert protocol.coverage == pytest.approx(0.75)
    assert protocol.mean.abs_rel == 0
    assert protocol.frames[0].pixels == 36 * 48


def test_one_infinite_pixel_spoils_itself_alone(bag: Path, tmp_path: Path) -> None:
    def overflow(prediction: Prediction) -> Prediction:
        disparity = prediction.disparity.copy()
        disparity[0, 0] = np.inf
        return replace(prediction, disparity=disparity)

    vda = evaluate_source(bag, TINY, tmp_path, make_predictor=known(overflow)).protocol('vda')
    assert vda is not None
    assert vda.scale == pytest.approx(1.0, abs=1e-5)
    assert 0 < vda.mean.abs_rel < 2 / (HEIGHT * WIDTH)


def test_without_own_poses_there_is_no_trajectory(bag: Path, tmp_path: Path) -> None:
    def depth_alone(prediction: Prediction) -> Prediction:
        return replace(prediction, own_from_camera=None, own_metric=False)

    result = evaluate_source(bag, TINY, tmp_path, make_predictor=known(depth_alone))
    assert result.trajectory is None
    assert 'no own poses: no trajectory' in result.notes


def test_a_live_node_has_holes_in_disparity_too(bag: Path, tmp_path: Path) -> None:
    """Its metres are all that is known: no protocol may take the holes out of the truth."""

    def change(prediction: Prediction) -> Prediction:
        assert prediction.depth_m is not None
        holes: Float32Array = prediction.depth_m.copy()
        holes[:, ::4] = np.nan
        return replace(prediction, depth_m=holes, disparity=np.float32(1) / holes)

    result = evaluate_source(bag, TINY, tmp_path, make_predictor=known(change))
    assert [item.name for item in result.protocols] == ['metric', 'vda', 'per_frame', 'median']
    for protocol in result.protocols:
        assert protocol.coverage == pytest.approx(0.75)
        assert protocol.mean.abs_rel == pytest.approx(0, abs=1e-5)
        assert protocol.frames[0].pixels == 36 * 48
    assert result.scale is not None
    assert result.scale.frames[3].fitted_scale == pytest.approx(1)


@pytest.mark.parametrize('storage', list(Storage))
def test_lidar_is_truth(tmp_path: Path, storage: Storage) -> None:
    bag = write_bag(tmp_path / 'bag', 6, storage=storage, lidar=True)
    result = evaluate_source(bag, TINY, tmp_path / 'out', make_predictor=known())
    assert result.truth.depth == 'LiDAR /lidar/points, projected'
    assert result.source.kind == f'rosbag2 {storage.value}'
    assert figures(result, 'metric') == pytest.approx((0, 0, 1), abs=1e-6)
    found = result.protocol('metric')
    assert found is not None
    assert found.frames[0].pixels == 9 * 16


def test_crop_and_cap(bag: Path, tmp_path: Path) -> None:
    settings = replace(TINY, crop='garg', max_depth_m=20.0, protocols=('metric',))
    result = evaluate_source(bag, settings, tmp_path, make_predictor=known())
    (found,) = result.protocols
    assert found.frames[0].pixels < 36 * 64 * 0.6
    assert found.by_distance[-1].far_m == 20
    assert sum(item.pixels for item in found.by_distance) == sum(
        item.pixels for item in found.frames
    )


def test_simulated_latency_drops_the_same_frames(bag: Path, tmp_path: Path) -> None:
    settings = replace(TINY, simulated_latency_ms=250.0)
    result = evaluate_source(bag, settings, tmp_path, make_predictor=known())
    protocol = result.protocol('metric')
    assert protocol is not None
    numbers = [frame.index for frame in protocol.frames]
    assert numbers[:4] == [0, 2, 4, 7]
    assert result.source.processed == len(numbers)
    assert result.source.processed + result.source.dropped == FRAMES


def test_masks_split_the_error(bag: Path, tmp_path: Path) -> None:
    import cv2

    masks = tmp_path / 'masks'
    masks.mkdir()
    for index in range(FRAMES):
        mask = np.zeros((36, 64), np.uint8)
        mask[:10] = 255
        cv2.imwrite(str(masks / f'{index:06d}.png'), mask)

    def change(prediction: Prediction) -> Prediction:
        assert prediction.depth_m is not None
        bent = prediction.depth_m.copy()
        bent[:10] *= np.float32(1.2)
        return replace(prediction, depth_m=bent)

    settings = replace(TINY, masks=str(masks))
    result = evaluate_source(bag, settings, tmp_path / 'out', make_predictor=known(change))
    found = result.protocol('metric')
    assert found is not None
    assert found.static is not None
    assert found.moving is not None
    assert found.static.abs_rel == 0
    assert found.moving.abs_rel == pytest.approx(0.2, abs=1e-6)
    assert result.truth.mask_frames == FRAMES


def test_without_any_truth_consistency_remains(bag: Path, tmp_path: Path) -> None:
    settings = replace(TINY, ground_truth=('none',))
    result = evaluate_source(bag, settings, tmp_path, make_predictor=known())
    assert result.protocols == ()
    assert result.trajectory is None
    (score,) = result.temporal
    assert score.name == 'self_consistency'
    assert score.pairs == FRAMES - 1
    assert math.isnan(score.translation_factor)
    assert any('true depth' in note for note in result.notes)


def test_a_bag_of_ros_1(tmp_path: Path) -> None:
    write_bag(tmp_path / 'two', 5)
    words = ['--src', str(tmp_path / 'two'), '--dst', str(tmp_path / 'one.bag')]
    subprocess.run(
        [sys.executable, '-m', 'rosbags.convert', *words, '--dst-version', '1'],
        check=True,
        capture_output=True,
    )
    result = evaluate_source(tmp_path / 'one.bag', TINY, tmp_path / 'out', make_predictor=known())
    assert result.source.kind == 'rosbag ros1'
    assert figures(result, 'metric') == (0, 0, 1)
    assert (result.truth.depth_frames, result.truth.pose_frames) == (5, 5)


def test_metres_of_the_real_pipeline(bag: Path, tmp_path: Path) -> None:
    words = ('enabled=true', 'scale=5', 'scale_std_relative=0.1', 'translation_factor=1')
    overrides = (
        'network.allow_untrained_metric=true',
        *(f'grounding.manual.{word}' for word in words),
    )
    result = evaluate_source(bag, replace(TINY, overrides=overrides, max_frames=8), tmp_path)
    metric = result.protocol('metric')
    assert metric is not None
    assert 0 < metric.coverage <= 1
    assert metric.mean.abs_rel > 0.01
    assert result.calibration is not None
    assert result.calibration.mean_stated_relative > 0.05
    assert result.scale is not None
    assert result.scale.frames[-1].metric
    assert result.scale.frames[-1].stated_scale == pytest.approx(5)
    assert result.system.grounding == ('manual',)
    assert {score.depth for score in result.temporal} == {
        'metric, no alignment',
        'aligned by one scale and shift per sequence',
    }

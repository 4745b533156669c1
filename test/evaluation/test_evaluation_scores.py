"""The scores by themselves, against values known beforehand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_worlds import CAMERA, HEIGHT, WIDTH, true_depth, true_pose
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.baselines import PriorFit
from gemdepth_ros.evaluation.calibration import CalibrationScorer
from gemdepth_ros.evaluation.distance import DistanceErrors
from gemdepth_ros.evaluation.frequency import error_bands
from gemdepth_ros.evaluation.kitti_motion import LENGTHS_M, segment_errors
from gemdepth_ros.evaluation.latency import simulate_latency
from gemdepth_ros.evaluation.metrics import (
    ScaleShift,
    ScaleShiftFit,
    TemporalAlignment,
    depth_errors,
    score_sequence,
)
from gemdepth_ros.evaluation.protocols import Region
from gemdepth_ros.evaluation.records import FrameRecord, RecordStore
from gemdepth_ros.evaluation.result import EvaluationResult
from gemdepth_ros.evaluation.scale import ScaleScorer
from gemdepth_ros.evaluation.scoring import score_records
from gemdepth_ros.evaluation.temporal import AlignmentScorer, FlickerScorer, fitted_factor
from gemdepth_ros.evaluation.trajectory import TrajectoryScorer
from gemdepth_ros.evaluation.views import metric_view, relative_view
from gemdepth_ros.geometry.se3 import from_parts

LENS = np.array([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy])


def record(index: int, depth: Any = None, **changes: Any) -> FrameRecord:
    """A record of the tiny world, perfect unless told otherwise."""
    truth = true_depth(index)
    metres = truth if depth is None else depth
    values: dict[str, Any] = {
        'index': index,
        'stamp_ns': index * 100_000_000,
        'disparity': (1 / metres).astype(np.float32),
        'camera': LENS,
        'depth_m': metres,
        'truth_pixels': np.arange(truth.size, dtype=np.int32),
        'truth_m': truth.ravel(),
        'world_from_camera': true_pose(index),
        'own_from_camera': true_pose(index),
        'own_metric': True,
    }
    return FrameRecord(**values | changes)


@settings(deadline=None, max_examples=30)
@given(
    scale=st.floats(0.01, 10),
    shift=st.floats(-0.5, 0.5),
    cuts=st.lists(st.integers(1, 199), max_size=5),
    seed=st.integers(0, 100),
)
def test_scale_and_shift_in_parts_is_least_squares_at_once(
    scale: float, shift: float, cuts: list[int], seed: int
) -> None:
    noise = np.random.default_rng(seed)
    p = noise.uniform(0.1, 2, 200)
    y = np.maximum(scale * p + shift + 0.01 * noise.standard_normal(200), 1e-2)
    fit = ScaleShiftFit()
    for part in np.split(np.arange(200), sorted(set(cuts))):
        fit.add(p[part], 1 / y[part])
    matrix = np.stack([p, np.ones(200)], axis=1)
    wanted = np.linalg.lstsq(matrix, 1 / (1 / y + 1e-8), rcond=None)[0]
    found = fit.solve()
    assert (found.scale, found.shift) == pytest.approx(tuple(wanted), rel=1e-9, abs=1e-9)


def test_flat_disparity_has_no_scale() -> None:
    fit = ScaleShiftFit()
    fit.add(np.full(50, 0.3), np.linspace(2, 4, 50))
    found = fit.solve()
    assert found.scale == 0
    assert found.shift == pytest.approx(np.mean(1 / np.linspace(2, 4, 50)))


def test_no_pixels_no_errors() -> None:
    assert math.isnan(depth_errors([], []).abs_rel)
    score = score_sequence([np.ones((4, 4))], [np.full((4, 4), np.nan)])
    assert math.isnan(score.mean.abs_rel)


def test_a_disparity_map_that_is_affine_is_perfect() -> None:
    truth = [true_depth(0), true_depth(9)]
    maps = [(1 / depth + 0.02) * 3 for depth in truth]
    assert score_sequence(maps, truth).mean.abs_rel == pytest.approx(0, abs=1e-6)
    assert score_sequence(maps, truth, alignment='frame').mean.delta1 == 1
    # A shift is beyond what medians can mend.
    assert score_sequence(maps, truth, alignment='median').mean.abs_rel > 0.01
    exact = [1 / depth for depth in truth]
    assert score_sequence(exact, truth, alignment='none').mean.rmse == pytest.approx(0, abs=1e-5)


def test_median_protocol_divides_a_factor_out() -> None:
    truth = [true_depth(0)]
    score = score_sequence([2.5 / truth[0]], truth, alignment='median')
    assert score.mean.abs_rel == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('crop', ['garg', 'eigen'])
def test_crops_on_kitti_s_size(crop: str) -> None:
    valid = Region(crop).valid(np.full((375, 1242), 10.0))
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    wanted = {'garg': (153, 370), 'eigen': (124, 341)}[crop]
    assert (rows[0], rows[-1]) == wanted
    assert (columns[0], columns[-1]) == (44, 1196)


def test_region_refuses_what_is_no_depth() -> None:
    values = np.array([[np.nan, 0, -1, 1e-3, 5, 80, 90, np.inf]])
    assert Region().valid(values).tolist() == [[False] * 4 + [True] + [False] * 3]


def test_row_prior_is_the_row_s_median() -> None:
    prior = PriorFit(2, 3)
    prior.add(np.array([0, 1, 2, 3, 4, 5], np.int32), [10.0, 10.0, 10.0, 2.0, 4.0, 4.0])
    rows = prior.predict('row_prior', np.array([0, 3], np.int32))
    # Two rows have two values, so the fit puts them on the rows' means.
    assert rows == pytest.approx([0.1, 1 / 3], rel=1e-6)
    assert prior.predict('constant', np.array([0], np.int32)) == pytest.approx(
        [(0.3 + 1.0) / 6], rel=1e-6
    )


def test_bands_hold_the_whole_error() -> None:
    noise = np.random.default_rng(1)
    errors = 0.3 + 0.05 * noise.standard_normal(200)
    bands = error_bands('abs_rel', errors)
    assert bands.mean == pytest.approx(errors.mean())
    assert len(bands.edges) == 11
    assert bands.edges[0] == 1
    assert bands.edges[-1] == pytest.approx(101)


@pytest.mark.parametrize('period', [2, 100])
def test_a_sine_is_in_the_band_of_its_frequency(period: int) -> None:
    t = np.arange(200)
    wave = np.cos(2 * np.pi * t / period)
    bands = error_bands('rmse', 1 + 0.1 * wave)
    strongest = int(np.nanargmax(bands.bands))
    low, high = bands.edges[strongest], bands.edges[strongest + 1]
    assert low <= 200 / period < high + 1e-9
    assert bands.bands[strongest] == pytest.approx(0.1 * np.abs(wave).mean())
    assert np.nansum(bands.bands) == pytest.approx(bands.bands[strongest], abs=1e-9)


def test_short_series_leave_bands_empty() -> None:
    assert any(math.isnan(value) for value in error_bands('rmse', [1.0, 2.0, 1.0]).bands)
    assert math.isnan(error_bands('rmse', []).mean)


def test_errors_by_distance() -> None:
    sums = DistanceErrors(80.0)
    sums.add(np.array([4.4, 44.0, 22.0]), np.array([4.0, 40.0, 20.0]))
    known = {item.near_m: item for item in sums.bins() if item.pixels}
    assert set(known) == {0.0, 20.0, 40.0}
    assert all(item.abs_rel == pytest.approx(0.1) for item in known.values())
    assert known[40.0].rmse == pytest.approx(4)


def test_latency_drops_what_a_queue_of_one_drops() -> None:
    stamps = [0, 10, 20, 30, 40, 50, 100, 110]
    found = list(simulate_latency(stamps, 25, lambda stamp: stamp))
    assert [item.frame for item in found] == [0, 20, 40, 50, 100, 110]
    assert [item.dropped for item in found] == [(), (10,), (30,), (), (), ()]


def test_no_latency_drops_nothing() -> None:
    found = list(simulate_latency(range(5), 0, lambda stamp: stamp))
    assert [item.frame for item in found] == [0, 1, 2, 3, 4]


@settings(deadline=None, max_examples=50)
@given(
    gaps=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    latency=st.integers(0, 120),
)
def test_every_frame_is_given_or_dropped_once_in_order(gaps: list[int], latency: int) -> None:
    stamps = np.cumsum(gaps).tolist()
    found = list(simulate_latency(stamps, latency, lambda stamp: stamp))
    frames = [frame for item in found for frame in (*item.dropped, item.frame)]
    assert frames == stamps


def store_of(folder: Path, records: list[FrameRecord]) -> RecordStore:
    store = RecordStore(folder / 'records')
    for item in records:
        store.append(item)
    return store


def test_records_come_back(tmp_path: Path) -> None:
    store = store_of(tmp_path, [record(0), record(1, reset='gap', moving=None)])
    again = RecordStore(tmp_path / 'records')
    assert len(again) == 2
    second = again.read(1)
    assert (second.index, second.reset, second.moving, second.own_metric) == (1, 'gap', None, True)
    assert second.depth_m is not None
    np.testing.assert_array_equal(second.depth_m, true_depth(1))
    assert second.disparity.dtype == np.float32
    store.truncate(1)
    assert len(RecordStore(tmp_path / 'records')) == 1


def test_standing_still_without_flicker() -> None:
    pose = np.eye(4)
    scorer = FlickerScorer(metric_view(80.0))
    for _ in range(4):
        scorer.add(record(0, world_from_camera=pose))
    result = scorer.result()
    assert result is not None
    assert (result.pairs, result.mean_percent) == (3, 0)


def test_flicker_is_what_was_put_in() -> None:
    scorer = FlickerScorer(metric_view(80.0))
    for index in range(6):
        factor = np.float32(1.01 if index % 2 else 1.0)
        scorer.add(record(0, true_depth(0) * factor, world_from_camera=np.eye(4)))
    result = scorer.result()
    assert result is not None
    assert result.median_percent == pytest.approx(100 * math.log(1.01), rel=1e-4)


def test_a_moving_camera_does_not_flicker() -> None:
    scorer = FlickerScorer(metric_view(80.0))
    for index in range(4):
        scorer.add(record(index))
    assert scorer.result() is None


def wall(index: int, **changes: Any) -> FrameRecord:
    """A static wall ahead; the camera comes 0.1 m nearer with each frame."""
    depth = np.full((HEIGHT, WIDTH), 10.0 - 0.1 * index, np.float32)
    pose = from_parts(np.eye(3), np.array([0.0, 0.0, 0.1 * index]))
    return record(index, depth, world_from_camera=pose, own_from_camera=pose, **changes)


def test_exact_motion_before_a_wall_has_no_tae() -> None:
    scorer = AlignmentScorer('tae', metric_view(80.0))
    for index in range(5):
        scorer.add(wall(index))
    result = scorer.result()
    assert result is not None
    assert result.pairs == 4
    assert result.percent == pytest.approx(0, abs=1e-5)


def test_tae_of_a_depth_that_jumps() -> None:
    scorer = AlignmentScorer('tae', metric_view(80.0))
    flat = np.full((HEIGHT, WIDTH), 10.0, np.float32)
    for index in range(4):
        depth = flat * np.float32(1.1 if index % 2 else 1.0)
        scorer.add(record(index, depth, world_from_camera=np.eye(4)))
    result = scorer.result()
    assert result is not None
    assert result.percent == pytest.approx(100 * (0.1 + 0.1 / 1.1) / 2, rel=1e-5)


def test_a_frame_without_pose_breaks_the_chain() -> None:
    scorer = AlignmentScorer('tae', metric_view(80.0))
    for index in range(5):
        missing = {'world_from_camera': None} if index == 2 else {}
        scorer.add(wall(index) if not missing else record(index, **missing))
    result = scorer.result()
    assert result is not None
    assert result.pairs == 2


def test_the_factor_of_own_translations_is_found(tmp_path: Path) -> None:
    records = []
    for index in range(6):
        pose = from_parts(np.eye(3), np.array([0.0, 0.0, 0.1 * index / 7.0]))
        flat = np.full((HEIGHT, WIDTH), 10.0 - 0.1 * index, np.float32)
        own = {'own_from_camera': pose, 'own_metric': False, 'depth_m': None}
        records.append(record(index, flat, **own))
    factor = fitted_factor(store_of(tmp_path, records), relative_view())
    assert factor == pytest.approx(7, rel=0.02)


def sideways(index: int, degrees: float, sky_rows: int = 0) -> FrameRecord:
    """A slanted wall z = 8 + 0.3 x; steps of 0.8 m off the optical axis; own unit: 10 m."""
    angle = math.radians(degrees)
    place = 0.8 * index * np.array([math.sin(angle), 0.0, math.cos(angle)])
    rays = (np.arange(WIDTH) - CAMERA.cx) / CAMERA.fx
    row = (8 + 0.3 * place[0] - place[2]) / (1 - 0.3 * rays)
    disparity = np.tile(1 / row, (HEIGHT, 1)).astype(np.float32)
    disparity[:sky_rows] = 0.0
    own = from_parts(np.eye(3), place / 10.0)
    return record(index, disparity=disparity, own_from_camera=own, own_metric=False, depth_m=None)


@pytest.mark.parametrize('sky_rows', [0, HEIGHT * 2 // 5])
@pytest.mark.parametrize('degrees', [0.0, 40.0, 70.0, 90.0])
def test_throwing_all_pixels_out_of_the_image_is_no_fit(
    tmp_path: Path, degrees: float, sky_rows: int
) -> None:
    """Off the optical axis a huge factor leaves nothing, or only sky, that could disagree."""
    records = [sideways(index, degrees, sky_rows) for index in range(6)]
    factor = fitted_factor(store_of(tmp_path, records), relative_view())
    assert factor == pytest.approx(10, rel=0.1)


def turning(index: int) -> FrameRecord:
    """Every frame looks the other way."""
    own = from_parts(Rotation.from_euler('y', np.pi * index).as_matrix(), np.zeros(3))
    return record(index, own_from_camera=own, own_metric=False, depth_m=None)


def test_no_factor_keeps_the_image_and_that_is_said(tmp_path: Path) -> None:
    records = [turning(index) for index in range(4)]
    records = [replace(item, truth_pixels=None, truth_m=None) for item in records]
    records = [replace(item, world_from_camera=None) for item in records]
    store = store_of(tmp_path, records)
    factor = fitted_factor(store, relative_view())
    assert factor is not None
    assert math.isnan(factor)
    result = score_records(store, (), Region(), EvaluationResult())
    assert result.temporal == ()
    assert any('no factor on own translations keeps half' in note for note in result.notes)


def test_without_own_poses_no_factor_is_sought(tmp_path: Path) -> None:
    records = [record(index, own_from_camera=None) for index in range(3)]
    assert fitted_factor(store_of(tmp_path, records), relative_view()) is None


def test_published_tae_keeps_its_zero_where_nothing_lands() -> None:
    measure = TemporalAlignment(record(0).matrix)
    for index in range(2):
        measure.add(true_depth(0), turning(index).own_from_camera)
    assert measure.pairs == [0.0]


@pytest.mark.parametrize('part', [0.0, 0.3, 0.6, 0.999])
def test_a_record_that_was_cut_off_is_one_line(tmp_path: Path, part: float) -> None:
    store = store_of(tmp_path, [record(0)])
    file = tmp_path / 'records' / '0000000.npz'
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ConfigError, match=r'record .*0000000\.npz is damaged .*; evaluate anew'):
        store.read(0)


def test_honest_deviations_are_calibrated() -> None:
    noise = np.random.default_rng(0)
    scorer = CalibrationScorer(80.0)
    truth = true_depth(0)
    for _ in range(20):
        depth = (truth + 0.2 * noise.standard_normal(truth.shape)).astype(np.float32)
        scorer.add(record(0, depth, depth_std_m=np.full_like(truth, 0.2)))
    result = scorer.result()
    assert result is not None
    assert result.rms_z == pytest.approx(1, abs=0.02)
    assert result.median_abs_z == pytest.approx(0.6745, abs=0.02)
    assert result.mean_gap < 0.01
    assert result.within[6].observed == pytest.approx(0.683, abs=0.01)


def test_too_sure_shows() -> None:
    noise = np.random.default_rng(0)
    scorer = CalibrationScorer(80.0)
    truth = true_depth(0)
    depth = (truth + 0.2 * noise.standard_normal(truth.shape)).astype(np.float32)
    scorer.add(record(0, depth, depth_std_m=np.full_like(truth, 0.05)))
    result = scorer.result()
    assert result is not None
    assert result.rms_z == pytest.approx(4, rel=0.1)
    assert result.within[6].observed < 0.3


def test_nothing_stated_nothing_judged() -> None:
    scorer = CalibrationScorer(80.0)
    scorer.add(record(0))
    assert scorer.result() is None


def test_scale_drift_is_a_slope() -> None:
    scorer = ScaleScorer(metric_view(1000.0))
    for index in range(0, 600, 50):
        factor = np.float32(math.exp(0.10 * index / 600))  # 10 % in 60 s
        scorer.add(record(index, true_depth(index) * factor))
    result = scorer.result()
    assert result is not None
    assert result.drift_percent_per_minute == pytest.approx(10, rel=1e-3)


def about_y(angles: Any) -> Any:
    return Rotation.from_rotvec(np.outer(angles, [0.0, 1.0, 0.0])).as_matrix()


def drive(count: int) -> Any:
    turns = about_y(0.002 * np.arange(count))
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = turns
    steps = turns @ np.array([0.0, 0.0, 1.0])
    poses[1:, :3, 3] = np.cumsum(steps[:-1], axis=0)
    return poses


def test_kitti_errors_of_known_distortions() -> None:
    true = drive(400)
    perfect = segment_errors(true, true)
    assert perfect.translation == pytest.approx(0, abs=1e-12)
    assert perfect.lengths_m == LENGTHS_M[:3]
    longer = true.copy()
    longer[:, :3, 3] *= 1.02
    # A segment's straight line is a little shorter than its path.
    assert segment_errors(longer, true).translation == pytest.approx(0.02, rel=0.05)
    turned = true.copy()
    extra = about_y(0.001 * np.arange(400))
    turned[:, :3, :3] = true[:, :3, :3] @ extra
    wanted = math.degrees(0.001)
    assert segment_errors(turned, true).rotation_deg_per_m == pytest.approx(wanted, rel=0.02)


def test_a_short_path_has_short_segments() -> None:
    true = drive(50)
    assert segment_errors(true, true).lengths_m == (5.0, 10.0, 20.0, 40.0)
    assert math.isnan(segment_errors(true[:3], true[:3]).translation)


def test_trajectory_without_metres_is_scaled_only() -> None:
    scorer = TrajectoryScorer()
    for index in range(20):
        own = true_pose(index)
        own[:3, 3] /= 3
        scorer.add(record(index, own_from_camera=own, own_metric=False))
    result, notes = scorer.result()
    assert notes == ()
    assert result is not None
    (errors,) = result.errors
    assert errors.alignment == 'Sim(3)'
    assert errors.scale == pytest.approx(3)
    assert errors.ate_rmse_m == pytest.approx(0, abs=1e-9)
    assert result.scaled


def test_metres_that_begin_late_make_the_trajectory() -> None:
    scorer = TrajectoryScorer()
    for index in range(20):
        own = true_pose(index)
        own[:3, 3] /= 1 if index >= 5 else 3
        scorer.add(record(index, own_from_camera=own, own_metric=index >= 5))
    result, notes = scorer.result()
    assert result is not None
    assert (result.metric, result.frames) == (True, 15)
    assert result.errors[0].ate_rmse_m == pytest.approx(0, abs=1e-9)
    assert result.stamps_ns[0] == 500_000_000
    assert any('the 5 of 20 frames' in note for note in notes)


def test_self_consistency_takes_one_unit_only() -> None:
    scorer = AlignmentScorer('self_consistency', metric_view(80.0), own=True)
    for index in range(6):
        scorer.add(wall(index) if index >= 2 else wall(index, own_metric=False))
    result = scorer.result()
    assert result is not None
    assert result.pairs == 3


def test_a_straight_line_is_aligned_by_its_first_pose() -> None:
    scorer = TrajectoryScorer()
    for index in range(20):
        pose = from_parts(np.eye(3), np.array([0.0, 0.0, 0.5 * index]))
        scorer.add(record(index, world_from_camera=pose, own_from_camera=pose))
    result, notes = scorer.result()
    assert result is not None
    assert all('first pose' in item.alignment for item in result.errors)
    assert all(item.ate_rmse_m == pytest.approx(0, abs=1e-9) for item in result.errors)
    assert len(notes) == 2


def test_an_estimate_that_never_moves() -> None:
    scorer = TrajectoryScorer()
    for index in range(20):
        scorer.add(record(index, own_from_camera=np.eye(4), own_metric=False))
    result, notes = scorer.result()
    assert result is not None
    assert any('never moves' in note for note in notes)
    assert math.isfinite(result.errors[0].ate_rmse_m)


def test_aligned_depth_is_cut_to_the_range() -> None:
    fit = ScaleShift(1.0, -0.5)
    assert fit.depth([0.4, 1.5], 80.0).tolist() == [80.0, 1.0]

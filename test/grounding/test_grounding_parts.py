"""The filter, the fusion, planes, grids, configuration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gemdepth_ros.errors import ConfigError, ImageError
from gemdepth_ros.geometry.plane import fit_space_plane
from gemdepth_ros.geometry.robust_fit import robust_linear_fit
from gemdepth_ros.grounding import (
    CameraMounting,
    CoarseDisparity,
    GroundingConfig,
    GroundingEstimator,
    GroundingInput,
    LidarScan,
)
from gemdepth_ros.grounding.config import FilterConfig, LidarConfig, ManualConfig
from gemdepth_ros.grounding.fusion import Opinion, fuse
from gemdepth_ros.grounding.inputs import down_of, tilt_of
from gemdepth_ros.grounding.lidar import _coordinates
from gemdepth_ros.grounding.track import GaussianTrack, Measurement
from gemdepth_ros.interfaces import PinholeIntrinsics

CAMERA = PinholeIntrinsics(64, 48, 50.0, 50.0, 31.5, 23.5)


def measured(mean: list[float], std: float) -> Measurement:
    return Measurement.of_covariance(np.array(mean), np.eye(len(mean)) * std**2)


def test_track_averages_and_drifts() -> None:
    track = GaussianTrack(FilterConfig(correlation_s=0.0), np.array([1e3, 1e3]))
    for index in range(100):
        assert track.update(measured([1.0, 2.0], 0.1), index)
    np.testing.assert_allclose(np.sqrt(np.diag(track.covariance)), 0.01, rtol=1e-3)
    track.drift(np.diag([0.03**2, 0.0]))
    np.testing.assert_allclose(np.sqrt(np.diag(track.covariance)), [math.hypot(0.01, 0.03), 0.01])


def test_repeated_errors_count_once_per_correlation_time() -> None:
    track = GaussianTrack(FilterConfig(correlation_s=0.5), np.array([1e3]))
    for index in range(101):  # ten seconds at 10 Hz: 1 + 20 independent ones
        track.update(measured([1.0], 0.1), index * 100_000_000)
    assert math.sqrt(track.covariance[0, 0]) == pytest.approx(0.1 / math.sqrt(21), rel=1e-3)


def test_systematic_errors_never_average_out() -> None:
    track = GaussianTrack(FilterConfig(correlation_s=0.0), np.array([1e3]))
    for index in range(1000):
        one = Measurement(np.ones(1), np.array([[100.0]]), np.array([[0.04]]), np.array([0.5]))
        track.update(one, index)
    assert track.covariance[0, 0] == pytest.approx(0.04, rel=0.01)
    assert track.value[0] == pytest.approx(1.5)


def test_outlier_is_left_out_and_a_lasting_change_starts_anew() -> None:
    track = GaussianTrack(FilterConfig(correlation_s=0.0, restart_after_s=1.0), np.array([1e3]))
    for index in range(10):
        track.update(measured([1.0], 0.1), index * 100_000_000)
    outcomes = [track.update(measured([5.0], 0.1), 10**9 + i * 200_000_000) for i in range(6)]
    assert outcomes == [False] * 5 + [True]
    assert track.mean[0] == pytest.approx(5.0, rel=1e-6)


def test_measurement_of_one_direction_only() -> None:
    track = GaussianTrack(FilterConfig(correlation_s=0.0), np.array([1e3, 1e3]))
    for row, value in (([1.0, -1.0], 1.0), ([1.0, 1.0], 3.0)):
        line = np.outer(row, row) * 1e4
        at = np.array(row) * value / 2
        assert track.update(Measurement(at, line, np.zeros((2, 2))), 0)
    np.testing.assert_allclose(track.mean, [2.0, 1.0], atol=1e-6)


def affine(name: str, u: float, v: float, std: float) -> Opinion:
    return Opinion(name, 'affine', np.array([u, v]), np.diag([std**2, (0.1 * std) ** 2]))


def test_fusion_of_tracks_and_odometry() -> None:
    log_factor = math.log(3.0)
    opinions = [
        Opinion('parallax', 'session_affine', np.array([0.6, 0.06]), np.eye(2) * 1e-8),
        Opinion('odometry', 'log_factor', np.array([log_factor]), np.array([[1e-4]])),
    ]
    estimate = fuse(opinions, 1.0)
    assert estimate is not None
    np.testing.assert_allclose(estimate.x, [0.2, 0.02, log_factor], rtol=1e-4)
    # One percent of the factor is one percent of depth.
    assert estimate.depth_std_at_20m == pytest.approx(0.01, rel=0.02)


def test_two_that_contradict_each_other_are_both_covered() -> None:
    estimate = fuse([affine('lidar', 0.2, 0.0, 0.001), affine('plane', 0.25, 0.0, 0.002)], 1.0)
    assert estimate is not None
    assert 'contradict' in estimate.message
    assert math.sqrt(estimate.covariance[0, 0]) >= 0.045


def test_one_of_three_that_contradicts_is_left_out() -> None:
    opinions = [
        affine('lidar', 0.2, 0.0, 0.001),
        affine('manual', 0.2005, 0.0, 0.001),
        affine('plane', 0.25, 0.0, 0.002),
    ]
    estimate = fuse(opinions, 1.0)
    assert estimate is not None
    assert estimate.sources == ('lidar', 'manual')
    assert 'plane contradicts the others' in estimate.message
    assert estimate.x[0] == pytest.approx(0.20025, abs=1e-5)


def test_robust_fit_survives_a_third_of_outliers() -> None:
    random = np.random.default_rng(0)
    x = random.uniform(0, 1, 600)
    y = 3 * x + 1 + random.normal(size=600) * 0.01
    y[:200] = random.uniform(0, 10, 200)
    fit = robust_linear_fit(np.stack([x, np.ones(600)], axis=1), y)
    assert fit is not None
    np.testing.assert_allclose(fit.x, [3, 1], atol=0.01)
    assert fit.inlier_share == pytest.approx(0.67, abs=0.03)


def test_robust_fit_states_correlated_errors() -> None:
    """Errors that are the same within a cluster count once."""
    random = np.random.default_rng(1)
    clusters = np.repeat(np.arange(40), 50)
    x = random.uniform(0, 1, 2000)
    z = []
    for _ in range(200):
        y = 3 * x + 1 + random.normal(size=40)[clusters] * 0.1 + random.normal(size=2000) * 0.01
        fit = robust_linear_fit(np.stack([x, np.ones(2000)], axis=1), y, clusters=clusters)
        assert fit is not None
        z.append((fit.x[1] - 1) / math.sqrt(fit.covariance[1, 1]))
    assert np.std(z) == pytest.approx(1.0, abs=0.15)


def test_robust_fit_of_undetermined_rows_is_none() -> None:
    assert robust_linear_fit(np.ones((50, 2)), np.ones(50)) is None
    assert robust_linear_fit(np.ones((3, 2)), np.ones(3)) is None


def test_plane_in_space() -> None:
    random = np.random.default_rng(2)
    normal = down_of(0.05, -0.03)
    rays = np.stack([*random.uniform([[-0.5], [0.1]], [[0.5], [0.5]], (2, 800)), np.ones(800)], 1)
    points = rays * (1.5 / (rays @ normal))[:, None] * random.normal(1, 0.005, (800, 1))
    points[:160] = rays[:160] * random.uniform(2, 20, (160, 1))
    plane = fit_space_plane(points)
    assert plane is not None
    assert plane.distance == pytest.approx(1.5, rel=0.01)
    assert math.degrees(math.acos(min(plane.normal @ normal, 1.0))) < 0.3


@pytest.mark.parametrize(('pitch', 'roll'), [(0.0, 0.0), (0.1, 0.0), (-0.2, 0.3)])
def test_tilt_there_and_back(pitch: float, roll: float) -> None:
    assert tilt_of(down_of(pitch, roll)) == pytest.approx((pitch, roll))


def test_mounting_of_a_static_transform() -> None:
    """Camera 1.2 m above the base's origin, which is 0.3 m up, looking 10 degrees down."""
    angle = math.radians(10)
    base_from_camera = np.eye(4)
    base_from_camera[:3, :3] = np.array(
        [
            [0.0, -math.sin(angle), math.cos(angle)],
            [-1.0, 0.0, 0.0],
            [0.0, -math.cos(angle), -math.sin(angle)],
        ]
    )
    base_from_camera[2, 3] = 1.2
    mounting = CameraMounting.of_transform(base_from_camera, 0.3)
    assert mounting.height_m == pytest.approx(1.5)
    assert math.degrees(mounting.pitch_rad) == pytest.approx(10.0)
    assert mounting.roll_rad == pytest.approx(0.0, abs=1e-12)


def test_grids_lie_where_resizing_puts_them() -> None:
    values = np.zeros((12, 16), np.float32)
    resized = CoarseDisparity.resized(values, CAMERA)
    assert (resized.step_x, resized.offset_x) == (4.0, 1.5)
    aligned = CoarseDisparity.corners_aligned(values, CAMERA, of=(24, 32), step=2)
    assert aligned.offset_x == 0.0
    assert aligned.step_x == pytest.approx(63 / 31 * 2)
    with pytest.raises(ImageError, match=r'\[h, w\] with h, w >= 4'):
        CoarseDisparity.decimated(np.zeros((3, 3), np.float32), 1)


def test_manual_on_the_word_and_with_a_standard_deviation() -> None:
    frame = GroundingInput(1, CoarseDisparity.resized(np.ones((12, 16), np.float32), CAMERA), None)
    word = GroundingEstimator(GroundingConfig(manual=ManualConfig(True, 5.0, 0.1, 2.0)))
    state = word.update(frame)
    assert state.metric
    assert (state.scale, state.shift, state.translation_factor) == (5.0, 0.1, 2.0)
    assert math.isnan(state.depth_std_at_20m)
    stated = GroundingEstimator(
        GroundingConfig(manual=ManualConfig(True, 5.0, 0.1, 2.0, scale_std_relative=0.05))
    )
    state = stated.update(frame)
    assert state.metric
    assert state.depth_std_at_20m == pytest.approx(0.05, rel=0.01)
    assert state.scale == pytest.approx(5.0)
    assert state.scale_std == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize(
    ('make', 'says'),
    [
        (lambda: ManualConfig(True), 'finite scale > 0'),
        (lambda: ManualConfig(True, 1.0, math.nan), 'finite shift'),
        (lambda: LidarConfig(rotation_std_deg=0.0), 'rotation_std_deg must be > 0, got 0.0'),
        (lambda: GroundingConfig(max_coast_s=-1.0), 'max_coast_s must be > 0'),
        (
            lambda: GroundingConfig(manual=ManualConfig(True, 1.0), lidar=LidarConfig(True)),
            'cannot be fused with lidar',
        ),
    ],
)
def test_config_is_checked(make: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make()  # type: ignore[operator]


@pytest.mark.parametrize('structured', [False, True])
@pytest.mark.parametrize('unknown', [0.0, 0.7])
def test_a_large_cloud_is_thinned_fairly_and_first(structured: bool, unknown: float) -> None:
    """64 rings, ring by ring for each direction: no ring may be left out, holes do not count."""
    rings, directions = 64, 1875
    points = np.zeros((directions, rings, 4), np.float32)
    points[..., 0] = np.arange(rings) + 1
    random = np.random.default_rng(0)
    points[random.random((directions, rings)) < unknown] = np.nan
    flat = points.reshape(-1, 4)
    given: np.ndarray = flat
    if structured:
        given = np.zeros(len(flat), [(name, 'f4') for name in 'xyzi'])
        for index, name in enumerate('xyzi'):
            given[name] = flat[:, index]
    kept = _coordinates(LidarScan(given, np.eye(4), 1), 8000)
    assert not isinstance(kept, str)
    assert 4000 < len(kept) <= 8000 * 1.1
    assert np.isfinite(kept).all()
    counts = np.bincount(kept[:, 0].astype(int), minlength=rings + 1)[1:]
    assert counts.min() > 0.5 * counts.mean()


def test_a_systematic_error_is_stated_as_long_as_it_is_there() -> None:
    """A scale that is 4 % wrong, then exact points that all lie at one depth."""
    truth = np.array([1 / 30.0, 0.0])
    wrong = truth * [1.04, 1.0]
    known = np.diag([(0.04 * truth[0]) ** 2, 0.0])
    noise = np.diag([(0.005 * truth[0]) ** 2, 0.0005**2])
    track = GaussianTrack(FilterConfig(correlation_s=0.0), np.array([1.0, 1.0]))
    for index in range(20):
        track.update(Measurement.of_covariance(wrong, noise, known), index)
    row = np.array([0.2 / truth[0], -1.0])  # all that points at 5 m say: a line, not a point
    flat = Measurement(truth, np.outer(row, row) / 0.01**2, np.zeros((2, 2)))
    at_20_m = np.array([0.05 / truth[0], -1.0])
    for index in range(20, 60):
        assert track.update(flat, index)
        owed = abs(at_20_m @ (track.mean - truth))
        stated = np.sqrt(at_20_m @ track.systematic @ at_20_m)
        assert stated == pytest.approx(owed, rel=0.01)
    assert owed / 0.05 > 0.01


def test_equal_systematic_errors_stay_what_they_are() -> None:
    systematic = np.array([[4.0, 1.0], [1.0, 2.0]]) * 1e-4
    track = GaussianTrack(FilterConfig(correlation_s=0.0), np.array([1e3, 1e3]))
    for index in range(10):
        noise = np.diag([1e-4, 4e-4]) * (1 + index % 3)
        track.update(Measurement.of_covariance(np.zeros(2), noise, systematic), index)
    np.testing.assert_allclose(track.systematic, systematic, rtol=1e-4)

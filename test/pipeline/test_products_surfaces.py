"""Flying pixels and normals on scenes whose surfaces are known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from product_scenes import CAMERA, Wall, scene, slopes

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import GroundingState, PinholeIntrinsics
from gemdepth_ros.pipeline import ProductsConfig
from gemdepth_ros.pipeline.host_depth import filtered_metric_depth
from gemdepth_ros.pipeline.products import inverse_depth, metric_depth
from gemdepth_ros.pipeline.products_config import EdgeFilter
from gemdepth_ros.pipeline.surfaces import flying_pixels, normal_image, normals
from gemdepth_ros.synthetic import SyntheticDrive

FULL = PinholeIntrinsics(1242, 375, 721.5, 721.5, 609.6, 172.9)
POST = Wall(10.0, -1.0, 1.0, 0.0, 3.0)


def smeared(walls: tuple[Wall, ...], camera: PinholeIntrinsics) -> tuple[np.ndarray, np.ndarray]:
    """Inverse depth as a network blurs it, and which pixels are far from both surfaces."""
    sharp = 1 / scene(*walls, camera=camera)
    blurred = cv2.GaussianBlur(sharp, (5, 5), 0)
    nearest, farthest = cv2.dilate(sharp, np.ones((5, 5))), cv2.erode(sharp, np.ones((5, 5)))
    between = (blurred > 1.15 * farthest) & (blurred < nearest / 1.15)
    return blurred, between


@pytest.mark.parametrize('depth', [4.0, 10.0, 30.0])
def test_pixels_between_two_surfaces_are_found(depth: float) -> None:
    wall = Wall(depth, -1.0, 1.0, 0.0, 3.0)
    inverse, between = smeared((wall, Wall(70, -80, 80, 0, 20)), FULL)
    found = flying_pixels(torch.from_numpy(inverse), FULL, EdgeFilter()).numpy()
    assert between.sum() > 100
    assert found[between].mean() > 0.95


def test_surfaces_are_kept() -> None:
    """The road up to 80 m (nearly edge-on there), a road-side wall, and walls ahead."""
    road = 1 / scene(camera=FULL)
    assert flying_pixels(torch.from_numpy(road), FULL, EdgeFilter())[190:].sum() == 0
    x, _ = slopes(FULL)
    aside = torch.from_numpy(np.maximum(x, 0) / 2.5).float()  # 2.5 m to the right
    assert flying_pixels(aside, FULL, EdgeFilter()).sum() == 0
    inverse, _ = smeared((POST,), FULL)
    found = flying_pixels(torch.from_numpy(inverse), FULL, EdgeFilter()).numpy()
    assert not found[160:180, 570:650].any()  # inside the post
    assert found.mean() < 0.01


@pytest.mark.parametrize(('blur_px', 'found_at_least'), [(1.0, 0.98), (2.0, 0.85)])
def test_in_a_street_nearly_all_flying_pixels_go_and_nearly_nothing_else(
    blur_px: float, found_at_least: float
) -> None:
    """Exact depth of a street, blurred as a network blurs it; the truth says what flies."""
    frame = SyntheticDrive(12, 375, 1242, seed=1).render(11)
    sharp = (1 / frame.depth_m).astype(np.float32)
    blurred = cv2.GaussianBlur(sharp, (0, 0), blur_px)
    around = np.ones((9, 9))
    nearest, farthest = cv2.dilate(sharp, around), cv2.erode(sharp, around)
    error = np.abs(sharp / np.maximum(blurred, 1e-6) - 1)
    flying = (blurred * 1.1 < nearest) & (blurred > farthest * 1.1) & (error > 0.1)
    flying &= blurred > 1 / 40
    good = (error < 0.03) & (blurred > 1 / 60)
    found = flying_pixels(torch.from_numpy(blurred), frame.camera, EdgeFilter()).numpy()
    assert flying.sum() > 1000
    assert found[flying].mean() > found_at_least
    assert found[good].mean() < 0.004


def test_the_edge_between_things_and_sky_is_an_edge() -> None:
    inverse = torch.zeros(20, 40)
    inverse[:, 20:] = 1 / 30
    inverse[:, 19] = 1 / 60
    inverse[:, :10] = -0.01  # behind infinity is sky, too
    found = flying_pixels(inverse, FULL, EdgeFilter())
    assert found[:, 18:21].all()
    assert not found[:, :18].any()
    assert not found[:, 22:].any()


def test_unknown_pixels_are_no_edge() -> None:
    inverse = torch.full((9, 9), 0.1)
    inverse[4, 4] = math.nan
    assert not flying_pixels(inverse, FULL, EdgeFilter()).any()


@pytest.mark.parametrize('window', [3, 5])
@pytest.mark.parametrize('unknown', [(), (math.nan,), (math.nan, math.inf, -math.inf)])
def test_the_hosts_own_way_finds_the_same_edges(window: int, unknown: tuple[float, ...]) -> None:
    """Float32 on the host goes through OpenCV, anything else through torch."""
    random = np.random.default_rng(window)
    inverse = random.normal(0.05, 0.05, (40, 60)).astype(np.float32)
    inverse[random.random(inverse.shape) < 0.95] = 0.05
    for value in unknown:
        inverse[random.random(inverse.shape) < 0.02] = value
    values, config = torch.from_numpy(inverse), EdgeFilter(window=window)
    found = flying_pixels(values, FULL, config)
    assert torch.equal(found, flying_pixels(values.double(), FULL, config))
    assert 0.05 < found.float().mean() < 0.99


@pytest.mark.parametrize('height', [1, 47, 48, 49, 200])
@pytest.mark.parametrize('window', [3, 7])
def test_strips_on_the_host_are_the_whole(height: int, window: int) -> None:
    random = np.random.default_rng(height)
    low = random.uniform(-60, 90, (height // 40 + 2, 4)).astype(np.float32)
    disparity = np.asarray(cv2.resize(low, (128, height), interpolation=cv2.INTER_LINEAR))
    disparity[random.random(disparity.shape) < 0.003] = 2000.0  # nearer than min_depth_m
    state = GroundingState(metric=True, scale=100.0, shift=1.0)
    config = ProductsConfig(edges=EdgeFilter(window=window), max_depth_m=30.0)
    found = filtered_metric_depth(disparity, state, FULL, config)
    whole = torch.from_numpy(disparity)
    edges = flying_pixels(inverse_depth(whole, state), FULL, config.edges)
    expected = metric_depth(whole, state, config).masked_fill(edges, torch.nan).numpy()
    np.testing.assert_array_equal(found, expected)
    if height > 1:
        assert np.isnan(found).any()
        assert np.isfinite(found).any()
        assert np.isinf(found).any()


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
    ('times', 'scale', 'shift'),
    [
        (1.0, 1.0, 0.0),
        (1e-40, 1.0, 0.0),  # 1 / disparity is beyond float32
        (1e-40, 1e-40, 0.0),
        (1e38, 1e-3, 0.0),  # inverse depth is beyond float32
        (1.0, 1e-60, 0.0),  # the scale itself is
        (1.0, 1.0, 1e300),  # everything is behind infinity
        (1.0, 1.0, -1e300),  # everything is too near
    ],
)
@pytest.mark.parametrize('unknown', [0.0, 0.02, 1.0])
def test_no_number_is_too_large_or_too_small_for_the_host(
    times: float, scale: float, shift: float, unknown: float
) -> None:
    """Silently: what float32 cannot hold is infinitely far, or nearer than any limit."""
    random = np.random.default_rng(5)
    low = random.uniform(-0.05, 0.3, (10, 12)).astype(np.float32)
    disparity = np.asarray(cv2.resize(low, (128, 100)) * np.float32(times))
    disparity[40:60, 40:60] = 0.0
    disparity[random.random(disparity.shape) < unknown] = np.nan
    state, config = GroundingState(metric=True, scale=scale, shift=shift), ProductsConfig()
    found = filtered_metric_depth(disparity, state, FULL, config)
    whole = torch.from_numpy(disparity)
    edges = flying_pixels(inverse_depth(whole, state), FULL, config.edges)
    expected = metric_depth(whole, state, config).masked_fill(edges, torch.nan).numpy()
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found[np.isnan(disparity)]).all()


@pytest.mark.filterwarnings('error')
def test_too_far_is_infinite_and_too_near_is_unknown() -> None:
    disparity = np.zeros((40, 60), np.float32)
    disparity[:, 20:40] = 1e-42  # a denormal: its reciprocal is no float32
    disparity[:, 40:] = 3e38
    state = GroundingState(metric=True, scale=0.5, shift=0.0)
    found = filtered_metric_depth(disparity, state, FULL, ProductsConfig())
    assert np.isposinf(found[:, :36]).all()
    assert np.isnan(found[:, 40:]).all()


def test_noise_is_no_edge() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (60, 80))
    inverse = torch.from_numpy(0.1 * (1 + noise)).float()
    assert flying_pixels(inverse, FULL, EdgeFilter()).float().mean() < 0.02


def test_a_wider_window_reaches_further() -> None:
    inverse = torch.full((9, 21), 0.02)
    inverse[:, 10:] = 0.3
    counts = [
        int(flying_pixels(inverse, FULL, EdgeFilter(window=window))[4].sum())
        for window in (3, 5, 7)
    ]
    assert counts == [2, 4, 6]


def plane(normal: list[float], distance: float) -> torch.Tensor:
    """Inverse depth of the plane normal . p = distance."""
    x, y = slopes()
    return torch.from_numpy((normal[0] * x + normal[1] * y + normal[2]) / distance).float()


@pytest.mark.parametrize(
    ('normal', 'distance'),
    [([0, 1, 0], 1.65), ([0, 0, 1], 12.0), ([1, 0, 0], 3.0), ([-0.6, 0, 0.8], 4.0)],
)
def test_normals_of_planes_are_exact_and_point_to_the_camera(
    normal: list[float], distance: float
) -> None:
    inverse = plane(normal, distance)
    found = normals(inverse, CAMERA)
    assert (found.shape, found.dtype) == ((94, 310, 3), torch.float32)
    seen = torch.isfinite(found).all(dim=-1)
    assert seen.float().mean() > 0.35
    np.testing.assert_allclose(found[seen], np.tile([-n for n in normal], (int(seen.sum()), 1)),
                               atol=2e-3)  # fmt: skip
    # Unknown are at most those beyond infinity and their neighbours.
    assert not (seen & (inverse <= 0)).any()


def test_normals_end_at_edges() -> None:
    depth = scene(POST)
    inverse = torch.from_numpy(1 / depth)
    found = normals(inverse, CAMERA, EdgeFilter(), step=1)
    seen = torch.isfinite(found).all(dim=-1)
    wall, road = torch.from_numpy(depth == 10.0), torch.from_numpy(np.isfinite(depth))
    road &= ~wall
    assert (seen & wall).sum() > 0.7 * wall.sum()
    # Where the wall stands on the road depth does not jump: a bend, blurred over a step.
    tilt = (found[seen & wall] - torch.tensor([0, 0, -1.0])).norm(dim=-1)
    assert (tilt > 1e-4).float().mean() < 0.05
    error = (found[seen & road] - torch.tensor([0, -1.0, 0])).norm(dim=-1)
    assert (error > 0.05).float().mean() < 0.02
    assert not torch.isfinite(found[:20]).any(dim=-1)[:, :100].any()  # sky has no surface


def test_a_map_smaller_than_the_step_has_no_numbers_that_matter() -> None:
    assert normals(torch.ones(1, 1), CAMERA).shape == (1, 1, 3)


def test_the_normal_image_has_the_documented_colours() -> None:
    known = torch.tensor([[[0, -1.0, 0], [0, 0, -1.0], [-1.0, 0, 0], [1.0, 0, 0], [math.nan] * 3]])
    image = normal_image(known)
    assert (image.shape, image.dtype) == ((1, 5, 3), torch.uint8)
    up, ahead, left, right, unknown = image[0].tolist()
    assert up == [128, 255, 128]
    assert ahead == [128, 128, 255]
    assert left == [0, 128, 128]
    assert right == [255, 128, 128]
    assert unknown == [0, 0, 0]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'jump': 0.0}, '0 < jump < 1, got jump = 0.0'),
        ({'jump': 1.0}, '0 < jump < 1'),
        ({'plane_distance_m': 0.0}, 'plane_distance_m > 0'),
        ({'plane_distance_m': math.nan}, 'plane_distance_m > 0'),
        ({'window': 4}, 'odd window >= 3, got window = 4'),
        ({'window': 1}, 'odd window'),
    ],
)
def test_impossible_filters_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EdgeFilter(**arguments)  # type: ignore[arg-type]

"""Distorted cameras: there and back, against formulas written out, and beyond their field."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry.camera_models import DistortedCamera, camera_model
from gemdepth_ros.interfaces import Float64Array

K = np.array([[520.0, 0, 330.0], [0, 515.0, 236.0], [0, 0, 1]])
DISTORTIONS = {
    'plumb_bob': [-0.28, 0.09, 0.0008, -0.0006, -0.012],
    'rational_polynomial': [0.45, -0.12, 0.0003, -0.0002, 0.004, 0.71, -0.03, 0.002],
    'equidistant': [0.03, -0.008, 0.002, -0.0004],
}
MODELS = [pytest.param(name, id=name) for name in DISTORTIONS]


def camera(model: str) -> DistortedCamera:
    return camera_model(640, 480, model, K, np.array(DISTORTIONS[model]))


def by_hand(model: str, point: Float64Array) -> Float64Array:
    """Pixel of one point, from the formulas in the documents of the models."""
    x, y = point[:2] / point[2]
    d = DISTORTIONS[model]
    r2 = x * x + y * y
    if model == 'equidistant':
        r = math.sqrt(r2)
        angle = math.atan(r)
        bent = angle * (1 + sum(k * angle ** (2 * i) for i, k in enumerate(d, start=1)))
        scale = bent / r if r else 1.0
        return np.array([K[0, 0] * scale * x + K[0, 2], K[1, 1] * scale * y + K[1, 2]])
    k1, k2, p1, p2, k3, k4, k5, k6 = (*d, 0.0, 0.0, 0.0)[:8]
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.array([K[0, 0] * u + K[0, 2], K[1, 1] * v + K[1, 2]])


@pytest.mark.parametrize('model', MODELS)
def test_points_go_where_the_formulas_say(model: str) -> None:
    points = np.random.default_rng(0).uniform((-2, -1.5, 4), (2, 1.5, 20), (40, 3))
    expected = [by_hand(model, point) for point in points]
    np.testing.assert_allclose(camera(model).project(points), expected, atol=1e-6)


@pytest.mark.parametrize('model', MODELS)
@settings(max_examples=30)
@given(u=st.floats(-0.5, 639.5), v=st.floats(-0.5, 479.5))
def test_the_ray_of_a_pixel_meets_it(model: str, u: float, v: float) -> None:
    made = camera(model)
    ray = made.unproject(np.array([u, v]))
    assert ray[2] == 1
    np.testing.assert_allclose(made.project(7.0 * ray), [u, v], atol=1e-3)


@pytest.mark.parametrize('model', MODELS)
def test_shapes_and_emptiness(model: str) -> None:
    made = camera(model)
    grid = np.stack(np.meshgrid(np.arange(0, 640, 80.0), np.arange(0, 480, 80.0)), axis=-1)
    assert made.unproject(grid).shape == (6, 8, 3)
    assert made.project(made.unproject(grid)).shape == (6, 8, 2)
    assert made.project(np.zeros((0, 3))).shape == (0, 2)
    assert made.unproject(np.zeros((0, 2))).shape == (0, 3)


@pytest.mark.parametrize('model', MODELS)
def test_points_behind_the_camera_and_no_numbers_have_no_pixel(model: str) -> None:
    points = np.array([[0.1, 0.1, -1.0], [0, 0, 0], [np.nan, 0, 1], [0, 0, 1.0]])
    pixels = camera(model).project(points)
    assert np.isnan(pixels[:3]).all()
    np.testing.assert_allclose(pixels[3], [330.0, 236.0])


def test_a_point_far_outside_the_view_is_not_folded_into_the_image() -> None:
    """58 degrees off the axis KITTI's polynomial has turned back: OpenCV says 'in the image'."""
    d = np.array([-0.3691481, 0.1968681, 0.001353473, 0.0005677587, -0.06770705])
    made = camera_model(640, 480, 'plumb_bob', K, d)
    point = np.array([1.62, 0.0, 1.0])
    zero = np.zeros(3)
    naive = cv2.projectPoints(point[None], zero, zero, K, d)[0].reshape(2)
    assert 0 <= naive[0] < 640
    assert 0 <= naive[1] < 480
    assert np.isnan(made.project(point)).all()
    assert 0.8 < made.largest_slope < 1.62


def test_pixels_that_no_ray_reaches_are_nan() -> None:
    made = camera('plumb_bob')
    assert np.isnan(made.unproject(np.array([5000.0, 240.0]))).all()


def test_a_pole_of_the_rational_model_ends_its_field() -> None:
    made = camera_model(640, 480, 'rational_polynomial', K, np.array([0, 0, 0, 0, 0, -0.5, 0, 0]))
    assert made.largest_slope == pytest.approx(math.sqrt(2), rel=0.02)


def test_without_distortion_any_model_name_is_a_pinhole() -> None:
    made = camera_model(640, 480, '', K, np.array([]))
    point = np.array([0.3, -0.2, 1.5])
    np.testing.assert_allclose(made.project(point), (K @ point)[:2] / 1.5)
    assert made.pinhole.cx == 330.0


@pytest.mark.parametrize('model', MODELS)
def test_maps_lead_from_the_rectified_to_the_raw_image(model: str) -> None:
    made = camera(model)
    p = np.array([[400.0, 0, 100.0], [0, 410.0, 80.0], [0, 0, 1]])
    turn = cv2.Rodrigues(np.array([0.01, -0.02, 0.005]))[0]
    whole, _ = made.rectification_maps(turn, p, 200, 160)
    assert whole.shape == (160, 200, 2)
    rays = np.linalg.inv(p @ turn) @ np.array([50.0, 120.0, 1.0])
    np.testing.assert_allclose(whole[120, 50], made.project(rays), atol=1.0)


@pytest.mark.parametrize(
    ('model', 'd', 'message'),
    [
        ('fancy', [0.1], "'fancy' is not supported; known: plumb_bob"),
        ('plumb_bob', [0.1], 'needs 4 or 5 finite coefficients, got'),
        ('equidistant', [0.1, 0.0, 0.0, np.nan], 'needs 4 finite'),
    ],
)
def test_impossible_distortion_is_refused(model: str, d: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        camera_model(640, 480, model, K, np.array(d))


@pytest.mark.parametrize('bad', [np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_impossible_intrinsics_are_refused(bad: Float64Array) -> None:
    with pytest.raises(ConfigError):
        camera_model(640, 480, 'plumb_bob', bad, np.zeros(5))

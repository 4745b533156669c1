"""Intrinsics of cropped, binned and resized images: shown on pixels, not on formulas."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry.calibration import Calibration
from gemdepth_ros.geometry.intrinsics import binned, cropped, from_matrix, matrix_of
from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics

CAMERA = PinholeIntrinsics(240, 120, 150.0, 140.0, 121.3, 57.9)


def slopes(camera: PinholeIntrinsics) -> Float64Array:
    """x and y of the ray (x, y, 1) of each pixel centre, [H, W, 2]."""
    v, u = np.mgrid[: camera.height, : camera.width].astype(float)
    return np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy], axis=-1)


def test_a_cropped_image_keeps_its_rays() -> None:
    part = cropped(CAMERA, 30, 20, 100, 50)
    assert (part.width, part.height) == (100, 50)
    np.testing.assert_allclose(slopes(part), slopes(CAMERA)[20:70, 30:130], atol=1e-12)


def test_a_binned_image_has_the_mean_rays_of_its_pixels() -> None:
    """2 x 3 pixels become one: its centre is the middle of theirs (the half-pixel rule)."""
    small = binned(CAMERA, 2, 3)
    blocks = slopes(CAMERA).reshape(40, 3, 120, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(slopes(small), blocks, atol=1e-12)


@pytest.mark.parametrize('size', [(120, 60), (480, 240), (100, 90)])
def test_a_resized_image_has_the_rays_that_resizing_gives(size: tuple[int, int]) -> None:
    """OpenCV resizes a linear ramp of rays; away from the border they are the new pixels'."""
    found = cv2.resize(slopes(CAMERA), size, interpolation=cv2.INTER_LINEAR)
    expected = slopes(CAMERA.resized(*size))
    inner = (slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(found[inner], expected[inner], atol=2e-5)


def test_binning_is_resizing_where_nothing_is_left_over() -> None:
    ours, theirs = binned(CAMERA, 2, 2), CAMERA.resized(120, 60)
    np.testing.assert_allclose(matrix_of(ours), matrix_of(theirs))
    assert (ours.width, ours.height) == (120, 60)


def test_what_does_not_fill_a_binned_pixel_is_lost() -> None:
    assert binned(CAMERA, 7, 7).width == 34


@pytest.mark.parametrize('region', [(-1, 0, 5, 5), (0, 0, 241, 5), (0, 100, 5, 21), (0, 0, 0, 5)])
def test_regions_outside_the_image_are_refused(region: tuple[int, int, int, int]) -> None:
    with pytest.raises(ConfigError, match='region of interest'):
        cropped(CAMERA, *region)


def test_a_matrix_and_back() -> None:
    assert from_matrix(240, 120, matrix_of(CAMERA)) == CAMERA
    with pytest.raises(ConfigError, match='skew'):
        from_matrix(10, 10, np.array([[10.0, 3, 5], [0, 10, 5], [0, 0, 1]]))


def test_a_delivered_calibration_sees_the_same_rays() -> None:
    """Region, then binning: a raw pixel of the small image is the middle of its full pixels."""
    k = matrix_of(CAMERA)
    d = np.array([-0.2, 0.05, 0.001, 0.0, 0.0])
    full = Calibration(240, 120, 'plumb_bob', k, d, np.eye(3), None)
    part = Calibration(240, 120, 'plumb_bob', k, d, np.eye(3), k, (40, 20, 96, 60), (4, 2))
    sent = part.delivered()
    assert (sent.width, sent.height) == part.delivered_size == (24, 30)
    pixel = np.array([7.0, 11.0])
    middle = np.array([40 + 4 * 7 + 1.5, 20 + 2 * 11 + 0.5])
    np.testing.assert_allclose(
        sent.raw_camera().unproject(pixel), full.raw_camera().unproject(middle), atol=1e-9
    )
    assert sent.delivered() is sent

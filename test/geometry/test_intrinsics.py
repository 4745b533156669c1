"""Camera intrinsics under resizing: pixel (0, 0) is the centre of the first pixel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemdepth_ros.errors import ConfigError, ImageError
from gemdepth_ros.interfaces import PinholeIntrinsics, VideoFrame

CAMERA = PinholeIntrinsics(1242, 375, 721.5, 721.5, 609.6, 172.9)
SIZES = st.integers(1, 4000)


def project(camera: PinholeIntrinsics, x: float, y: float) -> tuple[float, float]:
    """Pixel of the point (x, y, 1)."""
    return camera.fx * x + camera.cx, camera.fy * y + camera.cy


@given(width=SIZES, height=SIZES, x=st.floats(-1, 1), y=st.floats(-1, 1))
def test_resizing_moves_pixels_by_the_half_pixel_rule(
    width: int, height: int, x: float, y: float
) -> None:
    """u' + 0.5 = (u + 0.5) * width' / width: what cv2.resize and torch's bilinear do."""
    u, v = project(CAMERA, x, y)
    resized = CAMERA.resized(width, height)
    found_u, found_v = project(resized, x, y)
    assert (resized.width, resized.height) == (width, height)
    assert found_u + 0.5 == pytest.approx((u + 0.5) * width / 1242, abs=1e-6)
    assert found_v + 0.5 == pytest.approx((v + 0.5) * height / 375, abs=1e-6)


def test_the_borders_of_the_image_stay_borders() -> None:
    """Half a pixel outside the first and the last pixel's centre."""
    centred = PinholeIntrinsics(640, 480, 500, 500, 319.5, 239.5)
    resized = centred.resized(320, 120)
    assert (resized.cx, resized.cy) == (159.5, 59.5)


@given(width=SIZES, height=SIZES)
def test_resizing_back_gives_the_same_camera(width: int, height: int) -> None:
    back = CAMERA.resized(width, height).resized(CAMERA.width, CAMERA.height)
    for name in ('fx', 'fy', 'cx', 'cy'):
        assert getattr(back, name) == pytest.approx(getattr(CAMERA, name), rel=1e-9)


@given(step=st.integers(1, 20), x=st.floats(-1, 1), y=st.floats(-1, 1))
def test_decimation_keeps_the_rays_of_the_kept_pixels(step: int, x: float, y: float) -> None:
    """Pixel k of the decimated image is pixel k * step of the image: no half-pixel shift."""
    u, v = project(CAMERA, x, y)
    decimated = CAMERA.decimated(step)
    found_u, found_v = project(decimated, x, y)
    assert found_u * step == pytest.approx(u, abs=1e-9)
    assert found_v * step == pytest.approx(v, abs=1e-9)
    kept = np.zeros((CAMERA.height, CAMERA.width))[::step, ::step]
    assert (decimated.height, decimated.width) == kept.shape


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'width': 0}, 'camera size must be positive, got 0x375'),
        ({'height': -1}, 'camera size must be positive'),
        ({'fx': 0.0}, 'fx must be finite and > 0, got 0'),
        ({'fy': math.nan}, 'fy must be finite and > 0, got nan'),
        ({'fx': math.inf}, 'fx must be finite'),
    ],
)
def test_impossible_cameras_are_refused(change: dict[str, Any], message: str) -> None:
    values = {'width': 1242, 'height': 375, 'fx': 1.0, 'fy': 1.0, 'cx': 0.0, 'cy': 0.0}
    with pytest.raises(ConfigError, match=message):
        PinholeIntrinsics(**(values | change))


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_only_rgb_images_make_a_frame(image: Any) -> None:
    with pytest.raises(ImageError, match='RGB uint8'):
        VideoFrame(image, 0)


def test_a_camera_of_another_size_is_refused() -> None:
    with pytest.raises(ImageError, match='camera is 1242x375 but the image is 5x4'):
        VideoFrame(np.zeros((4, 5, 3), np.uint8), 0, camera=CAMERA)

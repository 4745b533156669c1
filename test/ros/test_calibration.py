"""Which matrix describes the image, and what rectification does."""

from __future__ import annotations

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gemdepth_ros.ros.calibration import Rectifier, is_rectified, read_camera_info

# The calibration of KITTI's 2011_09_26 as bags carry it: K and D of the raw 1392x512 camera,
# P of the rectified 1242x375 image.
KITTI_K = [959.791, 0.0, 696.0217, 0.0, 956.9251, 224.1806, 0.0, 0.0, 1.0]
KITTI_D = [-0.3691481, 0.1968681, 0.001353473, 0.0005677587, -0.06770705]
KITTI_P = [721.5377, 0, 609.5593, 44.85728, 0, 721.5377, 172.854, 0.2163791, 0, 0, 1, 0.002745884]


def roi(column, row, width, height):
    return SimpleNamespace(x_offset=column, y_offset=row, width=width, height=height)


def camera_info(width=64, height=48, **changes):
    k = [50.0, 0.0, 31.5, 0.0, 51.0, 23.5, 0.0, 0.0, 1.0]
    values = {
        'width': width,
        'height': height,
        'distortion_model': 'plumb_bob',
        'd': [0.0] * 5,
        'k': k,
        'r': [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        'p': [k[0], 0.0, k[2], 0.0, 0.0, k[4], k[5], 0.0, 0.0, 0.0, 1.0, 0.0],
        'binning_x': 0,
        'binning_y': 0,
        'roi': roi(0, 0, 0, 0),
    }
    return SimpleNamespace(**{**values, **changes})


def kitti(**changes):
    return camera_info(1242, 375, **{'k': KITTI_K, 'd': KITTI_D, 'p': KITTI_P, **changes})


def image(width=64, height=48):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ('mode', 'topic', 'info', 'rectified'),
    [
        ('true', '/camera/image_raw', camera_info(d=[0.1] * 5), True),
        ('false', '/camera/image_rect', camera_info(), False),
        ('auto', '/camera/image_rect', kitti(), True),
        ('auto', '/camera/image_rect_color', kitti(), True),
        ('auto', '/zed/rgb/color/rect/image', kitti(), True),
        ('auto', '/camera/direct/image', camera_info(d=[0.1] * 5), False),
        ('auto', '/camera/image_raw', camera_info(), True),
        ('auto', '/camera/image_raw', camera_info(d=[]), True),
        ('auto', '/camera/image_raw', camera_info(d=[0.1] * 5), False),
        ('auto', '/camera/image_raw', camera_info(d=[0.1] * 5, p=[0.0] * 12), False),
        ('auto', '/kitti/camera_color_left/image_raw', kitti(), True),
    ],
)
def test_who_is_rectified(mode, topic, info, rectified):
    verdict, reason = is_rectified(mode, topic, read_camera_info(info))
    assert verdict is rectified
    assert reason


def test_a_raw_camera_with_another_p_is_raw():
    # What camera_calibration writes: the rectified focal length differs, K fits the image.
    info = camera_info(
        d=[-0.3, 0.1, 0.0, 0.0, 0.0], p=[40.0, 0, 30.0, 0, 0, 41.0, 22.0, 0, 0, 0, 1, 0]
    )
    assert not is_rectified('auto', '/camera/image_raw', read_camera_info(info))[0]


def test_rectified_image_is_described_by_p_and_left_alone():
    rgb = image(1242, 375)
    result = Rectifier('auto', '/kitti/camera_color_left/image_raw').apply(rgb, kitti())
    assert result.image_rgb is rgb
    assert result.note == ''
    camera = result.camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (
        721.5377, 721.5377, 609.5593, 172.854
    )  # fmt: skip


def test_rectified_image_without_p_takes_k():
    result = Rectifier('true', 'image').apply(image(), camera_info(p=[0.0] * 12))
    assert (result.camera.fx, result.camera.cy) == (50.0, 23.5)


def rectified_points(model, d, k, p):
    """Where the straight grid of the rectified image lies in the raw one, by OpenCV's formulas."""
    columns, rows = np.meshgrid(np.arange(8, 56, 8.0), np.arange(8, 40, 8.0))
    rays = np.stack([(columns - p[0, 2]) / p[0, 0], (rows - p[1, 2]) / p[1, 1]], axis=-1)
    if model == 'equidistant':
        raw = cv2.fisheye.distortPoints(rays.reshape(-1, 1, 2), k, d)
    else:
        points = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=-1).reshape(-1, 1, 3)
        raw, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), k, d)
    return np.stack([columns, rows], axis=-1).reshape(-1, 2), raw.reshape(-1, 2)


@pytest.mark.parametrize(
    ('model', 'd'),
    [
        ('plumb_bob', [-0.3, 0.1, 0.001, -0.002, 0.0]),
        ('rational_polynomial', [0.2, -0.1, 0.0, 0.0, 0.02, 0.1, -0.05, 0.01]),
        ('equidistant', [0.05, -0.01, 0.002, 0.0]),
    ],
)
def test_raw_image_is_rectified_by_its_model(model, d):
    info = camera_info(
        distortion_model=model, d=d, p=[45.0, 0, 32.0, 0, 0, 46.0, 24.0, 0, 0, 0, 1, 0]
    )
    k, p = np.array(info.k).reshape(3, 3), np.array(info.p).reshape(3, 4)[:, :3]
    rows, columns = np.indices((48, 64)).astype(np.float32)
    # An image whose pixel values are its own coordinates tells where each pixel came from.
    coordinates = np.stack([columns * 3, rows * 3, columns * 0], axis=-1).astype(np.uint8)
    result = Rectifier('false', 'image').apply(coordinates, info)
    rectified, raw = rectified_points(model, np.array(d), k, p)
    inside = ((raw > 1) & (raw < [62, 46])).all(axis=1)
    assert inside.sum() > 10
    found = np.array([result.image_rgb[int(v), int(u), :2] for u, v in rectified]) / 3
    assert np.abs(found - raw)[inside].max() < 0.5
    assert (result.camera.fx, result.camera.cx) == (45.0, 32.0)


@pytest.mark.parametrize(
    ('model', 'd'),
    [
        ('plumb_bob', [-0.3, 0.1, 0.001, -0.002, 0.0]),
        ('rational_polynomial', [0.2, -0.1, 0.0, 0.0, 0.02, 0.1, -0.05, 0.01]),
        ('equidistant', [0.05, -0.01, 0.002, 0.0]),
    ],
)
@pytest.mark.parametrize('focal', [20.0, 80.0])
def test_what_the_raw_image_does_not_show_is_not_valid(model, d, focal):
    """A white image tells: what rectifying left black, wholly or in part, is not the camera's."""
    p = [focal, 0, 32.0, 0, 0, focal, 24.0, 0, 0, 0, 1, 0]
    info = camera_info(distortion_model=model, d=d, p=p)
    result = Rectifier('false', 'image').apply(np.full((48, 64, 3), 255, np.uint8), info)
    valid = np.ones((48, 64), bool) if result.valid is None else result.valid
    assert (result.image_rgb[valid] >= 255 * 0.85).all(), 'at most a border of 1/16 pixel twice'
    assert (result.image_rgb[~valid] < 255).all()
    assert valid[20:28, 28:36].all()
    assert (result.valid is None) == (focal == 80.0)


def test_a_distortion_that_turns_back_invents_no_image():
    """Far off the axis the polynomial of this lens leads back into the image."""
    info = camera_info(d=[-0.3, 0, 0, 0, 0], p=[8.0, 0, 32.0, 0, 0, 8.0, 24.0, 0, 0, 0, 1, 0])
    result = Rectifier('false', 'image').apply(np.full((48, 64, 3), 255, np.uint8), info)
    far_off = np.hypot(*np.meshgrid(np.arange(64) - 32, np.arange(48) - 24)) / 8.0 > 1.06
    assert (result.image_rgb[far_off] > 0).any(), 'the maps do lead back'
    assert not result.valid[far_off].any()


def test_rectified_images_are_valid_as_a_whole():
    assert Rectifier('true', 'image').apply(image(), camera_info()).valid is None


def test_the_mask_goes_with_its_calibration():
    rectifier = Rectifier('false', 'image')
    wide = camera_info(d=[-0.1] + [0.0] * 4, p=[20.0, 0, 32, 0, 0, 20.0, 24, 0, 0, 0, 1, 0])
    assert rectifier.apply(image(), wide).valid is not None
    assert rectifier.apply(image(), camera_info(k=[0.0] * 9)).valid is None


def test_maps_are_kept_while_the_calibration_stays():
    rectifier = Rectifier('false', 'image')
    info = camera_info(d=[-0.1, 0.0, 0.0, 0.0, 0.0])
    rectifier.apply(image(), info)
    maps = rectifier._maps
    rectifier.apply(image(), camera_info(d=[-0.1, 0.0, 0.0, 0.0, 0.0]))
    assert rectifier._maps is maps
    rectifier.apply(image(), camera_info(d=[-0.2, 0.0, 0.0, 0.0, 0.0]))
    assert rectifier._maps is not maps


@pytest.mark.parametrize(
    ('info', 'words'),
    [
        (None, 'no camera_info'),
        (camera_info(width=32), '32x48 but the image 64x48'),
        (camera_info(k=[0.0] * 9), 'uncalibrated'),
        (camera_info(k=[0.0] * 9, p=KITTI_P), 'uncalibrated'),
        (camera_info(p=[-5.0] + [0.0] * 11), 'unusable'),
        (camera_info(p=[float('nan')] + [0.0] * 11), 'unusable'),
        (camera_info(distortion_model='fancy', d=[0.1] * 5), "'fancy' is not supported"),
        (camera_info(d=[0.1] * 3), '4 or 5'),
        (camera_info(d=[float('nan')] * 5), 'finite'),
        (
            camera_info(d=[0.1] * 5, r=[-1.0, 0, 0, 0, 1, 0, 0, 0, -1]),
            'no pixel of the rectified image',
        ),
    ],
)
def test_unusable_calibrations_say_why_and_leave_the_image(info, words):
    rgb = image()
    result = Rectifier('auto', 'image').apply(rgb, info)
    assert result.camera is None
    assert result.image_rgb is rgb
    assert words in result.note


def test_a_region_of_interest_and_binning_describe_a_smaller_image():
    info = camera_info(200, 100, roi=roi(20, 10, 128, 80), binning_x=2, binning_y=4)
    result = Rectifier('true', 'image').apply(image(64, 20), info)
    camera = result.camera
    assert (camera.width, camera.height) == (64, 20)
    assert (camera.fx, camera.fy) == (25.0, 12.75)
    # Pixels are named by their centres: half a pixel moves with the binning.
    assert camera.cx == pytest.approx((31.5 - 20 + 0.5) / 2 - 0.5)
    assert camera.cy == pytest.approx((23.5 - 10 + 0.5) / 4 - 0.5)


def test_a_raw_part_of_an_image_is_rectified_like_the_whole():
    """What is cut before rectification is what would have been cut after it."""
    rng = np.random.default_rng(1)
    whole = cv2.GaussianBlur(rng.integers(0, 256, (96, 128, 3), np.uint8), (0, 0), 3)
    values = {
        'k': [90.0, 0, 63.0, 0, 92.0, 47.0, 0, 0, 1],
        'd': [-0.2, 0.05, 0.001, -0.001, 0.0],
        'p': [85.0, 0, 62.0, 0, 0, 86.0, 48.0, 0, 0, 0, 1, 0],
    }
    full = Rectifier('false', 'image').apply(whole, camera_info(128, 96, **values)).image_rgb
    part = np.ascontiguousarray(whole[20:80, 30:100])
    info = camera_info(128, 96, roi=roi(30, 20, 70, 60), **values)
    result = Rectifier('false', 'image').apply(part, info)
    inner = (slice(10, 50), slice(10, 60))
    difference = np.abs(full[20:80, 30:100][inner].astype(int) - result.image_rgb[inner])
    assert difference.max() <= 2
    assert (result.camera.cx, result.camera.cy) == (32.0, 28.0)


@pytest.mark.parametrize(
    ('info', 'words'),
    [
        (camera_info(binning_x=2), '32x48 (after region of interest and binning of 64x48)'),
        (camera_info(60, 40, roi=roi(5, 5, 64, 48)), 'region of interest 64x48 at column 5'),
    ],
)
def test_contradictions_of_region_and_size_are_said(info, words):
    result = Rectifier('auto', 'image').apply(image(), info)
    assert result.camera is None
    assert words in result.note


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'r': [0.0, 0, 0, 0, 1, 0, 0, 0, 1]}, 'R is no rotation'),
        ({'r': [-1.0, 0, 0, 0, 1, 0, 0, 0, 1]}, 'R is no rotation'),
        ({'r': [math.nan, 0, 0, 0, 1, 0, 0, 0, 1]}, 'R has numbers that are not finite'),
        ({'d': [math.inf, 0, 0, 0, 0]}, 'D has numbers that are not finite'),
        ({'p': [85.0, 0, 62, 0, 0, 86, 48, 0, 0, 0, 0, 0]}, 'the last row of P must be 0 0 1'),
        ({'p': [85.0, 0, 62, 0, 0, 1e-9, 48, 0, 0, 0, 1, 0]}, 'P has focal lengths of 85 and'),
        ({'d': [1e300, 0, 0, 0, 0]}, 'D has the number 1e+300, which is absurd'),
        ({'p': [85.0, 0, math.nan, 0, 0, 86, 48, 0, 0, 0, 1, 0]}, 'P has numbers that are'),
    ],
)
def test_numbers_that_no_camera_has_are_said(values, words):
    result = Rectifier('false', 'image').apply(image(), camera_info(**values))
    assert result.camera is None
    assert f'camera_info is unusable: {words}' in result.note

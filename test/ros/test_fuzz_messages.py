"""Random messages through the conversions: own errors only, nothing past the end, little memory.

A message's data ends at a page that nobody may touch, so that reading beyond it would kill the
process. What a message declares is not believed: results are never larger than its data allows.

The whole run, 100,000 messages: ``pytest -m slow test/ros/test_fuzz_messages.py``.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

import fuzz_messages as make  # noqa: E402

from gemdepth_ros.bags import clouds, images  # noqa: E402
from gemdepth_ros.errors import GemDepthError  # noqa: E402
from gemdepth_ros.geometry.image_headers import LARGEST_PIXELS  # noqa: E402
from gemdepth_ros.ros import calibration, conversions, point_clouds  # noqa: E402

GUARDED = make.GuardedBytes()
RANDOMS = st.randoms(use_true_random=False)
QUICK = settings(
    max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
PER_KIND = 25_000
# The largest picture that is decoded, as BGR and as RGB, and a margin.
LARGEST_GROWTH_MB = 2 * 3 * LARGEST_PIXELS / 1e6 + 100


def outcome(convert: Callable[[Any], Any], message: Any) -> tuple[str, Any]:
    """Return ('ok', result) or (name of our error, None); any other error fails the test."""
    try:
        return 'ok', convert(message)
    except GemDepthError as error:
        text = str(error)
        assert text
        assert '\n' not in text
        return type(error).__name__, None


def check_image(rng: Random, seen: Counter[str]) -> None:
    message = GUARDED.holding(make.image(rng))
    name, rgb = outcome(conversions.image_to_rgb, message)
    seen[f'image {name}'] += 1
    if rgb is not None:
        assert rgb.shape == (message.height, message.width, 3)
        assert rgb.dtype == np.uint8
        assert rgb.nbytes <= 3 * len(message.data)
    name, pixels = outcome(images.read_pixels, message)
    seen[f'image of a bag {name}'] += 1
    if pixels is not None:
        assert pixels.shape[:2] == (message.height, message.width)
        assert pixels.nbytes <= len(message.data)
    for read in (images.read_rgb, images.read_depth_m):
        outcome(read, message)


def check_compressed(rng: Random, seen: Counter[str]) -> None:
    message = GUARDED.holding(make.compressed(rng))
    name, rgb = outcome(conversions.image_to_rgb, message)
    seen[f'compressed {name}'] += 1
    if rgb is not None:
        assert rgb.ndim == 3
        assert rgb.shape[2] == 3
        assert rgb.dtype == np.uint8
    outcome(images.read_rgb, message)


def check_cloud(rng: Random, seen: Counter[str]) -> None:
    whole = make.cloud(rng)
    message = GUARDED.holding(whole)
    name, cloud = outcome(clouds.read_cloud, message)
    seen[f'cloud {name}'] += 1
    if cloud is not None:
        assert cloud.shape == (message.height, message.width)
        assert cloud.nbytes <= len(message.data)
    name, points = outcome(clouds.read_lidar, message)
    seen[f'lidar {name}'] += 1
    if points is not None:
        assert np.isfinite(points[:, :3]).all()
        assert len(points) <= message.height * message.width
    name, points = outcome(_coordinates, message)
    seen[f'lidar input {name}'] += 1
    # sensor_msgs_py, where it is installed, takes true messages only.
    other_name, other_points = outcome(_coordinates, whole)
    assert other_name == name
    if points is not None:
        np.testing.assert_array_equal(points, other_points)


def _coordinates(message: Any) -> Any:
    """Read every coordinate, so that a view past the end would be noticed."""
    cloud = point_clouds.read_points(message)
    assert cloud.shape == (message.height, message.width)
    with np.errstate(all='ignore'):
        return [cloud[name].sum() for name in ('x', 'y', 'z')]


def check_camera_info(rng: Random, seen: Counter[str]) -> None:
    """Any CameraInfo gives intrinsics or a note; the rectified image keeps its size."""
    height, width = rng.randint(3, 24), rng.randint(3, 24)
    message = make.camera_info(rng, height, width)
    picture = np.frombuffer(rng.randbytes(height * width * 3), np.uint8)
    mode = rng.choice(['auto', 'true', 'false'])
    rectifier = calibration.Rectifier(mode, rng.choice(['/camera/image_raw', '/image_rect']))
    result = rectifier.apply(picture.reshape(height, width, 3), message)
    seen['camera_info ' + ('ok' if result.camera is not None else 'note')] += 1
    assert (result.camera is None) == bool(result.note)
    assert '\n' not in result.note
    assert result.image_rgb.shape == (height, width, 3)
    if result.valid is not None:
        assert result.valid.shape == (height, width)
    if result.camera is not None:
        camera = result.camera
        assert np.isfinite([camera.fx, camera.fy, camera.cx, camera.cy]).all()
        assert min(camera.fx, camera.fy) > 0
        assert (camera.height, camera.width) == (height, width)


CHECKS = (check_image, check_compressed, check_cloud, check_camera_info)


@pytest.mark.parametrize('check', CHECKS, ids=lambda check: check.__name__)
def test_random_messages(check: Callable[[Random, Counter[str]], None]) -> None:
    """hypothesis steers every choice, and shrinks the message that fails."""
    seen: Counter[str] = Counter()

    @QUICK
    @given(RANDOMS)
    def run(rng: Random) -> None:
        check(rng, seen)

    run()
    for seed in range(300):  # hypothesis may look for trouble alone; these are plain draws
        check(Random(seed), seen)
    assert any(name.endswith(' ok') for name in seen)
    assert len(seen) > 1


@pytest.mark.slow
@pytest.mark.parametrize('check', CHECKS, ids=lambda check: check.__name__)
def test_a_hundred_thousand_messages(check: Callable[[Random, Counter[str]], None]) -> None:
    """25,000 of each kind, in batches of 100; the failing seed is named."""
    seen: Counter[str] = Counter()
    batches = iter(range(PER_KIND // 100))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(QUICK, max_examples=PER_KIND // 100)
    @given(st.integers(0, 2**63 - 1))
    def run(seed: int) -> None:
        rng = Random(seed)
        next(batches, None)
        for _ in range(100):
            check(rng, seen)

    run()
    assert next(batches, None) is None  # none was left out
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) * 1024 / 1e6
    print(f'\n{dict(sorted(seen.items()))}, {grown_mb:.0f} MB more')  # noqa: T201
    assert grown_mb < LARGEST_GROWTH_MB

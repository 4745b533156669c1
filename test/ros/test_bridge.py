"""Encodings that are not our own go to cv_bridge where there is one; also with a stand-in."""

from __future__ import annotations

import sys
import zlib
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from gemdepth_ros.errors import ImageError  # noqa: E402
from gemdepth_ros.ros.bridge import installed_bridge  # noqa: E402
from gemdepth_ros.ros.conversions import image_message, image_to_rgb  # noqa: E402
from gemdepth_ros.ros.distribution import installed  # noqa: E402
from gemdepth_ros.ros.image_formats import LAYOUTS  # noqa: E402

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def message(encoding='8UC3_odd', **changes):
    made = image_message(PIXELS, 'rgb8', 0, 'cam')
    made.encoding = encoding
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def forget():
    installed.cache_clear()
    installed_bridge.cache_clear()


@pytest.fixture
def bridge(monkeypatch):
    """Installs a cv_bridge whose conversion is the test's."""

    def install(convert):
        class CvBridge:
            def encoding_to_dtype_with_channels(self, encoding):
                return 'uint8', 3

            def imgmsg_to_cv2(self, image, wanted):
                assert wanted == 'rgb8'
                return convert(image)

        module = ModuleType('cv_bridge')
        module.CvBridge = CvBridge
        monkeypatch.setitem(sys.modules, 'cv_bridge', module)
        forget()

    yield install
    forget()


def test_an_unknown_encoding_is_read_by_cv_bridge(bridge):
    bridge(lambda image: np.frombuffer(image.data, np.uint8).reshape(2, 4, 3)[..., ::-1])
    found = image_to_rgb(message())
    np.testing.assert_array_equal(found, PIXELS[..., ::-1])
    assert found.flags.c_contiguous


def test_our_own_encodings_are_not(bridge):
    bridge(lambda image: pytest.fail('asked for rgb8'))
    np.testing.assert_array_equal(image_to_rgb(message('rgb8')), PIXELS)


@pytest.mark.parametrize(
    'damage', [{'height': 0}, {'height': 9}, {'step': 3}, {'data': b''}, {'width': 2**31}]
)
def test_wrong_numbers_never_reach_it(bridge, damage):
    bridge(lambda image: pytest.fail('C++ would read beyond the data'))
    with pytest.raises(ImageError, match='needs at least'):
        image_to_rgb(message(**damage))


def test_what_it_cannot_read_is_one_line(bridge):
    def refuse(image):
        raise RuntimeError('not a colour\nformat')

    bridge(refuse)
    with pytest.raises(ImageError, match=r"encoding '32FC1': not a colour format$"):
        image_to_rgb(message('32FC1'))


def test_an_image_of_another_size_is_refused(bridge):
    bridge(lambda image: PIXELS[:1])
    with pytest.raises(ImageError, match=r'made uint8 \[1, 4, 3\] of a 4x2 image'):
        image_to_rgb(message())


def test_without_cv_bridge_the_encoding_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    forget()
    with pytest.raises(ImageError, match="unknown image encoding '8UC3_odd'"):
        image_to_rgb(message())
    forget()


# ---- the true one

NOT_ITS_OWN = {'8UC1', '8UC3', '16UC1', 'uyvy', 'yuyv', 'nv12', 'nv21'}


@pytest.fixture
def true_bridge():
    pytest.importorskip('cv_bridge')
    forget()
    bridge = installed_bridge()
    assert bridge is not None
    yield bridge
    forget()


def drawn(encoding, *shape):
    return np.random.default_rng(zlib.crc32(encoding.encode())).integers(
        0, 65536, shape, np.uint16
    )


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('padding', [0, 5, 6])
@pytest.mark.parametrize('encoding', ['rgb16', 'bgr16', 'rgba16', 'bgra16'])
def test_colours_of_16_bits_are_read_by_cv_bridge(true_bridge, encoding, padding, order):
    channels = len(encoding) - 2
    pixels = drawn(encoding, 4, 6, channels)
    rows = pixels.astype(f'{order}u2').view(np.uint8).reshape(4, -1)
    image = image_message(np.pad(rows, ((0, 0), (0, padding))), encoding, 0, 'cam')
    image.width, image.is_bigendian = 6, int(order == '>')
    expected = pixels[..., :3] if encoding.startswith('rgb') else pixels[..., 2::-1]
    found = image_to_rgb(image)
    assert found.shape == (4, 6, 3)
    assert np.abs(found - expected / 257.0).max() <= 0.51, 'rounded'


@pytest.mark.parametrize('encoding', sorted(set(LAYOUTS) - NOT_ITS_OWN))
def test_our_own_encodings_look_as_by_cv_bridge(true_bridge, encoding):
    layout = LAYOUTS[encoding]
    values = drawn(encoding, 8, 12, layout.channels)
    values = values if layout.bits == 16 else values.astype(np.uint8)
    image = image_message(values, encoding, 0, 'cam')
    ours, theirs = image_to_rgb(image), true_bridge.imgmsg_to_cv2(image, 'rgb8')
    # Of 16 bits we keep the upper byte, before the mosaic is interpolated; it rounds, after it.
    # It has an OpenCV of its own, which may round an interpolation otherwise.
    interpolated = encoding.startswith(('bayer', 'yuv'))
    tolerance = 2 if layout.bits == 16 else int(interpolated)
    assert np.abs(ours.astype(int) - theirs).max() <= tolerance


@pytest.mark.parametrize('encoding', ['32FC1', '8UC4', 'nothing_like_it'])
def test_what_the_true_one_cannot_read_is_one_line(true_bridge, encoding):
    image = image_message(np.zeros((4, 6, 4), np.uint8), encoding, 0, 'cam')
    with pytest.raises(ImageError, match=f"cv_bridge cannot read encoding '{encoding}'") as caught:
        image_to_rgb(image)
    assert '\n' not in str(caught.value)

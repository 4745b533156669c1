"""Image messages keep every pixel, whatever the row padding, byte order and encoding."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemdepth_ros.bags.images import (
    ENCODINGS,
    decode_pixels,
    image_message,
    read_depth_m,
    read_pixels,
    read_rgb,
)
from gemdepth_ros.errors import ImageError


def random_pixels(encoding: str, height: int, width: int, seed: int = 0) -> np.ndarray:
    dtype, channels = ENCODINGS[encoding]
    shape = (height, width) if channels == 1 else (height, width, channels)
    random = np.random.default_rng(seed)
    if dtype.kind == 'f':
        return random.uniform(0, 80, shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@given(
    encoding=st.sampled_from(sorted(ENCODINGS)),
    height=st.integers(1, 7),
    width=st.integers(1, 9),
    padding=st.integers(0, 5),
    big=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_padding_and_byte_order_do_not_change_pixels(
    encoding: str, height: int, width: int, padding: int, big: bool
) -> None:
    pixels = random_pixels(encoding, height, width)
    stored = pixels.astype(pixels.dtype.newbyteorder('>' if big else '<'))
    rows = np.frombuffer(stored.tobytes(), np.uint8).reshape(height, -1)
    padded = np.full((height, rows.shape[1] + padding), 0xAB, np.uint8)
    padded[:, : rows.shape[1]] = rows
    read = decode_pixels(
        padded.tobytes(), height, width, encoding, padded.shape[1], is_bigendian=big
    )
    assert read.dtype == pixels.dtype
    np.testing.assert_array_equal(read, pixels)


def test_plain_image_is_read_without_a_copy() -> None:
    data = np.zeros(4 * 5 * 3, np.uint8)
    pixels = decode_pixels(data, 4, 5, 'rgb8', 15, is_bigendian=False)
    assert np.shares_memory(pixels, data)


@pytest.mark.parametrize('encoding', sorted(ENCODINGS))
def test_builder_and_reader_agree(encoding: str) -> None:
    pixels = random_pixels(encoding, 6, 8)
    message = image_message(pixels, encoding, 1_500_000_000_000_000_123, 'camera')
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_500_000_000, 123)
    assert message.step * message.height == message.data.size
    np.testing.assert_array_equal(read_pixels(message), pixels)


def test_builder_takes_views_that_are_not_contiguous() -> None:
    pixels = random_pixels('rgb8', 6, 8)[::2, ::-1]
    np.testing.assert_array_equal(read_pixels(image_message(pixels, 'rgb8', 1, 'c')), pixels)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8', '8UC3'])
def test_colour_encodings_become_rgb(encoding: str) -> None:
    red, green, blue = 10, 20, 30
    colour = {'rgb8': (red, green, blue), 'rgba8': (red, green, blue, 255)}.get(
        encoding, (blue, green, red, 255)[: ENCODINGS[encoding].channels]
    )
    pixels = np.broadcast_to(np.array(colour, np.uint8), (4, 5, len(colour)))
    rgb = read_rgb(image_message(pixels, encoding, 1, 'c'))
    assert rgb.shape == (4, 5, 3)
    assert (rgb == (red, green, blue)).all()


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_patterns_become_rgb(pattern: str, bits: int) -> None:
    colour = {'r': 200, 'g': 120, 'b': 40}
    tile = np.array([colour[name] for name in pattern], np.uint16).reshape(2, 2)
    mosaic = np.tile(tile, (8, 8)) * (1 if bits == 8 else 256)
    pixels = mosaic.astype(np.uint8 if bits == 8 else np.uint16)
    rgb = read_rgb(image_message(pixels, f'bayer_{pattern}{bits}', 1, 'c'))
    assert (rgb[4:-4, 4:-4] == (200, 120, 40)).all()


def test_grey_encodings_become_rgb() -> None:
    grey = np.array([[0, 255], [7, 100]], np.uint8)
    assert (read_rgb(image_message(grey, 'mono8', 1, 'c')) == grey[..., None]).all()
    wide = grey.astype(np.uint16) * 256 + 99
    assert (read_rgb(image_message(wide, 'mono16', 1, 'c')) == grey[..., None]).all()


def test_depth_in_metres_and_millimetres() -> None:
    metres = np.array([[1.5, np.nan, np.inf]], np.float32)
    np.testing.assert_array_equal(read_depth_m(image_message(metres, '32FC1', 1, 'c')), metres)
    millimetres = np.array([[1500, 0, 65535]], np.uint16)
    np.testing.assert_array_equal(
        read_depth_m(image_message(millimetres, '16UC1', 1, 'c')),
        np.array([[1.5, np.nan, 65.535]], np.float32),
    )
    with pytest.raises(ImageError, match='32FC1 or 16UC1'):
        read_depth_m(image_message(np.zeros((2, 2), np.uint8), 'mono8', 1, 'c'))


@pytest.mark.parametrize(('extension', 'tolerance'), [('.png', 0), ('.jpg', 8)])
def test_compressed_images(extension: str, tolerance: int) -> None:
    ramp = np.linspace(0, 200, 32, dtype=np.uint8)
    rgb = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], np.uint8(50)), axis=-1)
    ok, encoded = cv2.imencode(extension, rgb[:, :, ::-1])
    assert ok
    message = SimpleNamespace(format=f'rgb8; {extension[1:]} compressed bgr8', data=encoded)
    assert np.abs(read_rgb(message).astype(int) - rgb).max() <= tolerance


def test_damaged_compressed_images() -> None:
    for data in (b'', b'no image at all'):
        with pytest.raises(ImageError, match=f'compressed image of {len(data)} bytes'):
            read_rgb(SimpleNamespace(format='jpeg', data=data))
    with pytest.raises(ImageError, match='compressedDepth'):
        read_rgb(SimpleNamespace(format='16UC1; compressedDepth png', data=b'x'))


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'encoding': 'rgb9'}, "unknown image encoding 'rgb9'"),
        ({'height': 0}, 'size must be positive, got 5x0'),
        ({'width': 0}, 'size must be positive, got 0x4'),
        ({'step': 14}, 'step 14 is less than the 15 bytes'),
        ({'data': bytes(59)}, 'has 59 bytes but 4 rows of step 15 need 60'),
    ],
)
def test_impossible_images_are_named(change: dict[str, object], text: str) -> None:
    fields = {'data': bytes(60), 'height': 4, 'width': 5, 'encoding': 'rgb8', 'step': 15}
    with pytest.raises(ImageError, match=text):
        decode_pixels(**{**fields, **change}, is_bigendian=False)  # type: ignore[arg-type]


def test_pixels_must_fit_their_encoding() -> None:
    for pixels in (np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.float32)):
        with pytest.raises(ImageError, match='rgb8 needs uint8'):
            image_message(pixels, 'rgb8', 1, 'c')
    with pytest.raises(ImageError, match='holds depth'):
        read_rgb(image_message(np.zeros((2, 2), np.float32), '32FC1', 1, 'c'))

"""Every encoding, with row padding and byte order, against formulas written down here."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemdepth_ros.errors import ImageError
from gemdepth_ros.ros.image_formats import LAYOUTS, decode_compressed, decode_raw

BAYER = {f'bayer_{p}{b}': p for p in ('rggb', 'bggr', 'gbrg', 'grbg') for b in (8, 16)}
FOUR_TWO_TWO = {'yuv422': 'uyvy', 'uyvy': 'uyvy', 'yuv422_yuy2': 'yuyv', 'yuyv': 'yuyv'}
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
paddings = st.integers(0, 7)
seeds = st.integers(0, 2**32 - 1)


def packed(rows, padding):
    """Bytes of 2-D uint8 rows with rubbish between them, and the step."""
    rubbish = np.full((rows.shape[0], padding), 0xA5, np.uint8)
    return np.hstack([rows, rubbish]).reshape(-1), rows.shape[1] + padding


def random_rgb(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def bt601(y, u, v):
    """Video-range YUV to RGB (ITU-R BT.601), float arrays."""
    y, u, v = 1.164 * (y - 16.0), u - 128.0, v - 128.0
    rgb = np.stack([y + 1.596 * v, y - 0.813 * v - 0.391 * u, y + 2.018 * u], axis=-1)
    return np.clip(rgb, 0, 255)


@given(sizes, paddings, seeds, st.sampled_from(['rgb8', 'bgr8', '8UC3', 'rgba8', 'bgra8']))
def test_interleaved_colours(size, padding, seed, encoding):
    rgb = random_rgb(seed, *size)
    stored = rgb if encoding.startswith('rgb') else rgb[..., ::-1]
    if encoding.endswith('a8'):
        stored = np.dstack([stored, np.full(size, 7, np.uint8)])
    data, step = packed(stored.reshape(size[0], -1), padding)
    np.testing.assert_array_equal(decode_raw(data, encoding, *size, step), rgb)


@given(sizes, paddings, seeds, st.sampled_from(['mono8', '8UC1']))
def test_grey(size, padding, seed, encoding):
    grey = random_rgb(seed, *size)[..., 0]
    data, step = packed(grey, padding)
    rgb = decode_raw(data, encoding, *size, step)
    np.testing.assert_array_equal(rgb, np.repeat(grey[..., None], 3, axis=2))


@given(sizes, paddings, seeds, st.booleans(), st.sampled_from(['mono16', '16UC1']))
def test_16_bit_grey_keeps_the_upper_byte_in_either_byte_order(
    size, padding, seed, big_endian, encoding
):
    values = np.random.default_rng(seed).integers(0, 65536, size, np.uint16)
    rows = values.astype('>u2' if big_endian else '<u2').view(np.uint8)
    data, step = packed(rows, padding)
    rgb = decode_raw(data, encoding, *size, step, big_endian)
    np.testing.assert_array_equal(rgb[..., 1], values >> 8)


@given(
    st.tuples(st.integers(3, 9), st.integers(3, 9)),
    paddings,
    st.tuples(*[st.integers(0, 255)] * 3),
    st.booleans(),
    st.sampled_from(sorted(BAYER)),
)
def test_bayer_of_one_colour_gives_that_colour(size, padding, colour, big_endian, encoding):
    level = dict(zip('rgb', colour, strict=True))
    mosaic = np.empty(size, np.uint8)
    for i, letter in enumerate(BAYER[encoding]):
        mosaic[i // 2 :: 2, i % 2 :: 2] = level[letter]
    rows = mosaic
    if encoding.endswith('16'):
        rows = (mosaic.astype(np.uint16) << 8).astype('>u2' if big_endian else '<u2')
        rows = rows.view(np.uint8)
    data, step = packed(rows, padding)
    rgb = decode_raw(data, encoding, *size, step, big_endian)
    # OpenCV repeats the border's neighbours: the inside shows whether the pattern is right.
    np.testing.assert_array_equal(rgb[1:-1, 1:-1], np.broadcast_to(colour, rgb.shape)[1:-1, 1:-1])


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 4)),
    paddings,
    seeds,
    st.sampled_from(sorted(FOUR_TWO_TWO)),
)
def test_packed_yuv(half_size, padding, seed, encoding):
    height, width = half_size[0], 2 * half_size[1]
    random = np.random.default_rng(seed)
    y = random.integers(16, 236, (height, width), np.uint8)
    u, v = random.integers(16, 241, (2, height, width // 2), np.uint8)
    rows = np.empty((height, width, 2), np.uint8)
    luma = 1 if FOUR_TWO_TWO[encoding] == 'uyvy' else 0
    rows[..., luma] = y
    rows[:, 0::2, 1 - luma] = u
    rows[:, 1::2, 1 - luma] = v
    data, step = packed(rows.reshape(height, -1), padding)
    rgb = decode_raw(data, encoding, height, width, step)
    wanted = bt601(y, np.repeat(u, 2, axis=1), np.repeat(v, 2, axis=1))
    assert np.abs(rgb - wanted).max() <= 2


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    paddings,
    seeds,
    st.sampled_from(['nv12', 'nv21']),
)
def test_planar_yuv(half_size, padding, seed, encoding):
    height, width = 2 * half_size[0], 2 * half_size[1]
    random = np.random.default_rng(seed)
    y = random.integers(16, 236, (height, width), np.uint8)
    u, v = random.integers(16, 241, (2, *half_size), np.uint8)
    chroma = np.stack([u, v] if encoding == 'nv12' else [v, u], axis=-1).reshape(-1, width)
    data, step = packed(np.vstack([y, chroma]), padding)
    rgb = decode_raw(data, encoding, height, width, step)
    wide = [np.repeat(np.repeat(plane, 2, axis=0), 2, axis=1) for plane in (u, v)]
    assert np.abs(rgb - bt601(y, *wide)).max() <= 2


def test_rgb8_is_not_copied():
    data = np.zeros(5 * 4 * 3, np.uint8)
    assert np.shares_memory(decode_raw(data, 'rgb8', 5, 4, 12), data)


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (('rgb9', 2, 2, 6), ["'rgb9'", 'known: ', 'mono8']),
        (('', 2, 2, 6), ["''"]),
        (('rgb8', 0, 2, 6), ['2x0']),
        (('rgb8', 2, 0, 0), ['0x2']),
        (('rgb8', 2, 2, 5), ['step is 5', 'has 6']),
        (('rgb8', 2, 2, 7), ['12 bytes', '2x2 rgb8', 'step 7', 'needs 14']),
        (('nv12', 2, 4, 6), ['12 bytes', 'needs 18']),
        (('nv12', 3, 4, 4), ['nv12', '4x3']),
        (('yuyv', 2, 3, 6), ['yuyv', '3x2']),
        (('bayer_rggb8', 2, 6, 6), ['at least 3', '6x2']),
        (('mono8', 2**31, 2**31, 2**31), ['12 bytes', str(2**62)]),
    ],
)
def test_bad_images_are_refused_with_the_numbers(arguments, words):
    with pytest.raises(ImageError) as caught:
        decode_raw(np.zeros(12, np.uint8), *arguments)
    assert all(word in str(caught.value) for word in words)
    assert '\n' not in str(caught.value)


@settings(max_examples=300)
@given(
    st.binary(max_size=200),
    st.sampled_from([*LAYOUTS, 'unknown']),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 80),
    st.booleans(),
)
def test_any_bytes_give_an_image_of_the_stated_size_or_an_image_error(
    data, encoding, height, width, step, big_endian
):
    try:
        rgb = decode_raw(np.frombuffer(data, np.uint8), encoding, height, width, step, big_endian)
    except ImageError:
        return
    assert (rgb.shape, rgb.dtype) == ((height, width, 3), np.uint8)


def smooth_rgb(height=24, width=32):
    rows, columns = np.indices((height, width))
    return np.stack([columns * 8, rows * 8, np.full_like(rows, 60)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(('suffix', 'error'), [('.png', 0), ('.jpg', 12)])
def test_compressed_colour(suffix, error):
    rgb = smooth_rgb()
    _, data = cv2.imencode(suffix, rgb[..., ::-1])
    decoded = decode_compressed(data.ravel(), 'rgb8; jpeg compressed bgr8')
    assert np.abs(decoded.astype(int) - rgb).max() <= error


def test_compressed_grey_becomes_rgb():
    _, data = cv2.imencode('.png', smooth_rgb()[..., 0])
    decoded = decode_compressed(data.ravel(), 'mono8; png compressed ')
    np.testing.assert_array_equal(decoded[..., 1], smooth_rgb()[..., 0])


def test_compressed_bayer_is_demosaiced():
    mosaic = np.zeros((6, 6), np.uint8)
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = 200, 40
    mosaic[0::2, 1::2] = mosaic[1::2, 0::2] = 100
    _, data = cv2.imencode('.png', mosaic)
    decoded = decode_compressed(data.ravel(), 'bayer_rggb8; png compressed bayer_rggb8')
    assert decoded[3, 3].tolist() == [200, 100, 40]


@pytest.mark.parametrize(
    ('data', 'image_format', 'words'),
    [
        (b'', 'jpeg', '0 bytes'),
        (b'not an image', 'jpeg', '12 bytes'),
        (b'x', '16UC1; compressedDepth png', 'depth image'),
    ],
)
def test_bad_compressed_images_are_refused(data, image_format, words):
    with pytest.raises(ImageError, match=words):
        decode_compressed(np.frombuffer(data, np.uint8), image_format)


def test_truncated_jpeg_does_not_raise_anything_else():
    _, data = cv2.imencode('.jpg', smooth_rgb()[..., ::-1])
    for length in range(0, data.size, 37):
        try:
            decode_compressed(data.ravel()[:length], 'jpeg')
        except ImageError:
            continue

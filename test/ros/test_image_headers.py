"""A compressed image's size is known, and limited, before it is decoded."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from gemdepth_ros.errors import ImageError
from gemdepth_ros.geometry.image_headers import check_compressed_size
from gemdepth_ros.ros.image_formats import decode_compressed

SHAPE = (30, 52, 3)


def encoded(suffix, *options):
    image = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    return cv2.imencode(suffix, image, list(options))[1].ravel()


def png_claiming(width, height):
    chunk = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    data = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk
    return np.frombuffer(data + struct.pack('>I', zlib.crc32(chunk)), np.uint8)


def patched(data, place, layout, *values):
    result = data.copy()
    bytes_ = struct.pack(layout, *values)
    result[place : place + len(bytes_)] = np.frombuffer(bytes_, np.uint8)
    return result


KINDS = {
    'jpeg': encoded('.jpg'),
    'progressive': encoded('.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'png': encoded('.png'),
    'bmp': encoded('.bmp'),
    'webp': encoded('.webp', cv2.IMWRITE_WEBP_QUALITY, 80),
    'webp lossless': encoded('.webp', cv2.IMWRITE_WEBP_QUALITY, 101),
}


@pytest.mark.parametrize('kind', KINDS)
def test_good_images_are_taken(kind):
    check_compressed_size(KINDS[kind], kind)
    assert decode_compressed(KINDS[kind], kind).shape == SHAPE


def sof(data):
    """Place of the size in a JPEG's frame header."""
    for place in range(2, len(data) - 8):
        if data[place] == 0xFF and data[place + 1] in (0xC0, 0xC2):
            return place + 5
    raise AssertionError


@pytest.mark.parametrize(
    ('data', 'claim'),
    [
        (png_claiming(30000, 30000), '30000x30000'),
        (png_claiming(16384, 5000), '16384x5000'),
        (patched(KINDS['jpeg'], sof(KINDS['jpeg']), '>HH', 60000, 50000), '50000x60000'),
        (patched(KINDS['bmp'], 18, '<ii', 20000, -20000), '20000x20000'),
        (patched(KINDS['webp'], 26, '<HH', 16383, 16383), '16383x16383'),
    ],
)
def test_a_small_file_cannot_claim_a_huge_image(data, claim):
    with pytest.raises(ImageError, match=f'claims {claim} pixels; at most'):
        decode_compressed(data, 'jpeg')


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (KINDS['jpeg'][:10], 'ends before what its header states'),
        (KINDS['png'][:20], 'ends before what its header states'),
        (KINDS['bmp'][:20], 'ends before what its header states'),
        (KINDS['webp'][:20], 'ends before what its header states'),
        (np.frombuffer(b'\xff\xd8\xff\xe0\x00\x00\x00\x00\x00\x00', np.uint8), 'ends before'),
        (np.frombuffer(b'II*\x00rest of a TIFF', np.uint8), 'no JPEG, PNG, BMP or WebP'),
    ],
)
def test_headers_that_say_nothing_are_refused(data, words):
    with pytest.raises(ImageError, match=words):
        decode_compressed(data, 'jpeg')


def test_a_chunk_of_a_png_cannot_claim_more_than_the_file_has() -> None:
    """OpenCV would take 3.3 GB for this file of 200 bytes."""
    _, encoded = cv2.imencode('.png', np.zeros((8, 8), np.uint16))
    data = np.asarray(encoded).reshape(-1).copy()
    place = data.tobytes().index(b'IDAT') - 4
    check_compressed_size(data, 'png')
    data[place] = 0xC6
    with pytest.raises(ImageError, match='ends before what its header states'):
        check_compressed_size(data, 'png')

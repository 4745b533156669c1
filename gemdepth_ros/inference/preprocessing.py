"""From an RGB image to the network's input, exactly as the weights were trained."""

from __future__ import annotations

import math

import cv2
import numpy as np

from gemdepth_ros.errors import ImageError
from gemdepth_ros.interfaces import Float32Array, UInt8Array
from gemdepth_ros.model.config import PATCH_SIZE

# ImageNet statistics, in float64: the division below is done in double precision.
MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])
BRIGHTNESS = np.arange(256, dtype=np.float32) / np.float32(255.0)  # of each value of a byte
BLOCK_ROWS = 28
# Wider images than this get a smaller short side, so that the number of patches stays bounded.
WIDE_RATIO = 1.78
REFERENCE_RATIO = 1.777
MAX_PATCHES = 20_000  # about four times the published size on 16:9


def network_size(height: int, width: int, input_size: int) -> tuple[int, int]:
    """Return (height, width) of the network's input for an image.

    Both are multiples of 14; the aspect ratio is kept as nearly as that allows, and the short
    side is about ``input_size`` (less for images wider than 16:9).

    Raises:
        ImageError: the image is empty or so elongated that the input would not fit in memory.
    """
    if height < 1 or width < 1:
        raise ImageError(f'image must not be empty, got {width}x{height}')
    ratio = max(height, width) / min(height, width)
    short = input_size
    if ratio > WIDE_RATIO:
        short = round(int(input_size * REFERENCE_RATIO / ratio) / PATCH_SIZE) * PATCH_SIZE
        short = max(short, PATCH_SIZE)
    scale = max(short / height, short / width)
    size = (_side(scale * height, short), _side(scale * width, short))
    if size[0] * size[1] > MAX_PATCHES * PATCH_SIZE**2:
        raise ImageError(
            f'a {width}x{height} image at input_size {input_size} needs a network input of '
            f'{size[1]}x{size[0]}, too large: lower input_size'
        )
    return size


def _side(length: float, minimum: int) -> int:
    """Nearest multiple of 14 (halves to even), or the next one up if that is below minimum."""
    side = round(length / PATCH_SIZE) * PATCH_SIZE
    return side if side >= minimum else math.ceil(length / PATCH_SIZE) * PATCH_SIZE


def preprocess(image_rgb: UInt8Array, size: tuple[int, int]) -> Float32Array:
    """Resize and normalise one frame.

    The cubic resize works on floats without antialiasing and may leave [0, 1]: the network was
    trained on just that.

    Args:
        image_rgb: uint8 [H, W, 3].
        size: (height, width) from ``network_size``.

    Returns:
        float32 [3, height, width].
    """
    image = cv2.LUT(image_rgb, BRIGHTNESS)
    resized = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    result = np.empty((3, *size), np.float32)
    values = np.empty((BLOCK_ROWS, size[1]), np.float64)
    # Some rows of one plane at a time, which stay in the cache: a sixth of the time of one
    # expression over the whole.
    for first in range(0, size[0], BLOCK_ROWS):
        rows = resized[first : first + BLOCK_ROWS]
        block = values[: len(rows)]
        for channel in range(3):
            np.subtract(rows[..., channel], MEAN[channel], out=block, dtype=np.float64)
            np.divide(block, STD[channel], out=block)
            result[channel, first : first + BLOCK_ROWS] = block
    return result

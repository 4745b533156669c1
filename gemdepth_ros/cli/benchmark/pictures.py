"""Images for timing: of a camera's size, whose network input has exactly the size asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gemdepth_ros.errors import ConfigError, ImageError
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.interfaces import UInt8Array

KITTI = (375, 1242)  # what the first choice is for
SCALE = 8 / 3  # else the image is this much larger than the input, about as KITTI's is
COUNT = 8  # distinct images
LARGEST_INPUT = 4096


class Pictures:
    """An endless row of random images (their content does not change what they cost).

    Attributes:
        input_size: ``input_size`` that leads from these images to the network's input.

    Args:
        size: (height, width) of the network's input [px].

    Raises:
        ConfigError: no image leads to that size.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        image, self.input_size = image_for(size)
        generator = np.random.default_rng(0)
        self._images = generator.integers(0, 256, (COUNT, *image, 3), np.uint8)

    def __getitem__(self, number: int) -> UInt8Array:
        image: UInt8Array = self._images[number % COUNT]
        return image

    def endless(self) -> Iterator[UInt8Array]:
        """Yield images for ever."""
        number = 0
        while True:
            yield self[number]
            number += 1


def image_for(size: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """Return (height, width) of the images for a network input, and its ``input_size``.

    Raises:
        ConfigError: the resize rule never gives that size.
    """
    scaled = round(SCALE * size[0]), round(SCALE * size[1])
    for image in (KITTI, scaled):
        for input_size in range(14, LARGEST_INPUT):
            try:
                found = network_size(*image, input_size)
            except ImageError:  # larger than any size to come
                break
            if found == size:
                return image, input_size
            if found[0] > size[0]:
                break
    raise ConfigError(
        f'no image leads to a network input of {size[0]}x{size[1]}: both sides must be multiples '
        'of 14, such as 98x322, 140x462, 280x924 or 294x518'
    )

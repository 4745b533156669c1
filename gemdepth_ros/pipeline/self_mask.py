"""The part of the image in which the vehicle sees itself (a bonnet, a mast): never depth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gemdepth_ros.errors import ConfigError

BoolArray = npt.NDArray[np.bool_]


def load_self_mask(path: Path | str) -> BoolArray:
    """Read a mask image: **white (non-zero) is the vehicle**, black is the world.

    Returns:
        bool [H, W], True where depth must be unknown.

    Raises:
        ConfigError: the file is missing or no image, has a grey that is neither nearly black nor
            nearly white (a photograph, perhaps), or masks everything.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ConfigError(f'cannot read the self-mask {path}: {error.strerror}') from error
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if image is None:
        raise ConfigError(f'the self-mask {path} is no image that can be read; save it as PNG')
    values = np.asarray(image)
    # 0 and 1, as programs write masks, is meant as black and white.
    if values.max() > 1 and ((values > 50) & (values < 205)).mean() > 0.05:
        raise ConfigError(
            f'the self-mask {path} has greys; it must be white where the vehicle is and black '
            'elsewhere'
        )
    mask = values > (0 if values.max() <= 1 else 127)
    if mask.all():
        raise ConfigError(
            f'the self-mask {path} is white everywhere, so no depth would remain; white is the '
            'vehicle, black the world'
        )
    return mask


def check_self_mask(mask: BoolArray, height: int, width: int) -> None:
    """Raise ``ConfigError`` unless the mask has the (rectified) image's size."""
    if mask.shape != (height, width):
        raise ConfigError(
            f'the self-mask is {mask.shape[1]}x{mask.shape[0]} but the image is {width}x{height}; '
            'draw it on a rectified image of the camera'
        )


def hide(depth: Tensor, mask: Tensor) -> Tensor:
    """Return depth [H, W] with NaN where a mask, bool [H, W] on the same device, is True."""
    return depth.masked_fill(mask, torch.nan)

"""What happens to the pictures of a clip: cut, resize, change light and colour, add noise."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from gemdepth_ros.interfaces import Float32Array, UInt8Array
from gemdepth_ros.training.config import ClipConfig

MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of ImageNet, as at inference
STD = np.array([0.229, 0.224, 0.225], np.float32)
GREY = np.array([0.299, 0.587, 0.114], np.float32)
# Inference resizes with cubic filters and no antialiasing: training must know those pictures too.
FILTERS = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)

Window = tuple[int, int, int, int]


def crop_window(crop: tuple[float, float, float, float], height: int, width: int) -> Window:
    """Return left, top, right, bottom [px] of a part of a picture; at least one pixel."""
    left, top = round(crop[0] * width), round(crop[1] * height)
    right = max(left + 1, min(width, left + round(crop[2] * width)))
    bottom = max(top + 1, min(height, top + round(crop[3] * height)))
    return left, top, right, bottom


def cut_disparity(
    inverse_depth: npt.NDArray[np.float16], window: Window, size: tuple[int, int]
) -> Float32Array:
    """Cut and resize truth to the nearest pixel: nothing lies between an edge's two sides.

    Args:
        inverse_depth: [T, H, W].
        window: from ``crop_window``.
        size: (height, width) of the result.

    Returns:
        float32 [T, height, width].
    """
    left, top, right, bottom = window
    rows, columns = (
        start + ((np.arange(out) + 0.5) * ((end - start) / out)).astype(np.int64)
        for start, end, out in ((top, bottom, size[0]), (left, right, size[1]))
    )
    return inverse_depth[:, rows[:, np.newaxis], columns].astype(np.float32)


def cut_images(
    images: UInt8Array, window: Window, size: tuple[int, int], random: np.random.Generator
) -> Float32Array:
    """Cut and resize pictures with one filter for the clip; float32 [T, height, width, 3]."""
    left, top, right, bottom = window
    chosen = FILTERS[int(random.integers(len(FILTERS)))]
    shape = (size[1], size[0])
    resized = [
        cv2.resize(image[top:bottom, left:right], shape, interpolation=chosen) for image in images
    ]
    return np.stack(resized).astype(np.float32) / np.float32(255.0)


def change_light(
    images_THW3: Float32Array, clips: ClipConfig, random: np.random.Generator
) -> Float32Array:
    """Change brightness, contrast and colours of a clip, drift a little, add noise to each frame.

    Args:
        images_THW3: in 0 .. 1; changed in place.
        clips: limits of the changes.
        random: draws the changes.

    Returns:
        The same array, in 0 .. 1.
    """

    def around_one(limit: float, *shape: int) -> Float32Array:
        factors: Float32Array = np.exp(
            random.uniform(-1, 1, shape) * np.log1p(limit), dtype=np.float32
        )
        return factors

    frames = len(images_THW3)
    gain = around_one(clips.brightness, 1) * around_one(clips.brightness / 4, 3)
    drift = np.linspace(0, random.uniform(-1, 1) * clips.drift, frames, dtype=np.float32)
    images_THW3 *= gain * (1 + drift)[:, None, None, None]
    mean = images_THW3[0].mean()
    images_THW3 -= mean
    images_THW3 *= around_one(clips.contrast, 1)
    images_THW3 += mean
    saturation = around_one(clips.saturation, 1) * (random.random() > 0.1 * clips.saturation)
    grey = (images_THW3 @ GREY)[..., None]
    images_THW3 = grey + (images_THW3 - grey) * saturation.astype(np.float32)
    sigma = np.float32(random.uniform(0, clips.noise))
    images_THW3 += sigma * random.standard_normal(images_THW3.shape, np.float32)
    clipped: Float32Array = np.clip(images_THW3, 0.0, 1.0, out=images_THW3)
    return clipped


def normalise(images_THW3: Float32Array) -> Float32Array:
    """Return the network's input, float32 [T, 3, H, W]."""
    return np.ascontiguousarray(((images_THW3 - MEAN) / STD).transpose(0, 3, 1, 2))

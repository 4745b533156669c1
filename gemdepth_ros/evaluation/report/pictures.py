"""Image, depth, truth and error of one frame as pictures with one scale of colours."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

import cv2
import numpy as np

from gemdepth_ros.errors import ImageError
from gemdepth_ros.evaluation.samples import SampleFrame
from gemdepth_ros.interfaces import Float32Array, UInt8Array

DEPTH_COLOURS = cv2.COLORMAP_VIRIDIS  # even steps of brightness: readable without colour
ERROR_COLOURS = cv2.COLORMAP_MAGMA
MAX_ERROR = 0.5  # relative; brighter there is no more
NOTHING = 58  # grey of pixels without a value
SPARSE = 0.3  # share of known pixels below which points are drawn larger
LEGEND_STEPS = 9


@dataclass(frozen=True)
class Picture:
    """One picture of the page.

    Attributes:
        title: above it.
        text: what it shows, for those who do not see it.
        source: address with the content in it.
    """

    title: str
    text: str
    source: str


@dataclass(frozen=True)
class Legend:
    """A bar of colours.

    Attributes:
        colours: from left to right, as CSS knows them.
        labels: from left to right.
        title: what the colours mean, with the unit.
    """

    colours: tuple[str, ...]
    labels: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class FramePictures:
    """The pictures of one frame.

    Attributes:
        title: which frame.
        pictures: side by side.
    """

    title: str
    pictures: tuple[Picture, ...]


def depth_range(samples: list[SampleFrame]) -> tuple[float, float]:
    """Return the nearest and the farthest depth of the colours [m], one for all frames."""
    maps = [m for s in samples for m in (s.depth_m, s.truth_m) if m is not None]
    known = [m[np.isfinite(m) & (m > 0)] for m in maps]
    values = np.concatenate(known) if known else np.empty(0)
    if not values.size:
        return 1.0, 10.0
    near, far = (float(v) for v in np.percentile(values, (1, 99)))
    return near, max(far, 1.01 * near)


def frame_pictures(
    sample: SampleFrame, near_m: float, far_m: float, start_ns: int
) -> FramePictures:
    """Return image, depth, truth and error of one frame.

    Args:
        sample: the frame.
        near_m: depth of the brightest colour [m].
        far_m: depth of the darkest colour [m].
        start_ns: stamp of the recording's first frame [ns].
    """
    where = f'frame {sample.index}, {(sample.stamp_ns - start_ns) / 1e9:.2f} s'
    pictures = [
        Picture('image', f'camera image of {where}', _jpeg(sample.image_rgb)),
        Picture(
            'predicted depth',
            f'predicted depth of {where}, bright is near',
            _png(depth_colours(sample.depth_m, near_m, far_m)),
        ),
    ]
    if sample.truth_m is not None:
        truth = depth_colours(sample.truth_m, near_m, far_m)
        error = relative_error(sample.depth_m, sample.truth_m)
        mean = float(np.mean(error[np.isfinite(error)])) if np.isfinite(error).any() else math.nan
        pictures += [
            Picture('true depth', f'true depth of {where}', _png(truth)),
            Picture(
                f'relative error, mean {100 * mean:.1f} %' if mean == mean else 'relative error',
                f'relative error of the depth of {where}, bright is wrong',
                _png(_coloured(error / MAX_ERROR, ERROR_COLOURS)),
            ),
        ]
    return FramePictures(where, tuple(pictures))


def relative_error(depth_m: Float32Array, truth_m: Float32Array) -> Float32Array:
    """Return |depth - truth| / truth, float32 [H, W]; NaN where either is unknown."""
    known = np.isfinite(truth_m) & (truth_m > 0) & ~np.isnan(depth_m)
    error = np.full(truth_m.shape, np.nan, np.float32)
    error[known] = np.abs(depth_m[known] - truth_m[known]) / truth_m[known]
    return error


def depth_colours(depth_m: Float32Array, near_m: float, far_m: float) -> UInt8Array:
    """Return depth as colours in steps of equal ratio, bright is near, uint8 RGB [H, W, 3]."""
    with np.errstate(invalid='ignore', divide='ignore'):
        share = np.log(far_m / depth_m) / math.log(far_m / near_m)
    share[depth_m == np.inf] = 0
    return _coloured(share, DEPTH_COLOURS)


def depth_legend(near_m: float, far_m: float) -> Legend:
    """Return the colours of depth."""
    ratio = far_m / near_m
    labels = [f'{near_m * ratio**share:.3g}' for share in (0, 0.25, 0.5, 0.75, 1)]
    return Legend(_steps(DEPTH_COLOURS)[::-1], tuple(labels), 'depth [m]')


def error_legend() -> Legend:
    """Return the colours of the error."""
    labels = [f'{100 * MAX_ERROR * share:g}' for share in (0, 0.25, 0.5, 0.75)]
    top = f'≥ {100 * MAX_ERROR:g}'
    return Legend(_steps(ERROR_COLOURS), (*labels, top), 'relative error [%]')


def _coloured(share: Float32Array, colours: int) -> UInt8Array:
    """Colours of 0..1, grey where not finite; sparse points become 3 x 3 pixels."""
    known = np.isfinite(share)
    levels = (255 * np.clip(np.where(known, share, 0), 0, 1)).astype(np.uint8)
    if 0 < known.mean() < SPARSE:
        # The largest of the neighbours, which for depth is the nearest.
        marked = np.where(known, levels.astype(np.int16) + 1, 0)
        marked = cv2.dilate(marked, np.ones((3, 3), np.uint8))
        known, levels = marked > 0, np.maximum(marked - 1, 0).astype(np.uint8)
    rgb = cv2.cvtColor(cv2.applyColorMap(levels, colours), cv2.COLOR_BGR2RGB)
    rgb[~known] = NOTHING
    return rgb.astype(np.uint8, copy=False)


def _steps(colours: int) -> tuple[str, ...]:
    levels = np.linspace(0, 255, LEGEND_STEPS).astype(np.uint8).reshape(1, -1)
    bgr = cv2.applyColorMap(levels, colours)[0]
    return tuple(f'#{r:02x}{g:02x}{b:02x}' for b, g, r in bgr.tolist())


def _jpeg(rgb: UInt8Array) -> str:
    return _encoded(rgb, '.jpg', 'image/jpeg', [cv2.IMWRITE_JPEG_QUALITY, 82])


def _png(rgb: UInt8Array) -> str:
    return _encoded(rgb, '.png', 'image/png', [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _encoded(rgb: UInt8Array, suffix: str, kind: str, options: list[int]) -> str:
    done, data = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ImageError(f'this OpenCV cannot write {suffix} pictures of {rgb.shape}')
    return f'data:{kind};base64,{base64.b64encode(data.tobytes()).decode()}'

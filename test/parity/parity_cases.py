"""Every case of the reference, as rows (case, tensor, relative L2)."""

from __future__ import annotations

import contextlib
import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from parity_capture import capture
from parity_reference import (
    Arrays,
    golden_inputs,
    golden_model,
    golden_small,
    load_arrays,
    load_json,
)
from parity_rows import Row, beyond_rounding, relative_l2
from parity_windows import window_rows

from gemdepth_ros.inference import WindowedPredictor, WindowedResult, stitching
from gemdepth_ros.inference.preprocessing import network_size, preprocess
from gemdepth_ros.model import GemDepth

# In a batch the published code gives a clip the scale of another one; these tensors of the batch
# case carry that mistake. Its ``inject_depth_alone`` is each clip by itself, and is what counts.
MIXED_BETWEEN_CLIPS = (
    'inject_astt_input',
    'inject_astt_middle',
    'inject_astt_output',
    'inject_depth',
    'inject_pose_scale_feature',
    'inject_pose_scale_input',
)


def clip_rows(
    case: str, model: GemDepth, reference: Arrays, left_out: Sequence[str] = ()
) -> Iterator[Row]:
    """Every tensor of a reference clip; a tensor that we cannot name is an error."""
    found = capture(model, torch.from_numpy(golden_inputs.normalised(reference['video'])))
    for name, expected in reference.items():
        if name != 'video' and name not in left_out:
            yield Row(case, name, relative_l2(found[name], expected))


def small_rows(case: str) -> Iterator[Row]:
    """One clip through the small network."""
    yield from clip_rows(case, golden_small(), load_arrays(f'{case}.npz'))


def batch_rows(case: str) -> Iterator[Row]:
    """Two clips at once: each must come out as if it were alone."""
    reference = load_arrays(f'{case}.npz')
    alone = reference.pop('inject_depth_alone')
    model = golden_small()
    yield from clip_rows(case, model, reference, MIXED_BETWEEN_CLIPS)
    images = torch.from_numpy(golden_inputs.normalised(reference['video']))
    with torch.inference_mode():
        both = model(images).disparity_BTHW
        yield Row(case, 'inject_depth_alone (in the batch)', relative_l2(both, alone))
        for clip in range(len(images)):
            single = model(images[clip : clip + 1]).disparity_BTHW
            error = relative_l2(single, alone[clip : clip + 1])
            yield Row(case, f'inject_depth_alone (clip {clip} alone)', error)


def vitl_rows(case: str) -> Iterator[Row]:
    """The published size. Needs 6 GB of memory."""
    reference = load_arrays(f'{case}.npz')
    yield from clip_rows(case, golden_model('vitl'), reference)


def preprocess_rows(case: str) -> Iterator[Row]:
    """Frames to network tensors, and the sizes of those."""
    reference = load_arrays('preprocess.npz')
    for kind in ('down', 'up'):
        expected = reference[f'{kind}_tensor']
        size = (expected.shape[1], expected.shape[2])
        found = preprocess(reference[f'{kind}_frame'], size)
        yield Row(case, f'{kind}_tensor', relative_l2(found, expected))


def resize_rows(case: str) -> Iterator[Row]:
    """The rule for the network's input size."""
    for (height, width, input_size), expected in load_json('resize_cases.json'):
        found = network_size(height, width, input_size)
        yield Row(case, f'{height}x{width} at {input_size}', relative_l2(found, expected))


@contextlib.contextmanager
def _recorded_fits() -> Iterator[list[tuple[float, float]]]:
    """Collect the scale and shift of every seam."""
    fits: list[tuple[float, float]] = []
    original = stitching.fit_scale_shift

    def fit(*maps: Any) -> tuple[float, float]:
        fits.append(original(*maps))
        return fits[-1]

    with mock.patch.object(stitching, 'fit_scale_shift', fit):
        yield fits


@functools.cache
def _video() -> tuple[WindowedResult, list[tuple[float, float]], int]:
    """The reference's video of 70 frames through four windows; its checksum."""
    video = golden_inputs.clip(70, 90, 160, 6)
    with _recorded_fits() as fits:
        result = WindowedPredictor(golden_small()).predict(video, input_size=70)
    return result, fits, zlib.crc32(video.tobytes())


def video_rows(case: str) -> Iterator[Row]:
    """A whole video: stitched depth, and per seam scale and shift."""
    reference = load_arrays(f'{case}.npz')
    result, fits, checksum = _video()
    yield Row(case, 'video_crc32', float(checksum != reference['video_crc32']))
    for seam, expected in enumerate(reference['scale_shift']):
        yield Row(case, f'scale_shift (seam {seam})', relative_l2(fits[seam], expected))
    frames = reference['float32_frames']
    depth = result.disparity_THW
    yield Row(case, 'depth_float32', relative_l2(depth[frames], reference['depth_float32']))
    if 'depth_float16' in reference:
        outside = beyond_rounding(depth, reference['depth_float16'])
        yield Row(case, 'depth_float16, all frames (beyond its rounding)', outside)
    for name, found in (
        ('extrinsic', result.camera_from_world),
        ('intrinsic', result.intrinsics),
    ):
        if name in reference:
            yield Row(case, name, relative_l2(found, reference[name]))


CASES: dict[str, Callable[[str], Iterator[Row]]] = {
    'small_b1_t4_70x98': small_rows,
    'small_b1_t8_56x126': small_rows,
    'small_b2_t3_56x70': batch_rows,
    'vitl_b1_t2_56x70': vitl_rows,
    'preprocess': preprocess_rows,
    'resize_cases': resize_rows,
    'stitching': window_rows,
    'video_depth': video_rows,
    'video_geometry': video_rows,
}

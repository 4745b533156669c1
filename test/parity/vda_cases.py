"""Every case of the reference of Video Depth Anything, as rows (case, tensor, largest error)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import torch
from parity_reference import Arrays
from torch import Tensor, nn
from vda_reference import (
    VdaRow,
    golden_vda,
    golden_vda_small,
    row,
    vda_arrays,
    vda_json,
)
from vda_stream_cases import stream_rows

from gemdepth_ros.inference import WindowConfig, WindowedPredictor
from gemdepth_ros.inference.preprocessing import network_size, preprocess
from gemdepth_ros.inference.stitching import Stitcher, fit_checked, fit_scale_shift
from gemdepth_ros.model import VideoDepthAnything

# What the published code calls a module, and our module whose result it is.
TAPS: dict[str, Callable[[VideoDepthAnything], nn.Module]] = {
    'pretrained.patch_embed': lambda m: m.encoder.patch_embed,
    'pretrained.blocks.0': lambda m: m.encoder.blocks[0],
    'head.resize_layers.0': lambda m: m.head.resizes[0],
    'head.scratch.refinenet4': lambda m: m.head.fusions[3],
    'head.scratch.output_conv1': lambda m: m.head.output_conv1,
    **{f'head.motion_modules.{i}': lambda m, i=i: m.head.motion_modules[i] for i in range(4)},
}


def normalised(frames_THWC: Any) -> Tensor:
    """Frames of the network's size as its input, [1, T, 3, H, W]."""
    frames = [preprocess(frame, frame.shape[:2]) for frame in frames_THWC]
    return torch.from_numpy(np.stack(frames))[None]


@contextlib.contextmanager
def _recorded(model: VideoDepthAnything) -> Iterator[dict[str, list[Tensor]]]:
    """Collect every result of the tapped modules."""
    found: dict[str, list[Tensor]] = {name: [] for name in TAPS}

    def hook(name: str) -> Any:
        return lambda module, args, result: found[name].append(result)

    handles = [of(model).register_forward_hook(hook(name)) for name, of in TAPS.items()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _like_reference(name: str, values: Tensor) -> Tensor:
    """Cut a tapped result as the reference is: one frame, or every fourth channel of a clip."""
    if 'motion_modules' in name:
        return values[:, ::4].transpose(0, 1)[None]
    if name.endswith('output_conv1'):
        return values[1:2, ::4]
    return values[:1]


def tapped_rows(case: str) -> Iterator[VdaRow]:
    """Four frames with all that the reference recorded of the way."""
    reference, model = vda_arrays(f'{case}.npz'), golden_vda_small()
    images = normalised(reference['frames_u8'])
    with _recorded(model) as found, torch.inference_mode():
        yield row(case, 'output', model(images).maps_BTHW, reference['output'])
        levels = model.encode(images[0])
        positions = model.encoder.position_table(5, 7)
    yield row(case, 'pos_embed_5x7', positions, reference['pos_embed_5x7'][:, 1:])
    for index, level in enumerate(levels):
        name = f'encoder_layer{index}_tokens_frame0'
        yield row(case, name, level[0], reference[name])
    for name in TAPS:
        values = _like_reference(name, found[name][0])
        yield row(case, name, values, reference[f'tap:{name}'])


def forward_rows(case: str) -> Iterator[VdaRow]:
    """A clip through a network of the size that the case names."""
    reference = vda_arrays(f'{case}.npz')
    size = {'vits': 'small', 'vitb': 'base', 'vitl': 'large'}[case.split('_')[1]]
    model = golden_vda_small() if size == 'small' else golden_vda(size)
    images = normalised(reference['frames_u8'])
    with torch.inference_mode():
        yield row(case, 'output', model(images).maps_BTHW, reference['output'])
        if 'output_t1' in reference:
            alone = model(images[:, :1]).maps_BTHW
            yield row(case, 'output_t1', alone, reference['output_t1'])


def resize_rows(case: str) -> Iterator[VdaRow]:
    """The rule for the network's input size."""
    for height, width, input_size, _, *expected in vda_json('vda_resize_sizes.json')['rows']:
        found = network_size(height, width, input_size)
        yield row(case, f'{height}x{width} at {input_size}', found, expected)


def alignment_rows(case: str) -> Iterator[VdaRow]:
    """Scale and shift alone, as published; the checked fit wherever it takes one."""
    reference = vda_arrays(f'{case}.npz')
    expected = reference['scale_shift']
    for index, (source, target) in enumerate(
        zip(reference['pred'], reference['target'], strict=True)
    ):
        fit = fit_scale_shift(source, target)
        yield row(case, f'published fit {index}', fit, expected[index])
        checked = fit_checked(source, target)
        if checked is not None:
            yield row(case, f'checked fit {index}', checked, expected[index])
    weight = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None]
    blended = (1 - weight) * reference['blend_pre'] + weight * reference['blend_post']
    yield row(case, 'blend', blended, reference['blend_out'])


def _clip() -> Any:
    return vda_arrays('clip70_90x160_u8.npz')['frames']


def offline_rows(case: str) -> Iterator[VdaRow]:
    """70 frames through four windows, aligned as we do; the same windows aligned as published."""
    reference = vda_arrays(f'{case}.npz')
    windows: list[Any] = []
    outputs: list[Tensor] = []
    add, decode = Stitcher.add, VideoDepthAnything.decode

    def recorded_window(stitcher: Stitcher, window: Any) -> Any:
        windows.append(window)
        return add(stitcher, window)

    def recorded_output(model: VideoDepthAnything, *args: Any, **kwargs: Any) -> Any:
        output = decode(model, *args, **kwargs)
        outputs.append(output.maps_BTHW[0, :, ::7, ::7])
        return output

    with (
        mock.patch.object(Stitcher, 'add', recorded_window),
        mock.patch.object(VideoDepthAnything, 'decode', recorded_output),
    ):
        predictor = WindowedPredictor(golden_vda_small())
        maps = predictor.predict(_clip(), input_size=70).disparity_THW
    name = 'window_net_output_stride7'
    yield row(case, name, torch.stack(outputs), reference[name])
    yield from _offline(case, 'checked: ', maps, reference)
    yield row(case, 'checked: full maps', maps[reference['full_index']], reference['depth_full'])
    stitcher, parts = Stitcher(WindowConfig(), 'published'), []
    for index, window in enumerate(windows):
        parts.append(stitcher.add(window))
        if index:
            expected = reference['scale_shift'][index - 1]
            yield row(case, f'published: scale, shift {index}', stitcher.last_fit, expected)
    maps = np.concatenate([*parts, stitcher.finish()])[: len(maps)]
    yield from _offline(case, 'published: ', maps, reference)
    yield row(case, 'published: full maps', maps[reference['full_index']], reference['depth_full'])


def offline_metric_rows(case: str) -> Iterator[VdaRow]:
    """The same with metric weights: depth in metres, windows blended but not aligned."""
    reference = vda_arrays(f'{case}.npz')
    predictor = WindowedPredictor(golden_vda('small', metric=True))
    depth = predictor.predict(_clip(), input_size=70).depth_m_THW
    assert depth is not None
    yield from _offline(case, '', depth, reference)


def _offline(case: str, prefix: str, maps: Any, reference: Arrays) -> Iterator[VdaRow]:
    yield row(case, f'{prefix}every 5th pixel', maps[:, ::5, ::5], reference['depth_stride5'])
    means = maps.mean(axis=(1, 2), dtype=np.float64)
    yield row(case, f'{prefix}means', means, reference['frame_mean'])
    yield row(case, f'{prefix}maxima', maps.max(axis=(1, 2)), reference['frame_max'])


def shape_rows(case: str) -> Iterator[VdaRow]:
    """A video shorter than a window, a wide one and a rotated one."""
    reference, clip = vda_arrays(f'{case}.npz'), _clip()
    predictor = WindowedPredictor(golden_vda_small())
    rotated = np.ascontiguousarray(np.rot90(clip[:3], axes=(1, 2))[:, 60:120])
    for name, frames, input_size, step in (
        ('five_frames', clip[:5], 70, 3),
        ('wide_48x160_in98', clip[:3, 20:68], 98, 2),
        ('tall_in56', rotated, 56, 2),
    ):
        maps = predictor.predict(np.ascontiguousarray(frames), input_size).disparity_THW
        yield row(case, name, maps[:, ::step, ::step], reference[name])


CASES: dict[str, Callable[[str], Iterator[VdaRow]]] = {
    'vda_vits_forward_t4_70x98': tapped_rows,
    'vda_vits_forward_t32_56x56': forward_rows,
    'vda_vitb_forward_t3_42x56': forward_rows,
    'vda_vitl_forward_t3_42x56': forward_rows,
    'vda_resize_sizes': resize_rows,
    'vda_alignment_units': alignment_rows,
    'vda_vits_offline_70f_90x160_in70': offline_rows,
    'vda_vits_offline_metric_70f_90x160_in70': offline_metric_rows,
    'vda_vits_offline_shapes': shape_rows,
    'vda_vits_stream_46f_90x160_in70': stream_rows,
}

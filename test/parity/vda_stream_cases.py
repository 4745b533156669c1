"""The streaming case: window ids, hidden states and maps of 46 frames, in both forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from vda_reference import VdaRow, golden_vda_small, row, vda_arrays

from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.inference.encoded import EncodedFrame, PatchGrid
from gemdepth_ros.inference.preprocessing import network_size, preprocess
from gemdepth_ros.inference.vda import VdaStreamEngine
from gemdepth_ros.inference.vda.stores import HiddenStates
from gemdepth_ros.model.dpt_head import resize

FRAME_SIZE, INPUT_SIZE = (90, 160), 70
FORMS = {'published_stream': True, 'causal': False}


@torch.inference_mode()
def stream_rows(case: str) -> Iterator[VdaRow]:
    """Every frame's map and window; the published form's hidden states as well."""
    reference = vda_arrays(f'{case}.npz')
    clip = vda_arrays('clip70_90x160_u8.npz')['frames'][: len(reference['frame_mean'])]
    for mode, published in FORMS.items():
        maps, ids, lengths = [], [], []
        for number, engine, disparity in _stream(clip, published=published):
            maps.append(resize(disparity[None, None], FRAME_SIZE)[0, 0].numpy())
            ids.append(engine.window_numbers)
            lengths.append(engine.kept_frames)
            if published and f'hidden_f{number}_0' in reference:
                yield from _hidden_rows(case, number, engine, reference)
        stack = np.stack(maps)
        yield row(case, f'{mode}: window ids', ids[1:], reference['window_frame_ids'][1:])
        if published:
            yield row(case, f'{mode}: cache lengths', lengths, reference['cache_length'])
        coarse = stack[:, ::5, ::5]
        yield row(case, f'{mode}: every 5th pixel', coarse, reference['depth_stride5'])
        chosen = stack[reference['full_index']]
        yield row(case, f'{mode}: full maps', chosen, reference['depth_full'])
        means = stack.mean(axis=(1, 2), dtype=np.float64)
        yield row(case, f'{mode}: means', means, reference['frame_mean'])


def _stream(clip: Any, *, published: bool) -> Iterator[tuple[int, VdaStreamEngine, torch.Tensor]]:
    """Number, engine and map of every frame."""
    model, size = golden_vda_small(), network_size(*FRAME_SIZE, INPUT_SIZE)
    grid = PatchGrid.of_encoder(model, size)
    memory = StreamingConfig().alignment_memory
    engine = VdaStreamEngine(model, grid, 32, memory, published=published)
    for number, frame in enumerate(clip):
        image = torch.from_numpy(preprocess(frame, size))[None]
        first, second, third, fourth = model.encode(image, grid.encoder_positions_1LC)
        encoded = EncodedFrame(number, (first, second, third, fourth))
        yield number, engine, engine.step(encoded).disparity_HW


def _hidden_rows(
    case: str, number: int, engine: VdaStreamEngine, reference: Any
) -> Iterator[VdaRow]:
    """Hidden states of one frame in all attentions; every 4th location and channel is recorded."""
    stores = [store for of_module in engine.stores for store in of_module]
    for index, store in enumerate(stores):
        assert isinstance(store, HiddenStates)
        assert store.newest_S1C is not None
        name = f'hidden_f{number}_{index}'
        yield row(case, name, store.newest_S1C[::4, :, ::4], reference[name])

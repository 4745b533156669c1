"""The parity check can fail: each known mistake lands far above the tolerance."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import pytest
import torch
from parity_reference import golden_inputs, golden_small, load_arrays
from parity_rows import TOLERANCE, relative_l2
from torch import nn
from torch.nn import functional as F

from gemdepth_ros.model import GemDepth, geometry_embedding, spatio_temporal
from gemdepth_ros.model.dinov2 import Dinov2
from gemdepth_ros.model.layers.attention import Attention
from gemdepth_ros.model.layers.rope import RopeTables, rope_tables

CLEARLY = 10 * TOLERANCE


def depth_error(model: GemDepth) -> float:
    """Relative L2 of the depth of the carried case."""
    reference = load_arrays('small_b1_t4_70x98.npz')
    images = torch.from_numpy(golden_inputs.normalised(reference['video']))
    with torch.inference_mode():
        return relative_l2(model(images).disparity_BTHW, reference['inject_depth'])


def gelu_by_tanh(model: GemDepth) -> AbstractContextManager[Any]:
    return mock.patch.object(F, 'gelu', functools.partial(F.gelu, approximate='tanh'))


@contextlib.contextmanager
def eps_1e_5_everywhere(model: GemDepth) -> Iterator[None]:
    norms = [m for m in model.modules() if isinstance(m, nn.LayerNorm | nn.GroupNorm)]
    published = [norm.eps for norm in norms]
    for norm in norms:
        norm.eps = 1e-5
    yield
    for norm, eps in zip(norms, published, strict=True):
        norm.eps = eps


def softmax_scale_of_one_eighth(model: GemDepth) -> AbstractContextManager[Any]:
    """The scale of a head of 64 channels in all attention, whatever the head's width."""
    attention = functools.partial(F.scaled_dot_product_attention, scale=0.125)
    return mock.patch.object(F, 'scaled_dot_product_attention', attention)


def _swapped_tables(*args: Any, **kwargs: Any) -> RopeTables:
    cos, sin = rope_tables(*args, **kwargs)
    half = cos.shape[1] // 2
    return RopeTables(cos.roll(half, dims=1), sin.roll(half, dims=1))


def rope_axes_swapped_in_gem(model: GemDepth) -> AbstractContextManager[Any]:
    return mock.patch.object(geometry_embedding, 'rope_tables', _swapped_tables)


def rope_axes_swapped_in_astt(model: GemDepth) -> AbstractContextManager[Any]:
    return mock.patch.object(spatio_temporal, 'rope_tables', _swapped_tables)


@contextlib.contextmanager
def no_query_key_norm(model: GemDepth) -> Iterator[None]:
    layers = [m for m in model.geometry.modules() if isinstance(m, Attention)]
    published = [(layer.q_norm, layer.k_norm) for layer in layers]
    for layer in layers:
        layer.q_norm = layer.k_norm = nn.Identity()
    yield
    for layer, (q_norm, k_norm) in zip(layers, published, strict=True):
        layer.q_norm, layer.k_norm = q_norm, k_norm


def position_table_resized_to_a_size(model: GemDepth) -> AbstractContextManager[Any]:
    def by_size(self: Dinov2, rows: int, columns: int) -> torch.Tensor:
        grid = self.pos_embed[:, 1:].unflatten(1, (37, 37)).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(rows, columns), mode='bicubic', align_corners=False)
        return grid.flatten(2).transpose(1, 2)

    return mock.patch.object(Dinov2, 'position_table', by_size)


def no_index_embedding(model: GemDepth) -> AbstractContextManager[Any]:
    return mock.patch.object(model.astt, 'index_table', torch.zeros_like(model.astt.index_table))


def no_slot_position_in_motion(model: GemDepth) -> AbstractContextManager[Any]:
    attention = model.head.motion_modules[2].attentions[1]
    return mock.patch.object(attention, 'position', torch.zeros_like(attention.position))


MUTATIONS: tuple[Callable[[GemDepth], AbstractContextManager[Any]], ...] = (
    gelu_by_tanh,
    eps_1e_5_everywhere,
    softmax_scale_of_one_eighth,
    rope_axes_swapped_in_gem,
    rope_axes_swapped_in_astt,
    no_query_key_norm,
    position_table_resized_to_a_size,
    no_index_embedding,
    no_slot_position_in_motion,
)


@pytest.mark.parametrize('mutation', MUTATIONS, ids=lambda m: m.__name__)
def test_mutation_is_seen(mutation: Callable[[GemDepth], AbstractContextManager[Any]]) -> None:
    model = golden_small()
    with mutation(model):
        error = depth_error(model)
    assert error > CLEARLY
    assert depth_error(model) < TOLERANCE  # and the network is as before

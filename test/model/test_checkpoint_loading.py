"""Loading loses nothing without a word: every tensor is used, known, or an error that names it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from published import images, whole_state

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.model import GemDepth, GemDepthConfig, build_gemdepth
from gemdepth_ros.model.checkpoint import checkpoint_layout, published_state

TABLE = (
    'head.motion_modules.0.temporal_transformer.transformer_blocks.0.'
    'attention_blocks.0.pos_encoder.pe'
)


def equal_parameters(a: GemDepth, b: GemDepth) -> bool:
    pairs = zip(a.named_parameters(), b.named_parameters(), strict=True)
    return all(m == n and torch.equal(p, q) for (m, p), (n, q) in pairs)


def test_round_trip_through_the_published_names(tiny_model: GemDepth) -> None:
    loaded = build_gemdepth(tiny_model.config, published_state(tiny_model))
    assert equal_parameters(loaded, tiny_model)
    with torch.inference_mode():
        ours, theirs = (m(images(1, 3)).disparity_BTHW for m in (loaded, tiny_model))
    assert torch.equal(ours, theirs)


def test_a_whole_published_state_is_accepted(tiny_model: GemDepth) -> None:
    assert equal_parameters(build_gemdepth(tiny_model.config, whole_state(tiny_model)), tiny_model)


def test_unused_tensors_do_not_change_the_output(tiny_model: GemDepth) -> None:
    state = whole_state(tiny_model)
    for name in checkpoint_layout(tiny_model.config).unused:
        state[name] = torch.full_like(state[name], torch.nan)
    assert equal_parameters(build_gemdepth(tiny_model.config, state), tiny_model)


def test_numpy_arrays_and_other_precisions_load(tiny_model: GemDepth) -> None:
    state = {n: t.double().numpy() for n, t in published_state(tiny_model).items()}
    assert equal_parameters(build_gemdepth(tiny_model.config, state), tiny_model)


def test_parameters_that_want_gradients_load(tiny_config: GemDepthConfig) -> None:
    trained = build_gemdepth(tiny_config).requires_grad_(True)
    names = published_state(trained).keys()
    state = dict(zip(names, trained.parameters(), strict=True))
    loaded = build_gemdepth(tiny_config, state)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert equal_parameters(loaded, trained)


def test_the_network_does_not_share_memory_with_the_mapping(tiny_model: GemDepth) -> None:
    state = {name: tensor.clone() for name, tensor in published_state(tiny_model).items()}
    loaded = build_gemdepth(tiny_model.config, state)
    for tensor in state.values():
        tensor.zero_()
    assert equal_parameters(loaded, tiny_model)


def test_missing_tensors_are_named(tiny_model: GemDepth) -> None:
    state = whole_state(tiny_model)
    del state['dec_norm.weight']
    with pytest.raises(WeightsError, match=r'1 missing: dec_norm\.weight'):
        build_gemdepth(tiny_model.config, state)


def test_unknown_tensors_are_named(tiny_model: GemDepth) -> None:
    state = whole_state(tiny_model) | {'head.extra.weight': torch.zeros(3)}
    with pytest.raises(WeightsError, match=r'1 unknown: head\.extra\.weight'):
        build_gemdepth(tiny_model.config, state)


@pytest.mark.parametrize(
    'name', ['dec_norm.weight', 'pretrained.mask_token', TABLE, 'pos_encoder.pe']
)
def test_misshaped_tensors_are_named(tiny_model: GemDepth, name: str) -> None:
    """Used or not: a wrong shape says that the file is of another network."""
    state = whole_state(tiny_model)
    expected = list(state[name].shape)
    state[name] = torch.zeros(7)
    with pytest.raises(WeightsError) as error:
        build_gemdepth(tiny_model.config, state)
    assert f'1 mis-shaped: {name} is [7], expected {expected}' in str(error.value)


def test_a_transposed_square_tensor_of_another_rank_is_an_error(tiny_model: GemDepth) -> None:
    state = whole_state(tiny_model)
    state['camera_token'] = state['camera_token'].flatten()
    with pytest.raises(WeightsError, match='camera_token'):
        build_gemdepth(tiny_model.config, state)


def test_weights_of_another_size_give_one_short_line(small_model: GemDepth) -> None:
    with pytest.raises(WeightsError) as error:
        build_gemdepth('vitl', published_state(small_model))
    text = str(error.value)
    assert '\n' not in text
    assert len(text) < 1200
    assert 'missing' in text
    assert 'mis-shaped' in text
    assert 'more' in text


@pytest.mark.parametrize('value', [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_named(tiny_model: GemDepth, value: float) -> None:
    state = whole_state(tiny_model)
    state['camera_head.token_norm.bias'][3] = value
    with pytest.raises(WeightsError, match=r'camera_head\.token_norm\.bias holds NaN'):
        build_gemdepth(tiny_model.config, state)


def test_integers_are_refused(tiny_model: GemDepth) -> None:
    state = whole_state(tiny_model)
    state['dec_norm.bias'] = torch.zeros(64, dtype=torch.int64)
    with pytest.raises(WeightsError, match=r'dec_norm\.bias is torch\.int64'):
        build_gemdepth(tiny_model.config, state)


def test_an_array_of_objects_is_refused(tiny_model: GemDepth) -> None:
    state = {n: t.numpy() for n, t in whole_state(tiny_model).items()}
    state['dec_norm.bias'] = np.array([None] * 64)
    with pytest.raises(WeightsError, match=r'dec_norm\.bias'):
        build_gemdepth(tiny_model.config, state)


@pytest.mark.parametrize('change', ['reversed', 'nan', 'other formula'])
def test_another_position_table_is_refused(tiny_model: GemDepth, change: str) -> None:
    state = whole_state(tiny_model)
    table = state[TABLE]
    state[TABLE] = {
        'reversed': table.flip(1),
        'nan': torch.full_like(table, torch.nan),
        'other formula': torch.cat([table[..., ::2], table[..., 1::2]], dim=-1),
    }[change]
    with pytest.raises(WeightsError, match='is not the fixed sinusoid'):
        build_gemdepth(tiny_model.config, state)


def test_a_table_in_bfloat16_is_accepted(tiny_model: GemDepth) -> None:
    state = {name: tensor.bfloat16() for name, tensor in whole_state(tiny_model).items()}
    build_gemdepth(tiny_model.config, state)

"""Video Depth Anything, offline and streaming, is numerically the published one."""

from __future__ import annotations

import json

import pytest
import torch
from parity_reference import GOLDEN, ReferenceAbsentError
from vda_cases import CASES
from vda_reference import TOLERANCE, VdaRow, vda_json

from gemdepth_ros.model import VideoDepthAnything, model_config
from gemdepth_ros.model.checkpoint import checkpoint_layout

SLOW = ('vda_vitl_forward_t3_42x56', 'vda_vitb_forward_t3_42x56')
SIZES = {'small': 'vits', 'base': 'vitb', 'large': 'vitl'}


def rows_of(case: str) -> list[VdaRow]:
    try:
        return list(CASES[case](case))
    except ReferenceAbsentError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    'case', [pytest.param(c, marks=pytest.mark.slow) if c in SLOW else c for c in CASES]
)
def test_every_tensor_of_the_case_agrees(case: str) -> None:
    rows = rows_of(case)
    assert rows
    assert not [row for row in rows if not row.max_abs < TOLERANCE]


@pytest.mark.parametrize('size', SIZES)
def test_the_layout_is_the_published_inventory(size: str) -> None:
    try:
        listed = vda_json(f'vda_{SIZES[size]}_parameters.json')
    except ReferenceAbsentError as error:
        pytest.skip(str(error))
    layout = checkpoint_layout(model_config(f'vda-{size}'))
    ours = {name: list(shape) for name, (_, shape) in layout.used.items()}
    ours |= {name: list(shape) for name, shape in layout.unused.items()}
    parameters = {t['name']: t['shape'] for t in listed if t['kind'] == 'parameter'}
    assert ours == parameters
    buffers = {t['name']: t['shape'] for t in listed if t['kind'] == 'buffer'}
    assert {name: list(t.shape) for name, t in layout.tables.items()} == buffers


@pytest.mark.parametrize(
    ('size', 'millions'), [('small', 28.4), ('base', 113.1), ('large', 381.8)]
)
def test_the_networks_have_the_stated_numbers_of_parameters(size: str, millions: float) -> None:
    """The authors leave out the position table and what the network never reads."""
    with torch.device('meta'):
        model = VideoDepthAnything(model_config(f'vda-{size}'))  # type: ignore[arg-type]
    count = sum(p.numel() for n, p in model.named_parameters() if n != 'encoder.pos_embed')
    assert count / 1e6 == pytest.approx(millions, abs=0.06)


def test_the_golden_weights_are_those_of_the_reference() -> None:
    """First, last and sum of every tensor, where the reference is at hand."""
    try:
        rule = vda_json('vda_vits_weight_rule.json')['first_last_sum']
    except ReferenceAbsentError as error:
        pytest.skip(str(error))
    from vda_reference import vda_state

    state = vda_state('small')
    assert set(rule) == set(state)
    for name, (first, last, total) in rule.items():
        values = state[name].ravel()
        assert (values[0], values[-1]) == (first, last)
        assert float(values.sum(dtype='float64')) == pytest.approx(total, abs=1e-6), name


def test_something_is_compared_without_the_shared_reference() -> None:
    assert (GOLDEN / 'vda_resize_sizes.json').is_file()
    assert json.loads((GOLDEN / 'vda_resize_sizes.json').read_text())['rows']

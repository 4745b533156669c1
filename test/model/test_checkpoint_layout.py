"""The names and shapes of a checkpoint are the published ones, all of them."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch

from gemdepth_ros.model import GemDepth, GemDepthConfig, build_gemdepth
from gemdepth_ros.model.checkpoint import UNUSED_BUFFER, checkpoint_layout, published_state
from gemdepth_ros.model.config import MAX_FRAMES

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'
COUNTS = {'vitl': (767, 9), 'small': (599, 9)}  # tensors, buffers among them


def published(preset: str) -> dict[str, Any]:
    path = GOLDEN / f'gemdepth_{preset}_parameters.json'
    listed: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return listed


@pytest.mark.parametrize('preset', COUNTS)
def test_names_and_shapes_are_the_published_ones(preset: str) -> None:
    config = GemDepthConfig.preset(preset)
    layout = checkpoint_layout(config)
    ours = {name: shape for name, (_, shape) in layout.used.items()}
    ours |= layout.unused
    ours |= {name: tuple(table.shape) for name, table in layout.tables.items()}
    ours[UNUSED_BUFFER] = (1, MAX_FRAMES, config.encoder.width)
    theirs = {t['name']: tuple(t['shape']) for t in published(preset)['tensors']}
    assert ours == theirs
    kinds = [t['kind'] for t in published(preset)['tensors']]
    assert (len(kinds), len(kinds) - kinds.count('parameter')) == COUNTS[preset]


@pytest.mark.parametrize('preset', COUNTS)
def test_unused_tensors_are_the_published_ones(preset: str) -> None:
    layout = checkpoint_layout(GemDepthConfig.preset(preset))
    assert set(layout.unused) == set(published(preset)['unused'])


@pytest.mark.parametrize(
    ('preset', 'total', 'unused'), [('vitl', 710.78e6, 33.73e6), ('small', 75.43e6, None)]
)
def test_unused_parameters_are_not_allocated(
    preset: str, total: float, unused: float | None
) -> None:
    layout = checkpoint_layout(GemDepthConfig.preset(preset))
    with torch.device('meta'):
        model = GemDepth(GemDepthConfig.preset(preset))
    allocated = sum(parameter.numel() for parameter in model.parameters())
    left_out = sum(prod(shape) for shape in layout.unused.values())
    assert allocated + left_out == pytest.approx(total, abs=5e3)
    if unused is not None:
        assert left_out == pytest.approx(unused, abs=5e3)


def test_published_names_are_unique_and_cover_every_parameter(tiny_model: GemDepth) -> None:
    assert len(published_state(tiny_model)) == len(list(tiny_model.parameters()))


def test_tables_equal_those_that_the_formula_gives(tiny_config: GemDepthConfig) -> None:
    model = build_gemdepth(tiny_config)
    tables = checkpoint_layout(tiny_config).tables
    assert len(tables) == 8
    for name, table in tables.items():
        index, attention = int(name.split('.')[2]), int(name.split('.')[-3])
        position = model.head.motion_modules[index].attentions[attention].position
        assert torch.equal(position, table[0])

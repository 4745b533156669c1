"""The dataclasses are the source of the parameters: names, texts, ranges, checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.ros.config_fields import build_config, check_fields, coerced, config_fields


@dataclass(frozen=True)
class Inner:
    """Inside.

    Attributes:
        size: how large, over
            two lines [px].
        kind: which ``kind``.
    """

    size: int = field(default=3, metadata={'min': 1, 'max': 9})
    kind: Literal['a', 'b'] = 'a'

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    factor: float = 1.0


FIELDS = {f.name: f for f in config_fields(Outer)}


def test_nested_names_kinds_texts_choices_and_ranges():
    assert list(FIELDS) == ['inner.size', 'inner.kind', 'factor']
    size, kind = FIELDS['inner.size'], FIELDS['inner.kind']
    assert (size.kind, size.default, size.minimum, size.maximum) == (int, 3, 1, 9)
    assert size.help == 'how large, over two lines [px].'
    assert (kind.kind, kind.choices, kind.help) == (str, ('a', 'b'), 'which kind.')


def test_round_trip_of_defaults():
    for config_type in (Outer, PipelineConfig):
        values = {f.name: f.default for f in config_fields(config_type)}
        assert repr(build_config(config_type, values)) == repr(config_type())


NUMBERS = [f for f in config_fields(PipelineConfig) if f.kind in (int, float)]
UNLIMITED = {'grounding.manual.scale', 'grounding.manual.shift', 'mounting.pitch_deg'} | {
    *('mounting.roll_deg', 'products.costmap.min_height_m', 'products.costmap.max_height_m'),
}


def test_every_number_of_the_pipeline_has_a_range_that_holds_its_default():
    assert {f.name for f in NUMBERS if f.minimum is None} == UNLIMITED
    for entry in NUMBERS:
        if entry.minimum is not None and entry.default == entry.default:
            assert entry.minimum <= entry.default
            assert entry.maximum is None or entry.default <= entry.maximum


@pytest.mark.parametrize('entry', NUMBERS, ids=lambda entry: entry.name)
def test_what_is_out_of_range_is_refused_by_the_class_itself(entry):
    values = {f.name: f.default for f in config_fields(PipelineConfig)}
    step = 1 if entry.kind is int else 0.01
    outside = [] if entry.minimum is None else [entry.minimum - step]
    outside += [] if entry.maximum is None else [entry.maximum + step]
    for value in outside:
        with pytest.raises(ConfigError):
            build_config(PipelineConfig, values | {entry.name: value})


def test_every_pipeline_value_has_a_text():
    assert [f.name for f in config_fields(PipelineConfig) if not f.help] == []


@pytest.mark.parametrize(('size', 'kind'), [(0, 'a'), (10, 'a'), (3, 'c')])
def test_values_out_of_range_are_named(size, kind):
    with pytest.raises(ConfigError, match=r'size must be 1\.\.9|kind must be one of a, b'):
        build_config(Outer, {'inner.size': size, 'inner.kind': kind, 'factor': 1.0})


def test_yaml_mistakes_are_understood_or_named():
    assert coerced(FIELDS['factor'], 30) == 30.0
    assert coerced(FIELDS['inner.kind'], True) == 'true'
    with pytest.raises(ConfigError, match="factor must be a float, got 'x'"):
        coerced(FIELDS['factor'], 'x')
    with pytest.raises(ConfigError, match=r'inner\.size must be a int, got True'):
        coerced(FIELDS['inner.size'], True)

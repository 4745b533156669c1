"""A result survives JSON, and a damaged one says what is wrong with it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.json_format import read_result, to_plain, write_result
from gemdepth_ros.evaluation.metrics import NO_ERRORS, depth_errors
from gemdepth_ros.evaluation.result import (
    Baseline,
    ErrorBands,
    EvaluationResult,
    FrameScore,
    ProtocolResult,
    SourceFacts,
    TrajectoryResult,
)


def example() -> EvaluationResult:
    errors = depth_errors([1.0, 2.0], [1.1, 1.8])
    return EvaluationResult(
        source=SourceFacts('a.mcap', 'rosbag2 mcap', 'a bag', 64, 48, 3, 2, 1, 0, 0.2),
        protocols=(
            ProtocolResult(
                *('vda', 'one scale and shift per sequence', 'none', 1e-3, 80.0, errors, 1.0),
                baselines=(Baseline('constant', 'one depth', NO_ERRORS),),
                frames=(FrameScore(0, 5, 2, 1.5, math.nan, errors),),
                bands=(ErrorBands('rmse', (1.0, 2.0), 0.5, (math.nan, 0.25)),),
            ),
        ),
        trajectory=TrajectoryResult(
            *(2, 1.0, False, 0, (), math.nan, math.nan, (10.0,), True),
            estimated_m=((0.0, 1.0, 2.0),),
        ),
        notes=('no masks',),
    )


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / 'result.json'
    write_result(example(), path)
    again = read_result(path)
    assert to_plain(again) == to_plain(example())
    assert isinstance(again.protocols[0].frames[0], FrameScore)
    assert math.isnan(again.protocols[0].frames[0].shift)
    assert [item.name for item in tmp_path.iterdir()] == ['result.json']


def test_json_has_no_nan(tmp_path: Path) -> None:
    path = tmp_path / 'result.json'
    write_result(example(), path)
    assert 'NaN' not in path.read_text('utf-8')


@pytest.mark.parametrize(
    ('name', 'value', 'complaint'),
    [
        ('version', 99, 'version 99'),
        ('notes', 'text', 'EvaluationResult.notes'),
        ('flicker', {'depth': 1}, 'flicker.m'),
        ('unheard_of', 1, 'EvaluationResult.unheard_of is unknown'),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, value: object, complaint: str) -> None:
    path = tmp_path / 'result.json'
    path.write_text(json.dumps(to_plain(example()) | {name: value}), 'utf-8')
    with pytest.raises(ConfigError, match=complaint):
        read_result(path)


def test_missing_field_is_named(tmp_path: Path) -> None:
    plain = to_plain(example())
    del plain['source']['frames']
    path = tmp_path / 'result.json'
    path.write_text(json.dumps(plain), 'utf-8')
    with pytest.raises(ConfigError, match=r'source\.frames is missing'):
        read_result(path)


@pytest.mark.parametrize('content', ['', '{', '[]', 'null'])
def test_no_json(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'result.json'
    path.write_text(content, 'utf-8')
    with pytest.raises(ConfigError, match=r'result\.json'):
        read_result(path)


def test_unwritable_place_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='cannot write'):
        write_result(example(), tmp_path / 'missing' / 'result.json')


def test_protocol_by_name() -> None:
    assert example().protocol('vda') is not None
    assert example().protocol('metric') is None

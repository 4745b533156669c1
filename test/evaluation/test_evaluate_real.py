"""Real clips end to end: twice the same, and the known scores of no skill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation_worlds import TINY

from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.evaluation.json_format import read_result

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data'
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason='the KITTI clips are not beside the repository'),
]
SMALL = replace(TINY, input_size=56)


def without_times(output: Path) -> Any:
    plain = json.loads((output / 'result.json').read_text('utf-8'))
    del plain['timing']
    return plain


@pytest.mark.parametrize(('clip', 'frames'), [('kitti_traffic', 78), ('kitti_odometry', 51)])
def test_twice_is_the_same(tmp_path: Path, clip: str, frames: int) -> None:
    for name in ('first', 'second'):
        evaluate_source(DATA / clip, SMALL, tmp_path / name)
    assert without_times(tmp_path / 'first') == without_times(tmp_path / 'second')
    result = read_result(tmp_path / 'first' / 'result.json')
    assert result.source.processed == frames
    assert result.trajectory is not None
    assert result.trajectory.frames == frames
    assert len(list((tmp_path / 'first' / result.samples).glob('*.npz'))) == 2
    if clip == 'kitti_odometry':
        assert result.protocols == ()
        assert result.trajectory.path_m == pytest.approx(60, rel=0.1)
        return
    vda = result.protocol('vda')
    assert vda is not None
    row, constant = vda.baselines
    # As measured when the clip was made: 0.340 and 0.409; 0.362.
    assert row.mean.abs_rel == pytest.approx(0.340, abs=0.0015)
    assert row.mean.delta1 == pytest.approx(0.409, abs=0.0015)
    assert constant.mean.abs_rel == pytest.approx(0.362, abs=0.0015)
    assert result.flicker is not None
    assert result.flicker.pairs > 10

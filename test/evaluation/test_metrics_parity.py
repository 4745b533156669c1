"""The measures equal what the published scripts print for the recorded cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gemdepth_ros.evaluation.metrics import (
    SequenceScore,
    TemporalAlignment,
    depth_errors,
    resize_to,
    score_sequence,
)

FOLDER = Path(__file__).resolve().parents[3] / 'shared' / 'reference' / 'metrics'
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason='the recorded metric cases are not here'),
]

CROPS = {
    'kitti': (slice(0, 374), slice(0, 1242)),
    'bonn': (slice(0, 480), slice(0, 640)),
    'sintel': (slice(0, 436), slice(0, 1024)),
    'scannet': (slice(8, -8), slice(11, -11)),
}
MAX_DEPTH_M = {'kitti': 80.0, 'bonn': 10.0, 'sintel': 70.0, 'scannet': 10.0}
SEQUENCES = [('kitti', 0), ('kitti', 1), ('bonn', 0), ('bonn', 1), ('sintel', 0)]
SEQUENCES += [('scannet', 0), ('scannet', 1)]


@pytest.fixture(scope='module')
def cases() -> Any:
    return np.load(FOLDER / 'metric_cases.npz')


@pytest.fixture(scope='module')
def expected() -> Any:
    return json.loads((FOLDER / 'metric_cases_expected.json').read_text('utf-8'))


def truth_of(cases: Any, name: str) -> Any:
    stored = cases[f'{name}_gt_u16']
    return np.where(stored > 0, stored / cases[f'{name}_factor'], -1.0)


def score(cases: Any, data_set: str, index: int) -> SequenceScore:
    name = f'{data_set}_seq{index}'
    rows, columns = CROPS[data_set]
    truth = truth_of(cases, name)[:, rows, columns]
    return score_sequence(cases[f'{name}_pred'], truth, MAX_DEPTH_M[data_set])


@pytest.mark.parametrize('project', ['vda', 'gemdepth'])
@pytest.mark.parametrize(('data_set', 'index'), SEQUENCES)
def test_sequences(cases: Any, expected: Any, data_set: str, index: int, project: str) -> None:
    result = score(cases, data_set, index)
    wanted = expected[data_set][project]
    for name, value in wanted['per_sequence'][index].items():
        assert getattr(result.mean, name) == pytest.approx(value, abs=1e-6), name
    fit = result.alignment[0]
    assert (fit.scale, fit.shift) == pytest.approx(wanted['scale_shift'][index], abs=1e-6)


@pytest.mark.parametrize('project', ['vda', 'gemdepth'])
def test_functions(cases: Any, expected: Any, project: str) -> None:
    truth, depth, mask = (cases[f'functions_{name}'] for name in ('gt', 'pred', 'mask'))
    frames = [depth_errors(d[m], g[m]) for d, g, m in zip(depth, truth, mask, strict=True)]
    names = {
        'abs_relative_difference': 'abs_rel',
        'squared_relative_difference': 'sq_rel',
        'rmse_linear': 'rmse',
        'delta1_acc': 'delta1',
        'delta2_acc': 'delta2',
        'delta3_acc': 'delta3',
        'rmse_log': 'rmse_log',
        'i_rmse': 'irmse',
    }
    wanted = expected['functions'][project]
    assert wanted.keys() == names.keys() | {'log10', 'silog_rmse'}
    for theirs, ours in names.items():
        value = np.mean([getattr(frame, ours) for frame in frames])
        assert value == pytest.approx(wanted[theirs], abs=1e-6), theirs
    # The published functions pool these two over a batch in their own ways.
    pooled = depth_errors(depth[mask], truth[mask])
    assert pooled.log10 == pytest.approx(wanted['log10'], abs=1e-6)
    silog = np.sqrt(np.mean([frame.silog**2 for frame in frames]))
    assert silog == pytest.approx(wanted['silog_rmse'], abs=1e-6)


def tae(cases: Any, index: int, *, hard_crop: bool, frames: slice = slice(None)) -> float:
    name = f'scannet_seq{index}'
    rows, columns = CROPS['scannet']
    disparities = cases[f'{name}_pred'][frames]
    if hard_crop:
        disparities = disparities[:, rows, columns]
    truth = truth_of(cases, name)[frames, rows, columns]
    fit = score_sequence(disparities, truth, MAX_DEPTH_M['scannet']).alignment[0]
    measure = TemporalAlignment(cases[f'{name}_K'][:3, :3])
    for disparity, pose in zip(disparities, cases[f'{name}_poses'][frames], strict=True):
        resized = resize_to(disparity, *truth.shape[1:])
        measure.add(fit.depth(resized, MAX_DEPTH_M['scannet']), pose)
    return measure.percent


@pytest.mark.parametrize('index', [0, 1])
def test_tae_of_sequences(cases: Any, expected: Any, index: int) -> None:
    wanted = expected['scannet']['tae_per_sequence'][index]
    assert tae(cases, index, hard_crop=False) == pytest.approx(wanted, abs=1e-9)


def test_tae_with_hard_crop(cases: Any, expected: Any) -> None:
    values = [tae(cases, index, hard_crop=True, frames=slice(10, 20)) for index in (0, 1)]
    wanted = expected['scannet']['tae_hard_crop_10_20']['dataset_mean']
    assert np.mean(values) == pytest.approx(wanted, abs=1e-9)

"""Print the parity table of docs/evaluation.md: recorded published figures and ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gemdepth_ros.evaluation.metrics import TemporalAlignment, resize_to, score_sequence

FOLDER = Path(__file__).resolve().parents[2] / 'shared' / 'reference' / 'metrics'
CROPS = {
    'kitti': (slice(0, 374), slice(0, 1242)),
    'bonn': (slice(0, 480), slice(0, 640)),
    'sintel': (slice(0, 436), slice(0, 1024)),
    'scannet': (slice(8, -8), slice(11, -11)),
}
MAX_DEPTH_M = {'kitti': 80.0, 'bonn': 10.0, 'sintel': 70.0, 'scannet': 10.0}


def main() -> None:
    """Print one row per recorded sequence."""
    cases: Any = np.load(FOLDER / 'metric_cases.npz')
    expected = json.loads((FOLDER / 'metric_cases_expected.json').read_text('utf-8'))
    for data_set, (rows, columns) in CROPS.items():
        for index, wanted in enumerate(expected[data_set]['vda']['per_sequence']):
            name = f'{data_set}_seq{index}'
            stored = cases[f'{name}_gt_u16']
            truth = np.where(stored > 0, stored / cases[f'{name}_factor'], -1.0)[:, rows, columns]
            score = score_sequence(cases[f'{name}_pred'], truth, MAX_DEPTH_M[data_set])
            found = {key: getattr(score.mean, key) for key in wanted}
            gap = max(abs(found[key] - value) for key, value in wanted.items())
            row(f'{data_set} {index}', 'AbsRel, RMSE, δ1', wanted.values(), found.values(), gap)
            if data_set == 'scannet':
                fit = score.alignment[0]
                measure = TemporalAlignment(cases[f'{name}_K'][:3, :3])
                for disparity, pose in zip(
                    cases[f'{name}_pred'], cases[f'{name}_poses'], strict=True
                ):
                    measure.add(fit.depth(resize_to(disparity, *truth.shape[1:]), 10.0), pose)
                target = expected['scannet']['tae_per_sequence'][index]
                values = [target], [measure.percent]
                row(f'{data_set} {index}', 'TAE', *values, abs(measure.percent - target))


def row(case: str, what: str, published: Any, ours: Any, gap: float) -> None:
    """Print one row of the table."""
    first, second = (', '.join(f'{value:.6f}' for value in values) for values in (published, ours))
    print(f'| {case} | {what} | {first} | {second} | {gap:.1e} |')


if __name__ == '__main__':
    main()

"""Two results side by side; the exit code that a continuous integration waits for."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gemdepth_ros.cli.compare import EXIT_WORSE
from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.comparison import compare_results, parse_threshold
from gemdepth_ros.evaluation.json_format import write_result
from gemdepth_ros.evaluation.metrics import depth_errors, mean_errors
from gemdepth_ros.evaluation.result import (
    EvaluationResult,
    FrameScore,
    PoseErrors,
    ProtocolResult,
    SourceFacts,
    SystemFacts,
    TemporalScore,
    TrajectoryResult,
)

FRAMES = 60


def result(
    factor: float, *, noise: float = 0.02, start: int = 0, seed: int = 0
) -> EvaluationResult:
    """Frames whose depth is too far by ``factor`` and a little luck."""
    random = np.random.default_rng(seed)
    frames = []
    for index in range(start, FRAMES):
        truth = np.linspace(2, 20, 50)
        depth = truth * factor * math.exp(noise * random.standard_normal())
        frames.append(FrameScore(index, index, 50, 1.0, 0.0, depth_errors(depth, truth)))
    mean = mean_errors([frame.errors for frame in frames])
    values = tuple(5 * factor + noise * random.standard_normal() for _ in range(FRAMES - 1))
    pose = PoseErrors('Sim(3)', 1.0, factor, factor, factor, 0.1, 0.2)
    return EvaluationResult(
        protocols=(
            ProtocolResult('vda', 'a', 'none', 1e-3, 80.0, mean, 1.0, frames=tuple(frames)),
        ),
        temporal=(
            TemporalScore(
                'tae',
                'aligned by one scale and shift per sequence',
                float(np.mean(values)),
                len(values),
                tuple(range(1, FRAMES)),
                values,
            ),
        ),
        trajectory=TrajectoryResult(FRAMES, 10.0, False, 0, (pose,), math.nan, math.nan, (), True),
    )


def test_a_result_equals_itself() -> None:
    comparison = compare_results(result(1.1), result(1.1))
    assert comparison.differences == ()
    assert {item.verdict for item in comparison.figures} == {'equal', 'unknown'}
    assert all(item.worsening == 0 for item in comparison.figures)


def test_worse_is_worse_in_each_metric_s_own_sense() -> None:
    comparison = compare_results(result(1.1), result(1.3))
    names = ['vda.abs_rel', 'vda.rmse', 'vda.delta1', 'tae.aligned']
    for name in names:
        figure = comparison.figure(name)
        assert figure.verdict == 'worse', name
        assert figure.worsening > 0
        assert figure.difference.low <= figure.difference.mean <= figure.difference.high
    backwards = compare_results(result(1.3), result(1.1))
    assert {backwards.figure(name).verdict for name in names} == {'better'}
    ate = comparison.figure('trajectory.sim3.ate_rmse_m')
    assert ate.verdict == 'unknown'
    assert ate.worsening == pytest.approx(0.2)


def test_luck_is_no_difference() -> None:
    comparison = compare_results(result(1.2, seed=1), result(1.2, seed=2))
    assert comparison.figure('vda.abs_rel').verdict == 'equal'


def test_frames_are_paired_by_their_number() -> None:
    comparison = compare_results(result(1.1), result(1.1, start=20, seed=0))
    assert comparison.figure('vda.abs_rel').difference.frames == FRAMES - 20


def test_hard_frames_left_out_are_no_gain() -> None:
    every = result(1.1)
    errors = [frame.errors for frame in every.protocols[0].frames]
    easy = [index for index in range(FRAMES) if errors[index].abs_rel < 0.1]
    assert 8 < len(easy) < FRAMES - 8
    part = replace(
        every.protocols[0],
        mean=mean_errors([errors[index] for index in easy]),
        frames=tuple(every.protocols[0].frames[index] for index in easy),
    )
    fewer = replace(every, protocols=(part,), source=SourceFacts(processed=len(easy)))
    comparison = compare_results(every, fewer)
    figure = comparison.figure('vda.abs_rel')
    assert figure.second < figure.first
    assert figure.worsening == 0
    assert figure.verdict == 'equal'
    assert any(line.startswith('frames processed:') for line in comparison.differences)


def test_predictions_that_are_missing_are_worse(tmp_path: Path) -> None:
    first = result(1.1)
    holes = replace(first, protocols=(replace(first.protocols[0], coverage=0.5),))
    assert compare_results(first, holes).figure('vda.coverage').worsening == 0.5
    paths = tmp_path / 'a.json', tmp_path / 'b.json'
    write_result(first, paths[0])
    write_result(holes, paths[1])
    gate = ['--threshold', 'vda.coverage=0.1']
    assert main(['compare', *map(str, paths), *gate]) == EXIT_WORSE
    assert main(['compare', *map(str, reversed(paths)), *gate]) == 0


def test_what_differs_is_said_first() -> None:
    other = replace(result(1.1), system=SystemFacts(mode='causal', weights='x'))
    lines = compare_results(result(1.1), other).differences
    assert any(line.startswith('mode:') for line in lines)
    assert any(line.startswith('weights:') for line in lines)


@pytest.mark.parametrize(
    'text', ['', 'vda.abs_rel', 'vda.abs_rel=', '=1', 'a=-1', 'a=x%', 'a=inf']
)
def test_impossible_thresholds(text: str) -> None:
    with pytest.raises(ConfigError, match='FIGURE=LIMIT'):
        parse_threshold(text)


def test_unknown_figure_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r'no figure metric\.rmse in common; they have vda'):
        compare_results(result(1.1), result(1.1)).figure('metric.rmse')


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    paths = tmp_path / 'a.json', tmp_path / 'b.json'
    write_result(result(1.10), paths[0])
    write_result(result(1.13), paths[1])
    return str(paths[0]), str(paths[1])


@pytest.mark.parametrize(
    ('words', 'code'),
    [
        ([], 0),
        (['--threshold', 'vda.abs_rel=0.05'], 0),
        (['--threshold', 'vda.abs_rel=0.01'], EXIT_WORSE),
        (['--threshold', 'vda.abs_rel=50%'], 0),
        (['--threshold', 'vda.abs_rel=10%'], EXIT_WORSE),
        (['--threshold', 'trajectory.sim3.ate_rmse_m=0.01'], EXIT_WORSE),
        (['--fail-on-worse'], EXIT_WORSE),
        (['--threshold', 'no.such=1'], 1),
        (['--confidence', '2'], 1),
    ],
)
def test_exit_codes(files: tuple[str, str], words: list[str], code: int) -> None:
    assert main(['compare', *files, *words]) == code


def test_better_is_no_failure(files: tuple[str, str]) -> None:
    assert main(['compare', *reversed(files), '--fail-on-worse', '--threshold', 'vda.rmse=0']) == 0


def test_a_lost_figure_is_worse(tmp_path: Path, files: tuple[str, str]) -> None:
    lost: Any = result(1.1)
    empty = replace(lost.protocols[0], frames=(), mean=depth_errors([], []))
    path = tmp_path / 'lost.json'
    write_result(replace(lost, protocols=(empty,)), path)
    words = ['--threshold', 'vda.abs_rel=10']
    assert main(['compare', files[0], str(path), *words]) == EXIT_WORSE


def judged(
    first: EvaluationResult, second: EvaluationResult, folder: Path
) -> tuple[int, list[str]]:
    """Return exit code and complaints of the gate."""
    paths = folder / 'first.json', folder / 'second.json'
    write_result(first, paths[0])
    write_result(second, paths[1])
    target = folder / 'judged.json'
    code = main(['compare', *map(str, paths), '--fail-on-worse', '--json', str(target)])
    return code, json.loads(target.read_text('utf-8'))['complaints']


def test_a_result_without_a_figure_of_a_does_not_pass(tmp_path: Path) -> None:
    whole = result(1.1)
    code, complaints = judged(whole, replace(whole, protocols=(), trajectory=None), tmp_path)
    assert code == EXIT_WORSE
    assert 'vda.abs_rel: B has no such figure' in complaints
    assert 'trajectory.sim3.ate_rmse_m: B has no such figure' in complaints
    assert not any(line.startswith('tae') for line in complaints)
    assert judged(whole, whole, tmp_path) == (0, [])
    assert judged(replace(whole, protocols=()), whole, tmp_path) == (0, []), 'B may have more'


def test_too_few_frames_in_common_do_not_pass(tmp_path: Path) -> None:
    code, complaints = judged(result(1.1), result(1.1, start=FRAMES - 3), tmp_path)
    assert code == EXIT_WORSE
    assert (
        'vda.abs_rel: no interval, A and B have 3 frames with a value in common, 8 are needed'
        in complaints
    )


def test_a_short_evaluation_judges_nothing(tmp_path: Path) -> None:
    short = replace(result(1.1, start=FRAMES - 3), temporal=())
    expected = ['no figure of A has an interval: evaluate 8 frames or more']
    assert judged(short, short, tmp_path) == (EXIT_WORSE, expected)


def test_json_of_a_comparison(files: tuple[str, str], tmp_path: Path) -> None:
    target = tmp_path / 'comparison.json'
    code = main(['compare', *files, '--json', str(target), '--threshold', 'vda.abs_rel=1%'])
    assert code == EXIT_WORSE
    plain = json.loads(target.read_text('utf-8'))
    assert len(plain['complaints']) == 1
    assert plain['figures'][0]['name'] == 'vda.abs_rel'
    assert plain['figures'][0]['verdict'] == 'worse'


def test_no_result_is_one_line(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['compare', files[0], str(tmp_path / 'none.json')]) == 1
    assert capsys.readouterr().err.count('\n') == 1

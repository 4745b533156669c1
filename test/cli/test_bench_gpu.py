"""benchmarks/bench_gpu.py end to end on the smallest network, and its clock of stages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gemdepth_ros.model import GemDepth

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture
def bench_gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench_gpu

    return bench_gpu


@pytest.fixture
def gpu_stages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu_stages

    return gpu_stages


def test_one_run_measures_everything(
    bench_gpu: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / 'gpu.json'
    words = '--device cpu --preset tiny --size 28x42 --seconds 60 --backend-seconds 0'
    words += f' --backends cudagraph --json {output}'
    monkeypatch.setattr(sys, 'argv', ['bench_gpu.py', *words.split()])
    monkeypatch.setattr(bench_gpu, 'TIMED_SHARE', 0.01)
    usual = torch.backends.cudnn.allow_tf32
    bench_gpu.main()
    assert torch.backends.cudnn.allow_tf32 == usual
    shown = capsys.readouterr().out
    found = json.loads(output.read_text())
    for name in ('causal T=32', 'sliding T=8', 'offline T=32'):
        assert any(key.startswith(f'{name}: time') for key in found['values']), name
    assert 0 < found['values'][bench_gpu.PRECISION_AIM] < 0.1
    assert found['rates']['tflops'] > 0
    assert len(found['stages']) == 3 * 4
    for row in found['stages']:
        assert row['ms'] > 0
        assert row['gflop'] > 0
        assert 0 < row['share'] < 1.5
    assert {row['verdict'] for row in found['aims']} == {bench_gpu.OTHER, bench_gpu.UNKNOWN}
    assert 'needs a CUDA device' in '\n'.join(found['notes'])
    assert found['seconds'] < 480
    assert 'roofline' in shown


def test_an_aim_is_met_on_its_own_machine_only(bench_gpu: ModuleType) -> None:
    time_aim, ratio_aim = bench_gpu.AIMS[0], bench_gpu.AIMS[-1]
    assert time_aim.verdict(7.9, here=True) == bench_gpu.MET
    assert time_aim.verdict(8.1, here=True) == bench_gpu.MISSED
    assert ratio_aim.verdict(1.6, here=True) == bench_gpu.MET
    assert ratio_aim.verdict(1.4, here=True) == bench_gpu.MISSED
    assert time_aim.verdict(None, here=True) == bench_gpu.UNKNOWN
    assert time_aim.verdict(7.9, here=False) == bench_gpu.OTHER


def test_parts_without_time_are_left_out_and_named(bench_gpu: ModuleType) -> None:
    session = object.__new__(bench_gpu.Session)
    session.deadline, session.device = 0.0, torch.device('cpu')
    session.result = bench_gpu.Result({}, {}, {})
    session.part('long', 1.0, pytest.fail)
    assert len(session.result.notes) == 1
    assert session.result.notes[0].startswith('long: left out')


def test_a_part_that_the_device_fails_ends_no_other(bench_gpu: ModuleType) -> None:
    session = object.__new__(bench_gpu.Session)
    session.deadline, session.device = float('inf'), torch.device('cpu')
    session.result = bench_gpu.Result({}, {}, {})

    def fail() -> None:
        raise RuntimeError('CUDA error: invalid configuration argument\nand a page of text')

    session.part('stages', 1.0, fail)
    assert session.result.notes[0] == 'stages: CUDA error: invalid configuration argument'


def test_the_clock_leaves_the_network_as_it_was(
    gpu_stages: ModuleType, tiny_model: GemDepth
) -> None:
    images = torch.zeros(1, 2, 3, 28, 42)
    with torch.inference_mode():
        before = tiny_model(images).disparity_BTHW
        with gpu_stages.StageClock(tiny_model) as clock:
            during = tiny_model(images).disparity_BTHW
            spent = clock.milliseconds()
        after = tiny_model(images).disparity_BTHW
    assert torch.equal(before, during)
    assert torch.equal(before, after)
    assert list(spent) == ['encoder', 'GEM', 'ASTT', 'head']
    assert all(value > 0 for value in spent.values())
    assert clock.milliseconds() == spent  # nothing is counted afterwards


def test_parts_hold_all_stages_once(gpu_stages: ModuleType, tiny_model: GemDepth) -> None:
    from gemdepth_ros.model.cost import FlopCount

    stages = FlopCount(tiny_model.config, 28, 42).causal(4)
    assert sum(gpu_stages.by_part(stages).values()) == pytest.approx(sum(stages.values()))

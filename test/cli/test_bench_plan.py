"""What `gemdepth-ros bench` does without a network: cases, turns, summaries, facts, energy."""

from __future__ import annotations

import argparse
import os
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemdepth_ros.cli.benchmark import power_sources
from gemdepth_ros.cli.benchmark.cases import Case, Plan, size
from gemdepth_ros.cli.benchmark.machine import describe_device, describe_system, power_mode
from gemdepth_ros.cli.benchmark.pictures import image_for
from gemdepth_ros.cli.benchmark.power import CounterMeter, SampledMeter, WrappingCounter
from gemdepth_ros.cli.benchmark.result import percentile, row_of
from gemdepth_ros.cli.benchmark.rounds import take_turns
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference.preprocessing import network_size

CASE = Case('tiny', 'float32', 28, 42, 'causal', 8)


def test_the_plan_combines_everything_once_and_names_what_does_not_exist() -> None:
    plan = Plan.of(
        ['tiny', 'tiny', 'small'], ['float32'], [(28, 42)], ['offline', 'causal'], [4, 8]
    )
    assert [str(case) for case in plan.cases] == [
        f'{preset} float32 28x42 {rest}'
        for preset in ('tiny', 'small')
        for rest in ('causal T=4', 'offline T=8', 'causal T=8')
    ]
    assert len(plan.left_out) == 2
    assert 'offline T=4: windows of 4 frames' in plan.left_out[0]
    assert [len(group) for group in plan.by_network()] == [3, 3]


def test_the_published_stream_is_video_depth_anything_s() -> None:
    modes, windows = ['published_stream'], [8, 32]
    assert not Plan.of(['small'], ['float32'], [(28, 42)], modes, windows).cases
    plan = Plan.of(['vda-small'], ['float32'], [(28, 42)], modes, windows)
    assert [case.window for case in plan.cases] == [32]


@pytest.mark.parametrize('text', ['140', '140x', 'x462', '0x14', '14x-14', '140,462'])
def test_a_size_is_two_numbers(text: str) -> None:
    assert size('140x462') == (140, 462)
    with pytest.raises(argparse.ArgumentTypeError, match='HEIGHTxWIDTH'):
        size(text)


@given(rows=st.integers(1, 24), columns=st.integers(1, 70))
def test_images_lead_to_the_size_asked_for(rows: int, columns: int) -> None:
    wanted = 14 * rows, 14 * columns
    try:
        image, input_size = image_for(wanted)
    except ConfigError:
        assert max(wanted) > 8 * min(wanted)  # only strips are out of reach
    else:
        assert network_size(*image, input_size) == wanted


@pytest.mark.parametrize('wanted', [(98, 322), (140, 462), (280, 924), (294, 518), (56, 182)])
def test_the_usual_sizes_exist(wanted: tuple[int, int]) -> None:
    image, input_size = image_for(wanted)
    assert network_size(*image, input_size) == wanted


class Clockwork:
    """Runs that take given times on a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def run(self, name: str, seconds: float, frames: int = 1) -> Runner:
        return Runner(self, name, seconds, frames)


class Runner:
    def __init__(self, clockwork: Clockwork, name: str, seconds: float, frames: int) -> None:
        self.frames = frames
        self._clockwork, self._name, self._seconds = clockwork, name, seconds

    def __call__(self) -> None:
        self._clockwork.now += self._seconds
        self._clockwork.order.append(self._name)


def test_runs_take_turns_and_keep_to_the_time() -> None:
    world = Clockwork()
    runs = [world.run('quick', 0.5), world.run('slow', 2.0, frames=4)]
    quick, slow = take_turns(runs, 20.0, clock=lambda: world.now)
    assert 16.0 <= world.now <= 20.0
    assert world.order[:5] == ['quick'] * 4 + ['slow']  # a slice of 2 s each
    assert world.order[5:7] == ['slow', 'quick']  # the next round begins with the other
    assert set(quick.ms) == {500.0}
    assert set(slow.ms) == {500.0}  # per frame
    assert slow.frames == 4 * len(slow.ms)
    assert quick.joules is None


def test_every_run_is_called_even_without_time() -> None:
    world = Clockwork()
    runs = [world.run(name, 5.0) for name in 'abc']
    results = take_turns(runs, 0.1, clock=lambda: world.now)
    assert [len(samples.ms) for samples in results] == [1, 1, 1]
    assert take_turns([], 1.0) == []


def test_energy_is_that_of_the_own_slices() -> None:
    world = Clockwork()
    meter = CounterMeter('a source of 7 W', lambda: 7.0 * world.now)
    runs = [world.run('a', 1.0), world.run('b', 3.0)]
    results = take_turns(runs, 20.0, meter, clock=lambda: world.now)
    for samples, seconds in zip(results, (1.0, 3.0), strict=True):
        assert samples.joules == pytest.approx(7.0 * seconds * samples.frames)


def test_a_counter_goes_on_when_the_kernel_s_begins_anew() -> None:
    readings = iter([90, 95, 3, 99, 2])
    counter = WrappingCounter(lambda: next(readings), 100)
    assert [counter.total() for _ in range(4)] == [5, 13, 109, 112]


def test_a_sensor_is_integrated() -> None:
    meter = SampledMeter('10 W', lambda: 10.0, 0.005)
    first, second = meter.joules(), meter.joules()
    meter.close()
    assert 0 <= first <= second < 50.0


def test_figures_of_a_case() -> None:
    times = {'ms': [1.0, 2.0, 3.0, 10.0], 'frames': 8, 'joules': 4.0, 'held_mb': 1.5}
    memory = {'peak_mb': 30.0, 'loaded_mb': 20.0, 'reserved_mb': None, 'formula_mb': 9.0}
    row = row_of(CASE, times, memory)
    assert (row.calls, row.frames, row.median_ms, row.joules) == (4, 8, 2.5, 0.5)
    assert row.fps == pytest.approx(1000 / 4.0)
    assert row.p99_ms == pytest.approx(percentile([1, 2, 3, 10], 99))
    assert (row.peak_mb, row.above_mb, row.formula_mb, row.problem) == (30.0, 10.0, 9.0, '')
    failed = row_of(CASE, {'error': 'no'}, 'no')
    assert (failed.median_ms, failed.peak_mb, failed.problem) == (None, None, 'no')


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_percentiles_are_numpy_s(values: list[float], percent: float) -> None:
    import numpy as np

    expected = np.percentile(values, percent)
    assert percentile(values, percent) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Files as a Jetson has them."""
    files = {
        'proc/device-tree/model': 'NVIDIA Jetson Orin NX Engineering Reference Developer Kit\x00',
        'proc/cpuinfo': 'processor : 0\nmodel name : ARMv8 Processor rev 1 (v8l)\n',
        'proc/meminfo': 'MemTotal:       16000000 kB\n',
        'proc/driver/nvidia/version': 'NVRM version: NVIDIA UNIX Open Kernel Module  540.4.0  r\n',
        'etc/nv_tegra_release': '# R36 (release), REVISION: 4.3\n# more\n',
        'etc/os-release': 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
        'sys/class/hwmon/hwmon0/name': 'thermal\n',
        'sys/class/hwmon/hwmon1/name': 'ina3221\n',
    }
    rails = {1: ('VDD_IN', 5000, 2000), 2: ('VDD_CPU_GPU_CV', 5000, 800), 3: ('NC', 0, 0)}
    for channel, (label, millivolts, milliamperes) in rails.items():
        folder = 'sys/class/hwmon/hwmon1'
        files[f'{folder}/in{channel}_label'] = f'{label}\n'
        files[f'{folder}/in{channel}_input'] = f'{millivolts}\n'
        files[f'{folder}/curr{channel}_input'] = f'{milliamperes}\n'
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_board_is_described(board: Path) -> None:
    facts = describe_system(board)
    assert facts['board'] == 'NVIDIA Jetson Orin NX Engineering Reference Developer Kit'
    assert facts['processor'] == 'ARMv8 Processor rev 1 (v8l)'
    assert facts['jetson linux'] == '# R36 (release), REVISION: 4.3'
    assert facts['system'].startswith('Ubuntu 22.04.5 LTS')
    assert facts['memory'] == '16.4 GB'


def test_the_power_mode_is_read() -> None:
    assert power_mode('NV Power Mode: MAXN_SUPER\n2\n') == 'MAXN_SUPER'
    assert power_mode('') == ''


def test_a_jetson_s_input_is_measured_and_not_its_parts_twice(board: Path) -> None:
    found = power_sources.find_meter('cpu', board)
    assert found.note == 'INA3221: VDD_IN'
    assert found.meter is not None
    assert found.meter.joules() < 10.0 * 60
    found.meter.close()
    (board / 'sys/class/hwmon/hwmon1/in1_label').write_text('VDD_GPU_SOC\n')
    parts = power_sources.find_meter('cpu', board)
    assert parts.note == 'INA3221: VDD_CPU_GPU_CV + VDD_GPU_SOC'
    assert parts.meter is not None
    parts.meter.close()


def test_rapl_adds_the_packages_alone(tmp_path: Path) -> None:
    names = {'intel-rapl:0': 'package-0', 'intel-rapl:1': 'psys', 'intel-rapl:0:0': 'core'}
    for folder, name in names.items():
        path = tmp_path / 'sys/class/powercap' / folder
        path.mkdir(parents=True)
        for file, text in (('name', name), ('max_energy_range_uj', '1000'), ('energy_uj', '10')):
            (path / file).write_text(text)
    found = power_sources.rapl(tmp_path)
    assert found.meter is not None
    assert '1 processor package(s)' in found.note
    (tmp_path / 'sys/class/powercap/intel-rapl:0/energy_uj').write_text('510')
    (tmp_path / 'sys/class/powercap/intel-rapl:0:0/energy_uj').write_text('999')
    assert found.meter.joules() == pytest.approx(500e-6)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A CUDA device as torch and NVIDIA's library describe one."""
    torch = pytest.importorskip('torch')
    properties = types.SimpleNamespace(
        name='NVIDIA H200', total_memory=141e9, major=9, minor=0, multi_processor_count=132
    )
    monkeypatch.setattr(torch.cuda, 'get_device_properties', lambda _: properties)
    library = types.SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: ('uuid', uuid),
        nvmlDeviceGetHandleByIndex=lambda index: ('index', index),
        asked=[],
    )

    def energy(handle: object) -> int:
        library.asked.append(handle)
        return 1500 * len(library.asked)

    library.nvmlDeviceGetTotalEnergyConsumption = energy
    library.properties = properties
    monkeypatch.setitem(sys.modules, 'pynvml', library)
    return library


def test_a_gpu_s_own_counter_is_read(gpu: types.SimpleNamespace, tmp_path: Path) -> None:
    found = power_sources.find_meter('cuda:1', tmp_path)
    assert found.note == 'NVML, the whole GPU'
    assert found.meter is not None
    assert found.meter.joules() == 3.0  # the second reading, in mJ
    assert gpu.asked[-1] == ('index', 1)
    gpu.properties.uuid = 'a-b'
    power_sources.find_meter('cuda:1', tmp_path)
    assert gpu.asked[-1] == ('uuid', 'GPU-a-b')


def test_a_gpu_without_a_counter_says_why(
    gpu: types.SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: object) -> int:
        raise RuntimeError('Not Supported')

    gpu.nvmlDeviceGetTotalEnergyConsumption = refuse
    monkeypatch.setenv('PATH', str(tmp_path))  # no nvidia-smi
    found = power_sources.find_meter('cuda', tmp_path)
    assert found.meter is None
    assert found.note == 'no INA3221 sensor; NVML: Not Supported; nvidia-smi shows no power'


def test_nvidia_smi_is_the_last_resort(
    gpu: types.SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'pynvml', None)
    tool = tmp_path / 'nvidia-smi'
    tool.write_text('#!/bin/sh\necho 42.5\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    found = power_sources.find_meter('cuda', tmp_path)
    assert found.note.startswith('nvidia-smi every')
    assert found.meter is not None
    assert 0 <= found.meter.joules() < 42.5 * 60
    found.meter.close()


def test_a_gpu_is_described(gpu: types.SimpleNamespace) -> None:
    facts = describe_device('cuda:1')
    assert facts['gpu'] == 'NVIDIA H200'
    assert facts['gpu memory'] == '141.0 GB'
    assert facts['compute capability'] == '9.0'


def test_without_any_sensor_the_reason_is_given(tmp_path: Path) -> None:
    found = power_sources.find_meter('cpu', tmp_path)
    assert found.meter is None
    assert found.note == 'no INA3221 sensor; no RAPL in /sys/class/powercap'

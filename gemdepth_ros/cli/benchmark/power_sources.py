"""Which energy can be read on this machine: NVML, nvidia-smi, a Jetson's sensors, RAPL."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemdepth_ros.cli.benchmark.machine import ROOT, tool_output
from gemdepth_ros.cli.benchmark.power import CounterMeter, Meter, SampledMeter, WrappingCounter

JETSON_PERIOD_S = 0.05
NVIDIA_SMI_PERIOD_S = 0.5  # every reading starts a process
# Channels that hold the board's whole input; where there is none, all channels are added.
JETSON_TOTALS = ('VDD_IN', 'VIN')
UNUSED = ('', 'NC')


@dataclass(frozen=True)
class Metering:
    """A meter, or None; ``note`` says what it measures, or why there is none."""

    meter: Meter | None
    note: str


def find_meter(device_name: str, root: Path = ROOT) -> Metering:
    """Return the meter that fits a device best.

    Args:
        device_name: ``cpu``, ``cuda`` or ``cuda:N``.
        root: where ``/sys`` is found.
    """
    sources: list[Callable[[], Metering]] = [lambda: jetson(root)]  # CPU and GPU in one
    if device_name.startswith('cuda'):
        sources += [lambda: nvml(device_name), lambda: nvidia_smi(device_name)]
    else:
        sources.append(lambda: rapl(root))
    reasons = []
    for source in sources:
        found = source()
        if found.meter is not None:
            return found
        reasons.append(found.note)
    return Metering(None, '; '.join(reasons))


def rapl(root: Path = ROOT) -> Metering:
    """Energy of the processor packages, as the kernel's powercap shows it (Intel and AMD)."""
    folders = sorted((root / 'sys/class/powercap').glob('intel-rapl:[0-9]*'))
    packages = [f for f in folders if f.name.count(':') == 1 and _read(f / 'name') != 'psys']
    if not packages:
        return Metering(None, 'no RAPL in /sys/class/powercap')
    counters = []
    for folder in packages:
        try:
            counters.append(_rapl_counter(folder))
        except OSError as error:
            return Metering(None, f'RAPL: {folder.name}/energy_uj: {error.strerror} (root may)')
    note = f'RAPL, {len(counters)} processor package(s) with all that ran on them'
    return _metering(CounterMeter(note, lambda: sum(c.total() for c in counters) / 1e6))


def _rapl_counter(folder: Path) -> WrappingCounter:
    path = folder / 'energy_uj'
    period = int((folder / 'max_energy_range_uj').read_text())
    return WrappingCounter(lambda: int(path.read_text()), period)


def jetson(root: Path = ROOT) -> Metering:
    """Power of a Jetson from its INA3221 sensors (kernel documentation, hwmon/ina3221)."""
    rails: dict[str, tuple[Path, Path]] = {}
    for name in sorted((root / 'sys/class/hwmon').glob('hwmon*/name')):
        if _read(name) == 'ina3221':
            rails |= _rails(name.parent)
    if not rails:
        return Metering(None, 'no INA3221 sensor')
    used = next(([total] for total in JETSON_TOTALS if total in rails), sorted(rails))
    pairs = [rails[name] for name in used]

    def watts() -> float:
        return sum(int(mv.read_text()) * int(ma.read_text()) / 1e6 for mv, ma in pairs)

    return _metering(SampledMeter(f'INA3221: {" + ".join(used)}', watts, JETSON_PERIOD_S))


def _rails(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Channels of one sensor by label: files of the voltage [mV] and of the current [mA]."""
    rails = {}
    for channel in (1, 2, 3):
        label = _read(folder / f'in{channel}_label')
        files = folder / f'in{channel}_input', folder / f'curr{channel}_input'
        if label not in UNUSED and all(file.is_file() for file in files):
            rails[label] = files
    return rails


def nvml(device_name: str) -> Metering:
    """Energy counter of the GPU (Volta and later), by way of nvidia-ml-py."""
    try:
        library: Any = importlib.import_module('pynvml')
    except ImportError:
        return Metering(None, 'no pynvml (pip install nvidia-ml-py)')
    try:
        library.nvmlInit()
        name = _nvidia_name(device_name)
        if name.startswith('GPU-'):
            handle = library.nvmlDeviceGetHandleByUUID(name)
        else:
            handle = library.nvmlDeviceGetHandleByIndex(int(name))
        library.nvmlDeviceGetTotalEnergyConsumption(handle)
    except library.NVMLError as error:
        return Metering(None, f'NVML: {error}')

    def joules() -> float:
        return float(library.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3

    return _metering(CounterMeter('NVML, the whole GPU', joules))


def nvidia_smi(device_name: str) -> Metering:
    """Power that nvidia-smi shows; slices of less than some seconds are guesses."""
    query = (
        '-i',
        _nvidia_name(device_name),
        '--query-gpu=power.draw',
        '--format=csv,noheader,nounits',
    )
    try:
        float(tool_output('nvidia-smi', *query))
    except ValueError:
        return Metering(None, 'nvidia-smi shows no power')

    def watts() -> float:
        command = ['nvidia-smi', *query]
        return float(subprocess.run(command, capture_output=True, check=True).stdout)

    note = f'nvidia-smi every {NVIDIA_SMI_PERIOD_S} s, the whole GPU'
    return _metering(SampledMeter(note, watts, NVIDIA_SMI_PERIOD_S))


def _nvidia_name(device_name: str) -> str:
    """Name by which NVIDIA's tools know a GPU: torch may see only some of them, in other order."""
    import torch

    uuid = getattr(torch.cuda.get_device_properties(device_name), 'uuid', None)
    if uuid is not None:
        return f'GPU-{uuid}'
    return str(torch.device(device_name).index or 0)  # torch before 2.4 does not tell


def _metering(meter: Meter) -> Metering:
    return Metering(meter, meter.source)


def _read(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ''

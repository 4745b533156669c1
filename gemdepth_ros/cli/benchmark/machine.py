"""What the figures were measured on: device, driver, versions, threads, power mode."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = (
    'gemdepth_ros',
    'torch',
    'numpy',
    'opencv-python-headless',
    'opencv-python',
    'onnxruntime',
    'onnxruntime-gpu',
    'tensorrt',
    'triton',
)
TOOL_TIMEOUT_S = 10.0
ROOT = Path('/')


def describe_system(root: Path = ROOT) -> dict[str, str]:
    """Return what is known without torch; what a machine does not have is left out.

    Args:
        root: where ``/proc``, ``/sys`` and ``/etc`` are found.
    """
    found = {
        'processor': processor_name(root),
        'cores': str(os.cpu_count() or '?'),
        'memory': _memory(root),
        'system': _system(root),
        'python': platform.python_version(),
        'board': _text(root / 'proc/device-tree/model'),
        'jetson linux': _first_line(_text(root / 'etc/nv_tegra_release')),
        'governor': _text(root / 'sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
        'power mode': power_mode(tool_output('nvpmodel', '-q')),
        'driver': _driver(root),
    }
    return {name: value for name, value in found.items() if value}


def describe_packages() -> dict[str, str]:
    """Return the versions of those of ``PACKAGES`` that are installed."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if 'gemdepth_ros' not in versions:
        from gemdepth_ros import __version__  # run from the source tree

        versions['gemdepth_ros'] = __version__
    return versions


def describe_device(device_name: str) -> dict[str, str]:
    """Return what torch says of the device the network ran on (imports torch)."""
    import torch

    device = torch.device(device_name)
    found = {'device': device_name, 'threads': str(torch.get_num_threads())}
    if device.type != 'cuda':
        return found
    properties = torch.cuda.get_device_properties(device)
    return found | {
        'gpu': properties.name,
        'gpu memory': f'{properties.total_memory / 1e9:.1f} GB',
        'compute capability': f'{properties.major}.{properties.minor}',
        'multiprocessors': str(properties.multi_processor_count),
        'cuda': str(torch.version.cuda),
        'cudnn': str(torch.backends.cudnn.version()),
    }


def processor_name(root: Path = ROOT) -> str:
    """Return the processor's name; Arm boards give only the names of their cores' parts."""
    text = _text(root / 'proc/cpuinfo')
    match = re.search(r'^(?:model name|Model|Hardware)\s*:\s*(.+)$', text, re.MULTILINE)
    return match[1].strip() if match else (platform.processor() or platform.machine())


def power_mode(text: str) -> str:
    """Return the name of the power mode from what ``nvpmodel -q`` prints."""
    match = re.search(r'Power Mode:\s*(\S+)', text)
    return match[1] if match else ''


def tool_output(name: str, *arguments: str) -> str:
    """Return what a tool prints; empty when there is none or it fails."""
    path = shutil.which(name)
    if path is None:
        return ''
    try:
        done = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            timeout=TOOL_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return done.stdout.strip() if done.returncode == 0 else ''


def _driver(root: Path) -> str:
    text = tool_output('nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader')
    if text:
        return _first_line(text)
    # Jetsons have no nvidia-smi before JetPack 7.
    match = re.search(r'Module\s+(\S+)', _text(root / 'proc/driver/nvidia/version'))
    return match[1] if match else ''


def _memory(root: Path) -> str:
    match = re.search(r'MemTotal:\s+(\d+) kB', _text(root / 'proc/meminfo'))
    return f'{int(match[1]) * 1024 / 1e9:.1f} GB' if match else ''


def _system(root: Path) -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', _text(root / 'etc/os-release'), re.MULTILINE)
    return f'{match[1] if match else platform.system()}, {platform.release()}'


def _first_line(text: str) -> str:
    return text.partition('\n')[0].strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8', errors='replace').strip('\x00\n ')
    except OSError:
        return ''

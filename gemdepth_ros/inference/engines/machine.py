"""What a TensorRT engine is bound to besides its graph: GPU, TensorRT, driver."""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
from pathlib import Path

import torch

UNKNOWN = 'unknown'
DRIVER_FILE = Path('/proc/driver/nvidia/version')
TENSORRT_LIBRARIES = ('libnvinfer.so', 'libnvinfer.so.11', 'libnvinfer.so.10', 'libnvinfer.so.8')
LIBRARIES = ('torch', 'onnx', 'onnxruntime', 'onnxruntime-gpu', 'onnxscript', 'tensorrt')


def build_machine(device: torch.device) -> dict[str, str]:
    """Return GPU, TensorRT version and driver of a device, or ``unknown``."""
    gpu = torch.cuda.get_device_name(device) if device.type == 'cuda' else UNKNOWN
    return {'gpu': gpu, 'tensorrt': tensorrt_version(), 'driver': driver_version()}


def tensorrt_version() -> str:
    """Return the version of the TensorRT library, as the library itself says it."""
    for name in TENSORRT_LIBRARIES:
        try:
            number = int(ctypes.CDLL(name).getInferLibVersion())
        except (OSError, AttributeError):
            continue
        # 10.3.0 is 100300, 8.6.1 is 8601.
        major, rest = divmod(number, 10_000) if number >= 100_000 else divmod(number, 1000)
        return f'{major}.{rest // 100}.{rest % 100}'
    return library_versions().get('tensorrt', UNKNOWN)


def driver_version(source: Path = DRIVER_FILE) -> str:
    """Return the version of NVIDIA's kernel driver."""
    try:
        text = source.read_text(encoding='utf-8')
    except OSError:
        return UNKNOWN
    found = re.search(r'Kernel Module.*?\s(\d+(?:\.\d+)+)', text)
    return found.group(1) if found else UNKNOWN


def library_versions() -> dict[str, str]:
    """Versions of the libraries that take part in an export, where they are installed."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions

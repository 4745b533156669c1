"""What a stream needs of a board's memory: computed for each profile, and one measurement.

    python benchmarks/bench_memory_budget.py                # computed, seconds
    python benchmarks/bench_memory_budget.py --measure      # and the peak of a frame on this CPU

Computed are the weights (parameters times bytes; those kept in float32 counted so) and the
session (``gemdepth_ros.inference.memory``). Not computed are the values that live while a frame is
in work, the libraries and the CUDA context: ``--measure`` runs the profile's network and window
with seeded weights in float32 on this machine and reports the peak above the loaded network; on a
GPU in half precision about half of it, and other kernels, are to be expected.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.device import DTYPES
from gemdepth_ros.inference.memory import stream_bytes
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepth, GemDepthConfig, build_gemdepth

PROFILES = Path(__file__).parents[1] / 'config' / 'profiles'
IMAGES = {'1242x375': (375, 1242), '1280x720': (720, 1280)}
MB = 1e6


def parameters_of(profile: Path) -> dict[str, Any]:
    """Return the node parameters of a profile."""
    loaded: dict[str, Any] = yaml.safe_load(profile.read_text())
    values: dict[str, Any] = loaded['/**']['ros__parameters']
    return values


def streaming_of(values: dict[str, Any]) -> StreamingConfig:
    """Return the stream's settings of a profile."""
    named = {k.partition('.')[2]: v for k, v in values.items() if k.startswith('streaming.')}
    return StreamingConfig(**named)


def weights_bytes(preset: str, dtype: torch.dtype) -> tuple[int, int]:
    """Return (number of parameters, their bytes); nothing is allocated."""
    with torch.device('meta'):
        model = GemDepth(GemDepthConfig.preset(preset)).set_dtype(dtype)
    tensors = list(model.parameters())
    return sum(t.numel() for t in tensors), sum(t.numel() * t.element_size() for t in tensors)


def measured_peak(preset: str, streaming: StreamingConfig, image: tuple[int, int]) -> float:
    """Return the largest resident memory during a window's frames above the loaded network [MB].

    Linux only: the kernel's own high-water mark is set back and read.
    """
    model = build_gemdepth(preset, None, torch.device('cpu'), torch.float32)
    session = StreamSession(model, streaming)
    rgb = np.random.default_rng(0).integers(0, 256, (*image, 3), np.uint8)
    Path('/proc/self/clear_refs').write_text('5')
    before = _high_water_bytes()
    for index in range(streaming.window + 1):
        session.step(VideoFrame(rgb, stamp_ns=index * 100_000_000))
    return (_high_water_bytes() - before) / MB


def _high_water_bytes() -> int:
    status = Path('/proc/self/status').read_text()
    return 1024 * int(re.search(r'VmHWM:\s+(\d+) kB', status).group(1))  # type: ignore[union-attr]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--measure', nargs='*', metavar='PROFILE', help='measure these (all)')
    arguments = parser.parse_args()
    print('profile     network    parameters  weights MB  image      input     session MB')
    for profile in sorted(PROFILES.glob('*.yaml')):
        values = parameters_of(profile)
        preset, dtype = values['network.preset'], DTYPES[values['network.dtype']]
        streaming = streaming_of(values)
        count, weights = weights_bytes(preset, dtype)
        for name, image in IMAGES.items():
            size = network_size(*image, streaming.input_size)
            held = stream_bytes(GemDepthConfig.preset(preset), streaming, *size, dtype)
            print(
                f'{profile.stem:<11} {preset:<10} {count / 1e6:8.0f} M  {weights / MB:9.0f}  '
                f'{name:<10} {size[1]}x{size[0]:<5} {held / MB:9.0f}'
            )
        chosen = arguments.measure
        if chosen is not None and (not chosen or profile.stem in chosen):
            peak = measured_peak(preset, streaming, IMAGES['1242x375'])
            print(f'{profile.stem}: measured {peak:.0f} MB above the network, float32, this CPU')


if __name__ == '__main__':
    main()

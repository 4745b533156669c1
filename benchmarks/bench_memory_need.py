"""Peak memory of each way of running a network: by the formula, and measured here.

    python benchmarks/bench_memory_need.py --preset vitl --input-size 260 --window 8

Every form runs in a process of its own, on a CPU, Linux only: resident memory, by the kernel's
high-water mark, which is set back when the network is loaded. `plain` is the published windowed
procedure as it stands: every window encoded anew, all of the global block, the head on all
frames at once, no layer in parts. The formula is `gemdepth_ros.inference.memory_need`; libraries
(the interpreter, torch, OpenCV) are measured and named apart. glibc is told to give freed memory
back at once (MALLOC_MMAP_THRESHOLD_), for all forms alike: else it keeps some for itself, and
what is measured is its habits.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from bench_streaming import plain_windows

from gemdepth_ros.inference import StreamingConfig, StreamSession, WindowConfig, WindowedPredictor
from gemdepth_ros.inference.device import DTYPES
from gemdepth_ros.inference.memory_need import offline_need, stream_need
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepth, build_gemdepth
from gemdepth_ros.model.layers import parts

MB = 1e6
FORMS = ('plain', 'offline', 'sliding', 'causal')
RETURN_AT_ONCE = {'MALLOC_MMAP_THRESHOLD_': '262144', 'OMP_WAIT_POLICY': 'PASSIVE'}


def main() -> None:
    """Print the table, or (--form) measure one form and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--preset', default='small')
    parser.add_argument('--weights', help='a file; without one the weights are seeded numbers')
    parser.add_argument('--dtype', nargs='+', default=['float32'], choices=sorted(DTYPES))
    parser.add_argument('--image', type=int, nargs=2, default=(375, 1242), metavar=('H', 'W'))
    parser.add_argument('--input-size', type=int, default=260, help='260 gives 140x462 on KITTI')
    parser.add_argument('--window', type=int, default=8, choices=(8, 16, 32))
    parser.add_argument('--forms', nargs='+', default=FORMS, choices=FORMS)
    parser.add_argument('--form', choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument('--json', help='write the results here as well')
    arguments = parser.parse_args()
    if arguments.form:
        print(json.dumps(measure(arguments)))
        return
    rows = [in_process(form, dtype) for dtype in arguments.dtype for form in arguments.forms]
    print('form      precision  libraries  loaded  peak while loading     peak  above the network')
    for row in rows:
        print(
            f'{row["form"]:<9} {row["dtype"]:<9} {row["libraries"]:10.0f} {row["loaded"]:7.0f} '
            f'{row["loading_peak"]:19.0f} {row["peak"]:8.0f} {row["peak"] - row["loaded"]:9.0f}'
            f'   {row["formula"]}'
        )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2) + '\n', encoding='utf-8')


def in_process(form: str, dtype: str) -> dict[str, Any]:
    """Measure one form in a process of its own, with the same command line."""
    command = [sys.executable, *sys.argv, '--form', form, '--dtype', dtype]
    environment = os.environ | RETURN_AT_ONCE
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Load the network, run one form over two windows, and return the figures [MB]."""
    dtype, frame_size = DTYPES[arguments.dtype[-1]], tuple(arguments.image)
    libraries = status_mb('VmRSS')
    reset_high_water()
    model = build_gemdepth(arguments.preset, arguments.weights, dtype=dtype)
    gc.collect()
    loading_peak = status_mb('VmHWM')
    loaded = status_mb('VmRSS')
    reset_high_water()
    frames = [
        np.random.default_rng(number).integers(0, 256, (*frame_size, 3), np.uint8)
        for number in range(arguments.window)
    ]
    run(model, arguments.form, frames, arguments.input_size, arguments.window)
    size = network_size(*frame_size, arguments.input_size)
    if arguments.form in ('sliding', 'causal'):
        streaming = StreamingConfig(mode=arguments.form, window=arguments.window)
        need = str(stream_need(model.config, streaming, size, dtype))
    elif arguments.form == 'offline':
        need = str(offline_need(model.config, arguments.window, size, frame_size, dtype))
    else:
        need = ''
    return {
        'form': arguments.form,
        'dtype': arguments.dtype[-1],
        'libraries': libraries,
        'loaded': loaded,
        'loading_peak': loading_peak,
        'peak': status_mb('VmHWM'),
        'formula': need,
    }


def run(model: GemDepth, form: str, frames: list[Any], input_size: int, window: int) -> None:
    """Run one form; what it says does not matter here."""
    if form == 'plain':
        parts.VALUES_AT_ONCE = 1 << 60
        plain_windows(model, frames, input_size, WindowConfig.preset(window))
    elif form == 'offline':
        predictor = WindowedPredictor(model, WindowConfig.preset(window))
        for _ in predictor.stream(iter(frames), input_size):
            pass
    else:
        session = StreamSession(
            model, StreamingConfig(mode=form, window=window, input_size=input_size)
        )
        for number, image in enumerate(frames):
            session.step(VideoFrame(image, number * 100_000_000))


def reset_high_water() -> None:
    """Let the kernel's mark start from what is resident now; see proc(5)."""
    Path('/proc/self/clear_refs').write_text('5')


def status_mb(name: str) -> float:
    """A field of this process's status [MB]."""
    found = re.search(name + r':\s+(\d+) kB', Path('/proc/self/status').read_text())
    assert found is not None
    return int(found[1]) * 1024 / MB


if __name__ == '__main__':
    main()

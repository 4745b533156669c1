"""A long recording needs no more memory than a short one, also when it is killed and resumed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from evaluation_worlds import write_bag

SCRIPT = """
import os, resource, signal, sys
from dataclasses import replace
from pathlib import Path
from evaluation_worlds import TINY, known
from gemdepth_ros.cli.evaluation.run import evaluate_source
bag, output, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
seen = []

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def watch(*_):
    seen.append(1)
    if len(seen) == last:
        print(last, peak(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

result = evaluate_source(
    bag, replace(TINY, checkpoint_s=0.2), output, make_predictor=known(), observer=watch
)
metric = result.protocol('metric')
assert metric.mean.abs_rel == 0
assert [frame.index for frame in metric.frames] == list(range(result.source.processed))
assert last == 0 or len(seen) < result.source.processed  # it went on, it did not start anew
print(result.source.processed, peak())
"""
# Scores of each frame stay in memory and in the result: about 7 kB per frame.
ALLOWED_KB_PER_FRAME = 12


def peak_mib(
    bag: Path, output: Path, frames: int, *, killed_at: int = 0, going_on: int = 0
) -> int:
    """Evaluate until the end, or until a frame at which the process kills itself."""
    run = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(bag), str(output), str(killed_at or going_on)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == (-signal.SIGKILL if killed_at else 0), run.stderr
    processed, peak = map(int, run.stdout.split())
    assert processed == (killed_at or frames)
    return peak


@pytest.mark.slow
def test_five_thousand_frames_in_flat_memory(tmp_path: Path) -> None:
    short, long = 200, 5000
    for frames in (short, long):
        write_bag(tmp_path / f'bag{frames}', frames)
    base = peak_mib(tmp_path / f'bag{short}', tmp_path / 'short', short)
    bag, output = tmp_path / f'bag{long}', tmp_path / 'long'
    peaks = [
        peak_mib(bag, output, long, killed_at=long // 2),
        peak_mib(bag, output, long, going_on=-1),
    ]
    assert max(peaks) - base < (long - short) * ALLOWED_KB_PER_FRAME / 1024, (base, peaks)

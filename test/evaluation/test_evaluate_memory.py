"""A long recording needs no more memory than a short one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from evaluation_worlds import write_bag

SCRIPT = """
import resource, sys
from pathlib import Path
from evaluation_worlds import TINY, known
from gemdepth_ros.cli.evaluation.run import evaluate_source
bag, output = map(Path, sys.argv[1:])
result = evaluate_source(bag, TINY, output, make_predictor=known())
assert result.protocols[0].mean.abs_rel == 0
print(result.source.processed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
# Scores of each frame stay in memory and in the result: about 7 kB per frame.
ALLOWED_KB_PER_FRAME = 12


def peak_mib(bag: Path, output: Path, frames: int) -> int:
    run = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(bag), str(output)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    processed, peak = map(int, run.stdout.split())
    assert processed == frames
    return peak


@pytest.mark.slow
def test_five_thousand_frames_in_flat_memory(tmp_path: Path) -> None:
    peaks = []
    for frames in (200, 5000):
        bag = write_bag(tmp_path / f'bag{frames}', frames)
        peaks.append(peak_mib(bag, tmp_path / f'out{frames}', frames))
    growth = peaks[1] - peaks[0]
    assert growth < (5000 - 200) * ALLOWED_KB_PER_FRAME / 1024, peaks

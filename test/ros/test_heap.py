"""Memory of one frame serves the next; what cleanup frees goes back to the system."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip('rclpy')

from gemdepth_ros.ros import heap

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='glibc')

FRAMES = """
import os, resource, sys
from gemdepth_ros.ros import heap
told = heap.keep_freed_memory() if sys.argv[1] == 'kept' else False

def frame():
    blocks = [bytearray(b'x' * 1_900_000) for _ in range(4)]

def resident():
    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

for _ in range(3):
    frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    frame()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
kept = resident()
heap.give_back_freed_memory()
print(told, faults // 20, kept - resident())
"""


def run(word, **environment):
    out = subprocess.run(
        [sys.executable, '-c', FRAMES, word],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    ).stdout.split()
    return out[0] == 'True', int(out[1]), int(out[2])


def test_freed_memory_serves_the_next_frame_and_can_be_given_back():
    told, faults, returned = run('kept')
    assert told
    assert faults < 100
    assert returned > 5_000_000


def test_what_the_user_says_stays():
    told, _, _ = run('kept', MALLOC_TRIM_THRESHOLD_='1000000')
    assert not told


def test_another_c_library_is_left_alone(monkeypatch):
    for name in ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(heap.ctypes, 'CDLL', lambda _: object())
    assert not heap.keep_freed_memory()
    heap.give_back_freed_memory()

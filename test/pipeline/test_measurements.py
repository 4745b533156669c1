"""Counts add up at all times; latency and rate mean what they say."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from gemdepth_ros.pipeline.measurements import FrameCounter, LatencyWindow, RateMeter


def test_every_frame_has_one_way_out():
    counter = FrameCounter()
    counter.arrived(lost_before=2)
    counter.arrived()
    counter.arrived()
    counter.arrived()
    assert (counter.snapshot().received, counter.snapshot().pending) == (6, 4)
    counter.processed()
    counter.rejected()
    counter.failed()
    counter.dropped()
    counts = counter.snapshot()
    assert vars(counts) == {
        'received': 6, 'processed': 1, 'dropped': 3, 'lost': 2, 'rejected': 1, 'failed': 1
    }  # fmt: skip
    assert counts.pending == 0


def test_counts_of_several_threads_are_not_lost():
    counter = FrameCounter()

    def count():
        for _ in range(2000):
            counter.arrived()
            counter.processed()
            assert counter.snapshot().pending >= 0

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.snapshot().received == counter.snapshot().processed == 8000


def test_latency_percentiles_cover_the_last_frames_only():
    window = LatencyWindow(capacity=100)
    for value in [1e9, *range(1, 101)]:
        window.add(value)
    summary = window.summary()
    assert summary.newest_ms == 100
    assert summary.p50_ms == pytest.approx(np.percentile(range(1, 101), 50))
    assert summary.p99_ms == pytest.approx(np.percentile(range(1, 101), 99))


def test_latency_of_nothing_is_unknown():
    assert math.isnan(LatencyWindow().summary().p99_ms)


def test_rate_counts_intervals_and_falls_when_events_stop():
    meter = RateMeter()
    assert meter.rate_hz(0.0) == 0
    assert meter.last_s is None
    for i in range(11):
        meter.add(i * 0.1)
    assert meter.rate_hz(1.0) == pytest.approx(10)
    assert meter.rate_hz(1.05) == pytest.approx(10)
    assert meter.rate_hz(10.1) == pytest.approx(1.0)
    assert meter.last_s == 1.0

"""What the node knows about its own work."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from gemdepth_ros.interfaces import GroundingState, PinholeIntrinsics, ResetReason
from gemdepth_ros.ros.statistics import NodeStatistics

GAP, BACKWARD = ResetReason.GAP, ResetReason.BACKWARD_TIME
SECOND = 1_000_000_000


def output(stamp_ns, predicted=False):
    return SimpleNamespace(
        stamp_ns=stamp_ns,
        frame_id='cam',
        network_size=(70, 70),
        window_frames=1,
        grounding=GroundingState(),
        camera=PinholeIntrinsics(64, 48, 60.0, 60.0, 31.5, 23.5),
        camera_is_predicted=predicted,
        predicted_fov_deg=(56.0, 43.0),
    )


def test_resets_before_the_activation_are_not_this_streams():
    statistics = NodeStatistics({GAP: 4})
    statistics.resets_are({GAP: 4}, at_frame=True)
    assert statistics.snapshot().resets == {}
    statistics.resets_are({GAP: 5, BACKWARD: 1}, at_frame=True)
    snapshot = statistics.snapshot()
    assert snapshot.resets == {'gap': 1, 'backward_time': 1}
    assert snapshot.recent_resets == ('', 'backward_time')


def test_recent_resets_are_those_of_the_last_frames():
    statistics = NodeStatistics()
    statistics.resets_are({ResetReason.REQUEST: 1}, at_frame=False)
    for count in range(1, 4):
        statistics.resets_are({ResetReason.REQUEST: 1, GAP: count}, at_frame=True)
    assert statistics.snapshot().recent_resets == ('gap',) * 3
    for _ in range(20):
        statistics.resets_are({ResetReason.REQUEST: 1, GAP: 3}, at_frame=True)
    assert statistics.snapshot().recent_resets == ('',) * 20


def latency_of(statistics):
    return statistics.snapshot().stamp_latency


def test_latency_is_also_measured_from_the_stamp():
    statistics = NodeStatistics()
    for late_ms in (100, 300):
        statistics.published(output(5 * SECOND), 0.0, 5 * SECOND + late_ms * 1_000_000)
    assert latency_of(statistics).newest_ms == pytest.approx(300)
    assert latency_of(statistics).p99_ms == pytest.approx(298)


@pytest.mark.parametrize('late_s', [-0.1, 10.1, 1.7e9])
def test_stamps_of_another_clock_give_no_latency(late_s):
    statistics = NodeStatistics()
    statistics.published(output(5 * SECOND), 0.0, 5 * SECOND)
    statistics.published(output(5 * SECOND), 0.0, 5 * SECOND + round(late_s * SECOND))
    assert math.isnan(latency_of(statistics).newest_ms)
    assert math.isnan(latency_of(statistics).p99_ms)


def test_a_predicted_camera_is_noted():
    statistics = NodeStatistics()
    statistics.published(output(1, predicted=True), 0.0, 1)
    assert statistics.snapshot().newest.camera_predicted

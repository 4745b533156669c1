"""Which CameraInfo belongs to an image: stamps choose, but a calibration does not age."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from gemdepth_ros.ros.camera_input import CameraInfoBuffer  # noqa: E402

SECOND = 1_000_000_000
SIZE = (48, 64)


def info(stamp_s, frame='cam', size=SIZE):
    stamp_ns = round(stamp_s * SECOND)
    stamp = SimpleNamespace(sec=stamp_ns // SECOND, nanosec=stamp_ns % SECOND)
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id=frame),
        height=size[0],
        width=size[1],
        roi=roi,
        binning_x=0,
        binning_y=0,
    )


def filled(*messages):
    buffer = CameraInfoBuffer()
    for message in messages:
        buffer.add(message)
    return buffer


def find(buffer, stamp_s, frame='cam', size=SIZE, wait_s=0.0):
    return buffer.find(round(stamp_s * SECOND), size, frame, 0.5, wait_s)


def test_the_same_stamp_goes_first_then_the_newest_within_the_tolerance():
    first, second, third = (info(stamp) for stamp in (1.0, 1.1, 1.2))
    buffer = filled(first, second, third)
    assert find(buffer, 1.1) is second
    assert find(buffer, 1.15) is third
    assert find(buffer, 1.6) is third


def test_the_last_of_a_camera_stays_in_force():
    first = info(1.0)
    buffer = filled(first)
    assert find(buffer, 1.0) is first
    assert find(buffer, 1000.0) is first
    second = info(900.0)
    buffer.add(second)
    assert find(buffer, 1001.0) is second, 'the newest one replaces it'


def test_one_that_was_sent_long_before_the_first_image_serves():
    latched = info(0.0)
    assert find(filled(latched), 5000.0) is latched


def test_another_cameras_calibration_serves_by_stamp_alone():
    other = info(1.0, frame='other')
    assert find(filled(other), 1.2) is other, 'some drivers name the frames differently'
    assert find(filled(other), 9.0) is None


def test_a_frame_that_is_named_differently_stays_in_force_once_it_was_taken():
    first, second = info(1.0, frame='camera'), info(50.0, frame='camera')
    buffer = filled(first)
    assert find(buffer, 1.0, 'camera_optical') is first
    assert find(buffer, 9.0, 'camera_optical') is first
    buffer.add(second)
    assert find(buffer, 99.0, 'camera_optical') is second
    assert find(buffer, 99.0, 'rear_optical') is None


def test_it_outlives_the_messages_of_other_cameras():
    mine = info(1.0)
    buffer = filled(mine)
    assert find(buffer, 1.0) is mine
    for i in range(100):
        buffer.add(info(2.0 + i, frame='other'))
    assert find(buffer, 1000.0) is mine


def test_another_size_is_only_reported():
    large = info(1.0, size=(96, 128))
    buffer = filled(large)
    assert find(buffer, 1.0) is large
    assert find(buffer, 9.0) is None
    fitting = info(0.8)
    buffer.add(fitting)
    assert find(buffer, 1.0) is fitting


def test_nobody_waits_while_one_is_in_force():
    buffer = filled(info(1.0))
    started = time.monotonic()
    assert find(buffer, 100.0, wait_s=60.0) is not None
    assert time.monotonic() - started < 30.0

"""The verdict over a snapshot, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from gemdepth_ros.interfaces import GroundingState  # noqa: E402
from gemdepth_ros.pipeline.measurements import (  # noqa: E402
    DeviceMemory,
    FrameCounts,
    LatencySummary,
)
from gemdepth_ros.ros.diagnostics import status_message, status_name  # noqa: E402
from gemdepth_ros.ros.node_config import NodeConfig  # noqa: E402
from gemdepth_ros.ros.statistics import OutputFacts, Snapshot  # noqa: E402
from gemdepth_ros.ros.status import status_message as ros_status  # noqa: E402
from gemdepth_ros.ros.verdict import ERROR, OK, WARN, verdict_on  # noqa: E402

METRIC = GroundingState(metric=True, scale=5.0, shift=0.1, sources=('manual',))
NEWEST = OutputFacts(1, 'cam', (70, 140), 8, METRIC, 1.02)
GOOD = Snapshot(
    time_s=100.0,
    state='active',
    mode='sliding',
    weights='file',
    trained=True,
    counts=FrameCounts(received=100, processed=90, dropped=10),
    latency=LatencySummary(50, 50, 80),
    image_age_s=0.1,
    image_topic='/image',
    newest=NEWEST,
)


def verdict(before=None, **changes):
    return verdict_on(replace(GOOD, **changes), before, NodeConfig())


def test_the_memory_of_the_device_is_told_where_there_is_one():
    assert not any('memory' in name for name in verdict().values)
    memory = DeviceMemory(used=300 << 20, peak=512 << 20, free=6 << 30, total=8 << 30)
    values = verdict(device_memory=memory).values
    assert {n: v for n, v in values.items() if 'memory' in n} == {
        'device memory, used (MiB)': '300',
        'device memory, peak (MiB)': '512',
        'device memory, free on the device (MiB)': '6144',
        'device memory, total (MiB)': '8192',
    }


def test_all_well():
    good = verdict()
    assert (good.level, good.message) == (OK, 'active')
    assert good.values['frames received'] == '100'
    assert good.values['scale'] == '5'


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'trained': False}, 'untrained'),
        ({'image_age_s': 3.0}, 'no image on /image for 3.0 s'),
        ({'image_age_s': 3.0, 'counts': FrameCounts()}, 'no image ever on /image'),
        ({'camera_note': 'no camera_info for this image'}, 'no camera_info'),
        ({'last_problem': 'image rejected: x', 'problem_age_s': 1.0}, 'image rejected: x'),
        ({'latency': LatencySummary(50, 50, 1500)}, 'is 1500 ms, more than 1000'),
        ({'newest': replace(NEWEST, grounding=GroundingState())}, 'relative, not metres'),
        ({'latency': LatencySummary(50, 50, 1500)}, 'from arrival'),
        ({'stamp_latency': LatencySummary(50, 50, 1700)}, 'from the image stamp is 1700 ms'),
        ({'newest': replace(NEWEST, fov_ratio=1.33)}, '1.33 times'),
        ({'newest': replace(NEWEST, camera_predicted=True)}, '~/points is withheld'),
        (
            {'newest': replace(NEWEST, grounding=replace(METRIC, messages=('no LiDAR points',)))},
            'no LiDAR points',
        ),
        ({'recent_resets': ('', 'backward_time') * 3}, '3 of the last 6'),
        ({'recent_resets': ('backward_time',) * 3}, '(backward_time); stamps do not advance'),
        ({'recent_resets': ('gap',) * 20}, 'streaming.max_gap_s'),
        ({'recent_resets': ('size_change',) * 4 + ('gap',)}, '(size_change)'),
        ({'recent_resets': ('request',) * 3}, '(request); depth and motion cannot settle'),
    ],
)
def test_warnings(changes, words):
    found = verdict(**changes)
    assert found.level == WARN
    assert words in found.message


def test_the_loop_of_a_bag_is_no_repeated_reset():
    assert verdict(recent_resets=('backward_time',) + ('',) * 19).level == OK


SLOW = FrameCounts(received=100, processed=30, dropped=70)


def test_a_network_that_cannot_follow_is_said_with_the_remedies():
    found = verdict(input_hz=10.0, output_hz=3.0, counts=SLOW)
    assert found.level == WARN
    assert '3.0 outputs per second from 10.0 images' in found.message
    for remedy in ('input_size', 'streaming.window', 'causal', 'network.device'):
        assert remedy in found.message
    assert found.values['share dropped (%)'] == '70.0'


@pytest.mark.parametrize(
    'changes',
    [
        {'output_hz': 8.0, 'counts': SLOW},
        {'counts': FrameCounts(received=100, processed=30, rejected=70)},
        {'counts': FrameCounts(received=100, processed=30, dropped=5, rejected=65)},
        {'counts': FrameCounts(received=3, processed=1, dropped=2)},
    ],
)
def test_what_is_not_the_networks_pace_is_not_blamed_on_it(changes):
    assert verdict(**{'input_hz': 10.0, 'output_hz': 3.0, **changes}).level == OK


def test_lost_images_are_not_blamed_on_the_network():
    counts = FrameCounts(received=100, processed=30, dropped=70, lost=70)
    found = verdict(input_hz=10.0, output_hz=3.0, counts=counts)
    assert 'outputs per second' not in found.message
    assert 'were lost' in found.message


def test_relative_depth_needs_no_calibration_for_its_points():
    relative = replace(NEWEST, grounding=GroundingState(), camera_predicted=True)
    assert 'withheld' not in verdict(newest=relative).message


def test_a_problem_is_forgotten_after_a_while():
    assert verdict(last_problem='x', problem_age_s=6.0).level == OK


def test_an_untrained_network_is_not_asked_for_its_field_of_view():
    found = verdict(trained=False, newest=replace(NEWEST, fov_ratio=1.33))
    assert 'times the predicted' not in found.message


def test_losses_in_transport_are_judged_since_the_last_verdict():
    counts = FrameCounts(received=120, processed=100, dropped=20, lost=5)
    lossy = verdict(before=GOOD, counts=counts)
    assert lossy.level == WARN
    assert '5 of 20 images were lost' in lossy.message
    assert 'FASTRTPS_DEFAULT_PROFILES_FILE' in lossy.message
    assert verdict(before=replace(GOOD, counts=counts), counts=counts).level == OK


def test_a_fault_is_an_error_in_every_state():
    for state in ('unconfigured', 'inactive', 'active'):
        found = verdict(state=state, fault='the worker failed')
        assert found.level == ERROR
        assert found.message.startswith('the worker failed')


def test_several_findings_are_all_named():
    found = verdict(trained=False, image_age_s=9.0)
    assert 'untrained' in found.message
    assert 'no image' in found.message


def test_an_inactive_node_is_not_blamed_for_silence():
    assert verdict(state='inactive', image_age_s=1000.0).level == OK


def test_message_of_a_verdict():
    message = status_message('depth_node: stream', 'cam', verdict(trained=False))
    assert (message.level, message.hardware_id) == (b'\x01', 'cam')
    assert {v.key: v.value for v in message.values}['mode'] == 'sliding'


def test_two_cameras_have_diagnostics_of_two_names():
    node = SimpleNamespace(get_fully_qualified_name=lambda: '/front/depth_node')
    assert status_name(node) == 'front/depth_node: stream'


def test_status_message_carries_the_numbers():
    stamped = LatencySummary(60, 61, 62)
    message = ros_status(
        replace(
            GOOD,
            resets={'gap': 2, 'request': 1},
            last_reset='gap',
            stamp_latency=stamped,
            newest=replace(NEWEST, camera_predicted=True),
        )
    )
    assert (message.stamp_latency_ms, message.stamp_latency_p99_ms) == (60, 62)
    assert message.camera_predicted
    assert (message.frames_received, message.frames_dropped) == (100, 10)
    assert (message.resets, message.last_reset_reason) == (3, 'gap')
    assert dict(zip(message.reset_reasons, message.reset_counts, strict=True)) == {
        'gap': 2, 'request': 1
    }  # fmt: skip
    assert (message.input_height, message.input_width) == (70, 140)
    assert message.metric
    assert message.header.frame_id == 'cam'
    assert ros_status(Snapshot(0.0)).header.frame_id == ''

"""`bag play` and `bag record`: what was recorded comes out of a second recording unchanged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytestmark = pytest.mark.ros

from rclpy.serialization import deserialize_message  # noqa: E402
from ros_harness import domain_id, wait_for  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from gemdepth_ros.bags.reader import BagReader  # noqa: E402
from gemdepth_ros.bags.writer import BagWriter  # noqa: E402
from gemdepth_ros.cli.main import main as command  # noqa: E402
from gemdepth_ros.ros.recorder import _Recorder  # noqa: E402
from gemdepth_ros.ros.session import ros_session  # noqa: E402

ROOT = Path(__file__).parents[2]
TOPICS = ('/camera/image_rect', '/camera/camera_info', '/tf_static', '/ground_truth/odometry')
LISTENED = tuple(f'{topic}=1' for topic in TOPICS)
FRAMES = 8


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """A rendered drive of 0.7 s as a bag."""
    path = tmp_path_factory.mktemp('drive') / 'bag'
    size = ['--size', '160x48']
    assert command(['bag', 'synthesize', '-o', str(path), '--frames', str(FRAMES), *size]) == 0
    return path


@pytest.fixture(autouse=True)
def own_domain(monkeypatch):
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain_id()))
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), *sys.path[1:]]))


@contextmanager
def bag(*arguments):
    """`gemdepth-ros bag ...` as a process, killed if it does not end by itself."""
    words = [sys.executable, '-m', 'gemdepth_ros.cli.main', 'bag', *map(str, arguments)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def play(*arguments, timeout_s=60):
    """Run `bag play` to its end; returns (exit code, stdout, stderr)."""
    with bag('play', *arguments) as child:
        out, errors = child.communicate(timeout=timeout_s)
    return child.returncode, out, errors


def recorded(path, topics):
    """Return what a bag holds, as bytes, by topic.

    Without zeros at the end: DDS fills up to a multiple of four bytes.
    """
    found = {topic: [] for topic in topics}
    with BagReader(path) as reader:
        for connection, _, data in reader.serialized_messages(topics):
            found[connection.topic].append(bytes(data).rstrip(b'\0'))
    return found


def test_every_message_is_recorded_as_it_was_played(drive, tmp_path):
    result = tmp_path / 'result.json'
    with bag('record', '-o', tmp_path / 'copy', '--topics', *TOPICS, '/nothing') as recorder:
        code, _, errors = play(drive, '--wait-for', *LISTENED, '--result', result)
        assert (code, errors) == (0, '')
        recorder.send_signal(signal.SIGINT)
        out, errors = recorder.communicate(timeout=90)
    assert (recorder.returncode, errors) == (0, '')
    assert '/nothing: nothing came' in out
    assert recorded(tmp_path / 'copy', TOPICS) == recorded(drive, TOPICS)
    with BagReader(tmp_path / 'copy') as reader:
        assert reader.topics['/tf_static'].latched
        assert not reader.topics['/camera/image_rect'].latched
        now_ns = time.time_ns()
        assert abs(reader.summary.start_ns - now_ns) < 60e9, 'stamped when it was received'
    content = json.loads(result.read_text())
    assert content['counts']['/camera/image_rect'] == FRAMES
    assert content['complete'] is True
    assert content['seconds'] >= 0.7 * 0.95


class Sink:
    """Keeps what a bag would hold."""

    def __init__(self):
        self.topics, self.messages = [], []

    def add_topic(self, topic, message_type, *, latched):
        self.topics.append((topic, message_type, latched))

    def write_serialized(self, topic, data, stamp_ns):
        self.messages.append((topic, data, stamp_ns))


@pytest.mark.usefixtures('humble_rclpy')
def test_messages_are_recorded_where_rclpy_passes_them_alone():
    sink = Sink()
    with ros_session('a_recorder') as (node, _):
        recorder = _Recorder(node, ['/text'], sink, lambda topic: None)
        publisher = node.create_publisher(String, '/text', 10)

        def recorded_one():
            recorder.follow()
            publisher.publish(String(data='hello'))
            recorder.spin(0.05)
            return recorder.counts['/text']

        wait_for(recorded_one)
        recorder.close()
    assert sink.topics == [('/text', 'std_msgs/msg/String', False)]
    topic, data, stamp_ns = sink.messages[0]
    assert (topic, deserialize_message(data, String).data) == ('/text', 'hello')
    assert abs(stamp_ns - time.time_ns()) < 60e9, 'stamped when it was received'


def test_the_bags_time_is_sent_as_clock(drive, tmp_path):
    topics = ['/clock', '/camera/camera_info']
    with bag('record', '-o', tmp_path / 'copy', '--topics', *topics) as recorder:
        waited = ('--wait-for', *(f'{topic}=1' for topic in topics))
        code, _, errors = play(drive, *waited, '--clock', 100, '--rate', 0.5)
        assert (code, errors) == (0, '')
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=90)
    with BagReader(tmp_path / 'copy') as reader:
        raw = [bytes(data) for _, _, data in reader.serialized_messages(['/clock'])]
    clocks = [deserialize_message(data, Clock).clock for data in raw]
    stamps_ns = np.array([clock.sec * 10**9 + clock.nanosec for clock in clocks])
    with BagReader(drive) as reader:
        recorded_ns = [stamp_ns for _, stamp_ns, _ in reader.serialized_messages()]
    start_ns, end_ns = recorded_ns[0], recorded_ns[-1]
    assert len(stamps_ns) > 30, 'between the messages as well'
    assert (np.diff(stamps_ns) > 0).all()
    assert start_ns <= stamps_ns[0] < start_ns + 2e8
    assert end_ns - 2e8 < stamps_ns[-1] <= end_ns


def test_a_faster_rate_takes_less_time(drive, tmp_path):
    result, seconds = tmp_path / 'result.json', []
    options = ('--rate', 7, '--topics', '/camera/camera_info', '--result', result)
    while len(seconds) < 5 and min(seconds, default=1) >= 0.7:  # a busy machine is late sometimes
        assert play(drive, *options)[0] == 0
        content = json.loads(result.read_text())
        assert content['counts'] == {'/camera/camera_info': FRAMES}
        seconds.append(content['seconds'])
    assert 0.1 * 0.95 <= min(seconds) < 0.7, 'the bag itself has 0.7 s'


def test_the_player_does_not_begin_before_the_awaited_subscription(drive):
    code, out, errors = play(drive, '--wait-for', '/nobody/listens', '--wait-timeout', 0.5)
    assert (code, out) == (1, '')
    assert errors.startswith('gemdepth-ros: error: /nobody/listens has 0 of 1 subscriptions')
    assert errors.count('\n') == 1


def test_a_recording_ends_by_itself_after_its_duration(tmp_path):
    with bag('record', '-o', tmp_path / 'bag', '--topics', '/x', '--duration', 0.3) as recorder:
        recorder.communicate(timeout=90)
    assert recorder.returncode == 0
    with BagReader(tmp_path / 'bag') as reader:
        assert reader.summary.message_count == 0


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_recording_that_is_interrupted_in_mid_stream_can_be_read(drive, tmp_path, number):
    topic = '/camera/image_rect'
    with (
        bag('record', '-o', tmp_path / 'bag', '--topics', topic) as recorder,
        bag('play', drive, '--rate', 0.5, '--wait-for', topic) as player,
    ):
        assert recorder.stdout.readline() == f'recording {topic}\n'
        time.sleep(1.2)
        recorder.send_signal(number)
        _, errors = recorder.communicate(timeout=90)
        player.send_signal(signal.SIGINT)
        _, player_errors = player.communicate(timeout=90)
    assert (recorder.returncode, errors) == (0, '')
    assert 'Traceback' not in player_errors
    found = recorded(tmp_path / 'bag', [topic])[topic]
    assert found == recorded(drive, [topic])[topic][: len(found)]


def test_a_type_that_is_not_installed_is_named(tmp_path):
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg('int32 x', 'unheard_msgs/msg/Odd'))
    with BagWriter(tmp_path / 'bag', store=store) as writer:
        writer.add_topic('/odd', 'unheard_msgs/msg/Odd')
        writer.write('/odd', store.types['unheard_msgs/msg/Odd'](x=1), 5)
    code, _, errors = play(tmp_path / 'bag')
    assert code == 1
    assert '/odd' in errors
    assert 'unheard_msgs/msg/Odd is not installed' in errors
    assert errors.count('\n') == 1


@pytest.mark.parametrize(
    ('option', 'value'), [('--rate', '0'), ('--delay', '-1'), ('--wait-for', '/x=many')]
)
def test_a_value_that_makes_no_sense_is_refused(drive, option, value):
    code, _, errors = play(drive, option, value)
    assert code == 2
    assert option in errors

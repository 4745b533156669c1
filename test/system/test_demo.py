"""The whole demonstration, as `scripts/demo.sh` runs it once the environment stands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = [pytest.mark.ros, pytest.mark.slow]

from gemdepth_ros.bags.reader import BagReader  # noqa: E402
from gemdepth_ros.bags.stamps import header_stamp_ns  # noqa: E402
from gemdepth_ros.hub import CATALOGUE, weights_path  # noqa: E402

ROOT = Path(__file__).parents[2]
DEPTH = '/depth_node/relative/depth'
EVERY_FRAME = (
    DEPTH,
    '/depth_node/relative/camera_info',
    '/depth_node/relative/points',
    '/depth_node/odometry',
)


def start(folder, *arguments):
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path[1:]])}
    words = [sys.executable, '-m', 'gemdepth_ros.cli.main', 'demo', '-o', str(folder), *arguments]
    return subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(folder, *arguments, timeout_s=300):
    """Run the demonstration; returns (exit code, stdout, stderr)."""
    with start(folder, *arguments) as child:
        try:
            out, errors = child.communicate(timeout=timeout_s)
        finally:
            child.kill()
    return child.returncode, out, errors


def processes_of(folder):
    """Return the command lines of processes that mention a folder."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            words = entry.read_bytes().decode(errors='replace')
        except OSError:
            continue
        if str(folder) in words and 'gemdepth_ros' in words:
            found.append(words.replace('\0', ' '))
    return found


def check_result(folder, published, share=None):
    """What the issue asks of a demonstration, looked at again from outside."""
    summary = json.loads((folder / 'summary.json').read_text())
    frames = summary['frames']
    assert summary['problems'] == []
    assert frames['published'] == published
    ways_out = ('processed', 'dropped', 'rejected', 'failed', 'pending')
    assert sum(frames[name] for name in ways_out) == published
    assert frames['processed'] >= summary['required_share'] * published
    assert summary['required_share'] == (0.25 if share is None else share)
    assert frames['rejected'] == frames['failed'] == 0
    assert summary['exit_codes'] == {'player': 0, 'recorder': 0, 'node': 0}
    check_stamps(folder, frames['processed'])
    check_with_mcap(folder / 'output', summary['topics'])
    assert (folder / 'report.png').stat().st_size > 20_000
    assert processes_of(folder) == []
    return summary


def check_stamps(folder, processed):
    """Output stamps are input stamps: read by rosbags."""
    with BagReader(folder / 'input') as reader:
        images = [header_stamp_ns(m.message) for m in reader.messages(['/camera/image_rect'])]
    for topic in EVERY_FRAME:
        with BagReader(folder / 'output') as reader:
            stamps = [header_stamp_ns(item.message) for item in reader.messages([topic])]
        assert len(stamps) == len(set(stamps)) == processed, topic
        assert set(stamps) <= set(images), topic
        assert stamps == sorted(stamps), topic


def check_with_mcap(bag, topics):
    """The other library finds the same messages."""
    reader = pytest.importorskip('mcap.reader')
    (file,) = bag.glob('*.mcap')
    counts = dict.fromkeys(topics, 0)
    with file.open('rb') as stream:
        for schema, channel, _ in reader.make_reader(stream).iter_messages():
            counts[channel.topic] += 1
            assert schema.name == topics[channel.topic]['message_type']
    assert counts == {name: record['count'] for name, record in topics.items()}


def test_a_rendered_street_on_random_weights(tmp_path):
    code, out, errors = run(
        tmp_path, '--frames', '20', '--rate', '0.4', '--weights', 'none', timeout_s=400
    )
    assert (code, errors) == (0, '')
    lines = out.splitlines()
    assert 'means nothing' in lines[0], 'without weights the first line says so'
    assert any('frames published' in line and ' 20 ' in line for line in lines)
    assert 'All 20 frames are accounted for' in out
    summary = check_result(tmp_path, 20)
    assert summary['trained'] is False
    assert summary['mode'] == 'causal'
    # Again into the same folder, this time in the other mode.
    more = ('--mode', 'sliding', '--window', '3', '--rate', '0.4', '--weights', 'none')
    code, _, errors = run(tmp_path, '--frames', '6', *more)
    assert (code, errors) == (0, '')
    assert check_result(tmp_path, 6)['mode'] == 'sliding'


def test_the_weights_of_the_package_are_the_default(tmp_path):
    if not weights_path(CATALOGUE['gemdepth-tiny']).is_file():
        pytest.skip('this source tree carries no weights yet')
    code, out, errors = run(tmp_path, '--frames', '12', '--rate', '0.4')
    assert (code, errors) == (0, '')
    assert 'means nothing' not in out
    summary = check_result(tmp_path, 12)
    assert (summary['trained'], summary['network']) == (True, 'tiny')


def test_too_few_frames_are_a_failure(tmp_path):
    """Twenty frames within a fifth of a second, and all of them are required."""
    code, _, errors = run(
        tmp_path, '--frames', '20', '--rate', '10', '--weights', 'none', '--min-share', '1'
    )
    assert code == 1
    assert errors.startswith('demo: FAILED: ')
    assert 'of 20 frames were processed, but 20 (100%) are required' in errors


@pytest.mark.shared_data
def test_all_frames_of_the_kitti_clip(tmp_path, shared):
    # In real time: a busy machine passes many frames over.
    words = ('--source', str(shared / 'data' / 'kitti_traffic'), '--min-share', '0.1')
    code, _, errors = run(tmp_path, *words)
    assert (code, errors) == (0, '')
    summary = check_result(tmp_path, 78, share=0.1)
    assert summary['topics']['/camera/image_rect']['count'] == 78
    assert summary['topics']['/camera/image_rect']['rate_hz'] == pytest.approx(10, abs=0.5)


def test_wrong_weights_end_it_in_one_line(tmp_path):
    weights = tmp_path / 'some.pth'
    weights.write_bytes(b'no weights at all')
    code, _, errors = run(tmp_path / 'out', '--frames', '2', '--weights', str(weights))
    assert code == 1
    assert errors.startswith('gemdepth-ros: error: the node failed: ')
    assert str(weights) in errors
    assert errors.count('\n') == 1
    assert processes_of(tmp_path) == []


def test_a_broken_off_demonstration_leaves_nothing_behind(tmp_path):
    with start(tmp_path, '--frames', '60') as child:
        log = tmp_path / 'logs' / 'player.log'
        end_s = time.monotonic() + 60
        while not log.exists():
            assert time.monotonic() < end_s
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=90)
    assert child.returncode == 130
    assert 'Traceback' not in errors
    assert processes_of(tmp_path) == []

"""RViz starts in the frame of what it shows; a script stands for RViz."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.context import Context  # noqa: E402

from gemdepth_ros.launching import view  # noqa: E402
from gemdepth_ros.msg import Status  # noqa: E402

DOMAIN = '37'
MODULE = [sys.executable, '-m', 'gemdepth_ros.launching.view']


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with an `rviz2` that prints its words."""
    file = tmp_path / 'bin' / 'rviz2'
    file.parent.mkdir()
    file.write_text('#!/bin/sh\necho "$@"\n')
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file.parent


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        'ROS_DOMAIN_ID': DOMAIN,
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'PATH': str(folder),
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*MODULE, *words], env=environment, text=True, stdout=pipe, stderr=pipe
    )


@pytest.mark.parametrize(
    ('kind', 'topic', 'message_type', 'frame'),
    [
        ('clouds', 'status', Status, 'camera_optical'),
        ('motion', 'odometry', Odometry, 'front/gemdepth_odom'),
    ],
)
def test_rviz_gets_the_nodes_frame(
    program: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    topic: str,
    message_type: type,
    frame: str,
) -> None:
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    context = Context()
    context.init(domain_id=int(DOMAIN))
    node = rclpy.create_node('depth_node', namespace='front', context=context)
    publisher = node.create_publisher(message_type, f'~/{topic}', 5)
    words = ['--ros-args', '-r', '/a:=/b']
    with started(program, kind, '/front/depth_node', 'a file.rviz', *words) as child:
        end_s = time.monotonic() + 60
        while child.poll() is None and time.monotonic() < end_s:
            message = message_type()
            publisher.publish(message)  # before the first image it has no frame
            message.header.frame_id = frame
            publisher.publish(message)
            time.sleep(0.1)
        child.kill()
        out, errors = child.communicate()
    node.destroy_node()
    context.try_shutdown()
    assert (child.returncode, errors) == (0, '')
    assert out == f'-d a file.rviz -f {frame} {" ".join(words)}\n'


def test_it_waits_for_a_frame_until_it_is_told_to_stop(program: Path) -> None:
    with started(program, 'clouds', '/depth_node', 'x.rviz') as child:
        time.sleep(3)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        out, errors = child.communicate(timeout=60)
    assert (child.returncode, out, errors) == (0, '', '')


def test_without_rviz_one_line_says_so(tmp_path: Path) -> None:
    with started(tmp_path, 'clouds', '/depth_node', 'x.rviz') as child:
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    assert errors.startswith('view: rviz2 is not installed: ')
    assert len(errors.splitlines()) == 1


def test_wrong_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ['clouds', '/node'], ['depth', '/node', 'x.rviz']):
        assert view.main(words) == 2
        assert 'clouds|motion NODE FILE' in capsys.readouterr().err

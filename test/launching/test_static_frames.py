"""A rig's transforms on /tf_static, from a process of its own, to a late subscriber."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from geometry_msgs.msg import Quaternion  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from gemdepth_ros.launching.rig import load_rig  # noqa: E402

RIG = Path(__file__).parents[2] / 'config' / 'rig_surround.yaml'
DOMAIN = '36'
MODULE = [sys.executable, '-m', 'gemdepth_ros.launching.static_frames']


def started(*arguments: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        'ROS_DOMAIN_ID': DOMAIN,
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }
    return subprocess.Popen(
        [*MODULE, *arguments], env=environment, text=True, stderr=subprocess.PIPE
    )


def received(monkeypatch: pytest.MonkeyPatch, timeout_s: float = 20.0) -> list[TFMessage]:
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    context = Context()
    context.init(domain_id=int(DOMAIN))
    node = rclpy.create_node('listener', context=context)
    messages: list[TFMessage] = []
    qos = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(TFMessage, '/tf_static', messages.append, qos)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    end_s = time.monotonic() + timeout_s
    while not messages and time.monotonic() < end_s:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
    return messages


def interrupt_until_it_ends(process: subprocess.Popen[str]) -> None:
    """Ctrl-C comes twice where a terminal and launch both pass it on, also while all ends."""
    end_s = time.monotonic() + 20.0
    while process.poll() is None and time.monotonic() < end_s:
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)


def test_a_late_listener_gets_all_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    process = started(str(RIG))
    try:
        (message,) = received(monkeypatch)
    finally:
        interrupt_until_it_ends(process)
    assert process.returncode == 0, process.stderr.read() if process.stderr else ''
    expected = load_rig(RIG).transforms
    assert [(t.header.frame_id, t.child_frame_id) for t in message.transforms] == [
        (edge.parent, edge.child) for edge in expected
    ]
    for entry, edge in zip(message.transforms, expected, strict=True):
        where, turn = entry.transform.translation, entry.transform.rotation
        assert isinstance(turn, Quaternion)
        rotation = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
        np.testing.assert_allclose(rotation, edge.parent_from_child[:3, :3], atol=1e-12)
        np.testing.assert_allclose([where.x, where.y, where.z], edge.parent_from_child[:3, 3])


@pytest.mark.parametrize(
    ('arguments', 'code', 'words'),
    [((), 2, 'usage:'), (('/no/rig.yaml',), 1, 'static_frames: cannot read the rig /no/rig.yaml')],
)
def test_a_wrong_call_is_one_line(arguments: tuple[str, ...], code: int, words: str) -> None:
    process = started(*arguments)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert words in errors
    assert errors.count('\n') == 1

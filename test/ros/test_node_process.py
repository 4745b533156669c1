"""The node as a process of its own: start, transport between processes, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from ros_harness import PATIENCE_S, SECOND, domain_id, wait_for  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from gemdepth_ros.msg import Status  # noqa: E402

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STATUS = '/depth_node/status'
SMALL = (
    *('-p', 'streaming.input_size:=70', '-p', 'streaming.window:=2'),
    *('-p', "network.weights:=''"),
)


@contextmanager
def process(*command):
    """A Python process in the domain of this test; killed if it does not end by itself."""
    environment = {
        **os.environ,
        'ROS_DOMAIN_ID': str(domain_id()),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]),
    }
    with subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def slow_node(delay_s, *arguments, before=()):
    return process(str(HERE / 'slow_node.py'), str(delay_s), *before, *ros_args(arguments))


def real_node(*arguments, before=()):
    return process('-m', 'gemdepth_ros.ros.main', *before, *ros_args(arguments))


def ros_args(arguments):
    return ('--ros-args', '-p', 'status_period_s:=0.1', *arguments)


def end(child, timeout_s=PATIENCE_S):
    """Send Ctrl-C; return (exit code, stderr, seconds)."""
    started = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=timeout_s)
    return child.returncode, errors, time.monotonic() - started


class Observer:
    def __init__(self, world):
        self.listener = world.listener()
        self.listener.listen(STATUS, Status)
        self.camera = world.camera()
        world.start()
        wait_for(self.camera.matched, what='the node listening')

    @property
    def status(self):
        messages = self.listener.messages[STATUS]
        return messages[-1] if messages else Status()


@pytest.mark.parametrize('delay_s', [1.0, 60.0])
def test_ctrl_c_in_the_middle_of_a_frame_ends_cleanly(world, delay_s):
    with slow_node(delay_s) as child:
        observer = Observer(world)
        observer.camera.send(SECOND)
        wait_for(lambda: observer.status.frames_pending == 1, what='a frame in work')
        code, errors, seconds = end(child)
    assert code == 0
    assert 'Traceback' not in errors
    assert 'terminate called' not in errors
    assert seconds < 30, 'a frame that takes longer than stop_timeout_s is not waited for'


def test_two_ctrl_c_in_a_row_end_cleanly(world):
    with slow_node(1.0) as child:
        observer = Observer(world)
        observer.camera.send(SECOND)
        wait_for(lambda: observer.status.frames_pending == 1, what='a frame in work')
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        code, errors, _ = end(child)
    assert (code, 'Traceback' in errors) == (0, False)


def test_sigterm_ends_cleanly(world):
    with slow_node(0.0) as child:
        Observer(world)
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=PATIENCE_S)
    assert (child.returncode, 'Traceback' in errors) == (0, False)


@pytest.mark.parametrize('reliable', [True, False])
def test_every_large_image_between_processes_is_accounted_for(world, reliable):
    """A player of 1242x375 images at 20 Hz that starts while the node listens.

    With default Fast DDS many best-effort images are lost; they are counted all the same. The
    last one is small: the loss of the very last image could not be seen.
    """
    count = 40
    with slow_node(0.0) as child:
        observer = Observer(world)
        time.sleep(2.5)
        first = observer.camera
        world.on_executor(lambda: first.destroy_publisher(first.images))
        player = world.camera(reliable=reliable, name='player')
        for i in range(count):
            player.send((i + 1) * SECOND // 20, size=(375, 1242))
            time.sleep(0.05)
        time.sleep(0.3)
        player.send(10 * SECOND)
        wait_for(lambda: observer.status.header.stamp.sec == 10, what='the last image')
        wait_for(lambda: observer.status.frames_pending == 0)
        status = observer.status
        assert end(child)[0] == 0
    assert status.frames_received == count + 1
    assert status.frames_processed + status.frames_dropped == count + 1


def test_wrong_weights_fail_configure_in_one_line(world, tmp_path):
    missing = tmp_path / 'nowhere.pth'
    with real_node('-p', f'network.weights:={missing}') as child:
        time.sleep(0.1)
        line = child.stderr.readline()
        while 'on_configure failed' not in line:
            assert line, 'the process ended'
            line = child.stderr.readline()
        code, errors, _ = end(child)
    assert str(missing) in line
    assert code == 0
    assert 'Traceback' not in errors
    assert '[ERROR]' not in errors


def test_a_parameter_of_the_wrong_type_ends_the_process_in_one_line():
    with real_node('-p', 'streaming.window:=eight') as child:
        _, errors = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 1
    assert 'streaming.window' in errors
    assert 'Traceback' not in errors


@pytest.mark.parametrize(
    'module', ['rclpy', 'torch', 'safetensors', 'cv2', 'scipy', 'gemdepth_ros.msg', 'std_srvs.srv']
)
def test_a_missing_dependency_ends_the_process_in_one_line(module):
    code = (
        f'import sys; sys.modules[{module!r}] = None\n'
        'from gemdepth_ros.ros.main import main; sys.exit(main())'
    )
    with process('-c', code) as child:
        _, errors = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 1
    assert errors.startswith(f'depth_node: no module {module}: ')
    assert errors.count('\n') == 1


def test_the_real_network_publishes_depth_and_survives_ctrl_c(world):
    """Seeded weights: the numbers mean nothing, the path is the real one."""
    with real_node(*SMALL, '-p', 'network.threads:=2') as child:
        observer = Observer(world)
        observer.listener.listen('/depth_node/relative/depth', Image)
        observer.camera.send(SECOND, size=(96, 128))
        time.sleep(0.5)
        for i in range(4):
            observer.camera.send(2 * SECOND + i * SECOND // 10, size=(96, 128), grey=40 + i)
            wait_for(lambda count=i + 2: observer.status.frames_processed == count)
        depth = observer.listener.messages['/depth_node/relative/depth'][-1]
        assert (depth.height, depth.width) == (96, 128)
        status = observer.status
        assert not status.trained
        assert 'untrained' in status.weights
        assert status.window_frames == 2
        observer.camera.send(3 * SECOND, size=(96, 128))
        code, errors, _ = end(child)
    assert code == 0
    assert 'Traceback' not in errors

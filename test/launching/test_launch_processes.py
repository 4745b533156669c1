"""The launch files for real: processes, the parameters that reached the node, a played bag."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytest.importorskip('launch.actions')
pytest.importorskip('launch_ros.actions')
pytestmark = [pytest.mark.ros, pytest.mark.slow]

from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import parameter_value_to_python  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from gemdepth_ros.bags.images import image_message  # noqa: E402
from gemdepth_ros.bags.messages import camera_info_message  # noqa: E402
from gemdepth_ros.bags.reader import BagReader  # noqa: E402
from gemdepth_ros.bags.writer import BagWriter  # noqa: E402
from gemdepth_ros.interfaces import PinholeIntrinsics  # noqa: E402
from gemdepth_ros.msg import Status  # noqa: E402

REPO = Path(__file__).parents[2]
RUN = Path(__file__).parent / 'run_launch.py'
DOMAIN = 36
FRAMES = 12
FRAME = 'camera_optical_frame'
START_S = 120.0


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp('bag') / 'drive'
    camera = PinholeIntrinsics(112, 56, 90.0, 90.0, 55.5, 27.5)
    pixels = np.random.default_rng(0).integers(0, 256, (56, 112 + FRAMES, 3), np.uint8)
    with BagWriter(target) as writer:
        writer.add_topic('/camera/image_rect', 'sensor_msgs/msg/Image')
        writer.add_topic('/camera/camera_info', 'sensor_msgs/msg/CameraInfo')
        for index in range(FRAMES):
            stamp_ns = 1_700_000_000_000_000_000 + index * 100_000_000
            info = camera_info_message(camera, stamp_ns, FRAME)
            view = np.ascontiguousarray(pixels[:, index : index + 112])
            writer.write('/camera/camera_info', info, stamp_ns)
            image = image_message(view, 'rgb8', stamp_ns, FRAME)
            writer.write('/camera/image_rect', image, stamp_ns)
    return target


@pytest.fixture(scope='module')
def profile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A profile of our own: a network input that a busy machine can follow."""
    file = tmp_path_factory.mktemp('profile') / 'quick.yaml'
    values = {'streaming.input_size': 56, 'warm_up_height': 0, 'warm_up_width': 0}
    lines = [f'    {name}: {value}' for name, value in values.items()]
    file.write_text('\n'.join(['/**:', '  ros__parameters:', *lines, '']))
    return str(file)


@contextmanager
def launched(file: str, log: Path, **arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        'ROS_DOMAIN_ID': str(DOMAIN),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(log.parent),
    }
    words = [f'{name}:={value}' for name, value in arguments.items()]
    with log.open('wb') as output:
        process = subprocess.Popen(
            [sys.executable, str(RUN), str(REPO / 'launch' / file), *words],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


class Observer:
    """A node of ours beside the launched ones."""

    def __init__(self) -> None:
        self._context = Context()
        self._context.init(domain_id=DOMAIN)
        self.node = rclpy.create_node('observer', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def until(self, condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.1)
            if result := condition():
                return result
        raise AssertionError(f'{what} did not happen in {timeout_s:g} s')

    def parameters(self, node: str, names: list[str]) -> dict[str, Any]:
        client = self.node.create_client(GetParameters, f'{node}/get_parameters')
        self.until(client.service_is_ready, START_S, f'{node} with its services')
        future = client.call_async(GetParameters.Request(names=names))
        self.until(future.done, 30.0, 'an answer')
        values = [parameter_value_to_python(value) for value in future.result().values]
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def observer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Observer]:
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    result = Observer()
    yield result
    result.close()


def test_driving_with_a_rig_and_a_bag(
    bag: Path, profile: str, tmp_path: Path, observer: Observer
) -> None:
    statuses: list[Any] = []
    frames: list[Any] = []
    observer.node.create_subscription(Status, '/car/depth_node/status', statuses.append, 10)
    observer.node.create_subscription(TFMessage, '/tf', frames.append, 10)
    given = {
        'network': 'tiny',
        'device': 'cpu',
        'dtype': 'float32',
        'mode': 'causal',
        'tf_mode': 'camera',
        'rectified': 'true',
        'camera_pitch': '1.5',
        'qos': 'reliable',
        'grounding': 'ground_plane',
    }
    log = tmp_path / 'driving.log'
    rig = str(REPO / 'config' / 'rig_kitti.yaml')
    with launched('driving.launch.py', log, namespace='car', rig=rig, bag=str(bag),
                  bag_rate='0.2', rig_tf='false', profile=profile, **given):  # fmt: skip
        expected = {
            'network.preset': 'tiny',
            'network.device': 'cpu',
            'network.dtype': 'float32',
            'streaming.mode': 'causal',
            'tf_mode': 'camera',
            'input_is_rectified': 'true',
            'mounting.pitch_deg': 1.5,
            'qos': 'reliable',
            'mounting.height_m': 1.65,  # of the rig
            'base_frame': 'base_link',  # of the rig
            'streaming.input_size': 56,  # of the profile
            'products.max_depth_m': 80.0,  # of params_file
            'grounding.ground_plane.enabled': True,
            'grounding.lidar.enabled': False,
        }
        assert observer.parameters('/car/depth_node', list(expected)) == expected
        observer.until(
            lambda: statuses and statuses[-1].frames_processed >= 3, START_S, 'three frames'
        )
        observer.until(lambda: frames, 30.0, 'a transform')
    assert frames[-1].transforms[0].header.frame_id == 'car/gemdepth_odom'
    assert statuses[-1].mode == 'causal'
    assert b'Traceback' not in log.read_bytes()


def test_replay_records_and_ends_by_itself(bag: Path, profile: str, tmp_path: Path) -> None:
    output, log = tmp_path / 'out', tmp_path / 'replay.log'
    with launched('replay.launch.py', log, bag=str(bag), output=str(output), network='tiny',
                  settle='2.0', bag_rate='0.2', report='false',
                  profile=profile) as process:  # fmt: skip
        assert process.wait(START_S) == 0, log.read_text()
    with BagReader(output) as reader:
        counts = {topic.name: topic.message_count for topic in reader.topics.values()}
    assert counts['/depth_node/odometry'] >= 3
    assert counts['/depth_node/relative/depth'] == counts['/depth_node/odometry']
    assert counts['/depth_node/status'] >= 3
    assert f'recorded {output}' in log.read_text()


def test_replay_of_nothing_ends_with_the_reason(tmp_path: Path) -> None:
    log = tmp_path / 'replay.log'
    missing, output = str(tmp_path / 'none'), str(tmp_path / 'out')
    with launched('replay.launch.py', log, bag=missing, output=output, network='tiny') as process:
        process.wait(START_S)
    assert 'the player ended with exit code 1' in log.read_text()

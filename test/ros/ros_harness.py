"""A node under test, a camera and a listener on one executor, over real DDS."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")

from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node, NodeNameNonExistentError  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from gemdepth_ros.interfaces import PinholeIntrinsics  # noqa: E402
from gemdepth_ros.ros.conversions import (  # noqa: E402
    camera_info_message,
    image_message,
    stamp_to_ns,
)
from gemdepth_ros.ros.node import GemDepthNode  # noqa: E402

SECOND = 1_000_000_000
PATIENCE_S = 90.0  # a busy machine is slow; what is waited for comes at once on a free one
FRAME = 'camera_optical'


def domain_id() -> int:
    """A domain of this process's own, so that test runs do not hear each other."""
    return 20 + os.getpid() % 80


@contextmanager
def ros(monkeypatch):
    """A context of rclpy with everything on it spun by one thread; yields a ``World``."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    context = Context()
    context.init(domain_id=domain_id())
    world = World(context)
    try:
        yield world
    finally:
        world.close()
        context.try_shutdown()


class World:
    def __init__(self, context):
        self.context = context
        self.executor = SingleThreadedExecutor(context=context)
        self.nodes = []
        self.pipelines = []
        self._spin = threading.Thread(target=self._run, daemon=True)
        self._stop = False

    def start(self):
        self._spin.start()

    def _run(self):
        while not self._stop and self.context.ok():
            self.executor.spin_once(timeout_sec=0.02)

    def add(self, node):
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def depth_node(self, factory, **parameters):
        """The node under test; its pipelines are collected in ``pipelines``."""

        def make(config):
            pipeline = factory(config)
            self.pipelines.append(pipeline)
            return pipeline

        overrides = [
            Parameter(name.replace('__', '.'), value=value) for name, value in parameters.items()
        ]
        return self.add(
            GemDepthNode(
                pipeline_factory=make, context=self.context, parameter_overrides=overrides
            )
        )

    def camera(self, **arguments):
        return self.add(Camera(self.context, **arguments))

    def listener(self):
        return self.add(Listener(self.context))

    def on_executor(self, action):
        """Run ``action`` on the executor's thread and return its result."""
        task = self.executor.create_task(action)
        wait_for(task.done, what='the action on the executor')
        return task.result()

    def close(self):
        self._stop = True
        if self._spin.is_alive():
            self._spin.join(10)
        for node in self.nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()


class Camera(Node):
    """Publishes images with chosen stamps."""

    def __init__(self, context, reliable=True, name='camera', info=True, topic='image', depth=30):
        super().__init__(name, context=context)
        kind = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=depth, reliability=kind)
        self.images = self.create_publisher(Image, topic, qos)
        self.infos = self.create_publisher(CameraInfo, 'camera_info', qos) if info else None

    def matched(self):
        return self.images.get_subscription_count() and (
            self.infos is None or self.infos.get_subscription_count()
        )

    def send(self, stamp_ns, grey=100, size=(6, 8), frame_id=FRAME, **changes):
        """Publish one image (and its CameraInfo first); ``changes`` damage the message."""
        height, width = size
        if self.infos is not None:
            self.infos.publish(camera_info_message(intrinsics(size), stamp_ns, frame_id))
        pixels = np.full((height, width, 3), grey, np.uint8)
        message = image_message(pixels, 'rgb8', stamp_ns, frame_id)
        for name, value in changes.items():
            setattr(message, name, value)
        self.images.publish(message)


class Listener(Node):
    """Collects the messages of topics."""

    def __init__(self, context):
        super().__init__('listener', context=context)
        self.messages = {}

    def listen(self, topic, message_type, depth=200, reliable=True):
        store = self.messages.setdefault(topic, [])
        kind = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        return self.create_subscription(
            message_type, topic, store.append, QoSProfile(depth=depth, reliability=kind)
        )

    def stamps(self, topic):
        return [stamp_to_ns(m.header.stamp) for m in self.messages[topic]]


def published_by(node, name, namespace='/'):
    """{topic: type} of everything that the node ``name`` publishes; empty until it is discovered.

    A name is discovered after the topics; asked about an unknown one, rclpy raises.
    """
    try:
        found = node.get_publisher_names_and_types_by_node(name, namespace)
    except NodeNameNonExistentError:
        return {}
    return {topic: types[0] for topic, types in found}


def intrinsics(size):
    height, width = size
    return PinholeIntrinsics(width, height, width, width, (width - 1) / 2, (height - 1) / 2)


def wait_for(condition, timeout_s=PATIENCE_S, what='condition'):
    """Wait until ``condition()`` is true; fail after the time-out."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.005)
    pytest.fail(f'{what} did not become true within {timeout_s} s')

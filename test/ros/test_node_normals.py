"""Surface normals over real DDS, from the real pipeline on seeded weights."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from ros_harness import SECOND, wait_for  # noqa: E402
from sensor_msgs.msg import Image, PointCloud2  # noqa: E402

from gemdepth_ros.geometry.point_cloud import coloured_points  # noqa: E402
from gemdepth_ros.interfaces import OrganizedCloud  # noqa: E402
from gemdepth_ros.pipeline import DepthPipeline  # noqa: E402
from gemdepth_ros.ros import conversions  # noqa: E402

NODE = '/depth_node'
SIZE = (60, 80)
SMALL = {
    'network__preset': 'tiny',
    'network__weights': '',
    'network__device': 'cpu',
    'streaming__input_size': 56,
    'streaming__window': 2,
}
METRES = {
    'network__allow_untrained_metric': True,
    'grounding__manual__enabled': True,
    'grounding__manual__scale': 30.0,
    'grounding__manual__shift': -1.0,
    'products__filter_edges': False,
}
FIELDS = ['x', 'y', 'z', 'rgb', 'normal_x', 'normal_y', 'normal_z']


class Recording(DepthPipeline):
    """The pipeline, which remembers what it was asked for and what it gave."""

    def __init__(self, config):
        super().__init__(config)
        self.seen = []

    def process(self, frame, request=None, *more, **named):
        output = super().process(frame, request, *more, **named)
        self.seen.append((request, output))
        return output


def run(world, topics, **parameters):
    """Send two images; return what was heard, and what the pipeline was asked for and gave."""
    node = world.depth_node(Recording, **SMALL, **parameters)
    listener, camera = world.listener(), world.camera()
    for topic, message_type in topics.items():
        listener.listen(topic, message_type)
    world.start()
    world.on_executor(node.autostart)
    wait_for(camera.matched, what='the camera being heard')
    publishers = node._outputs._publishers.values()
    wait_for(
        lambda: all(
            p.get_subscription_count() for p in publishers if p.topic_name in listener.messages
        )
    )
    for number in range(2):
        camera.send((100 + number) * SECOND // 10, size=SIZE)
        wait_for(lambda number=number: len(world.pipelines[-1].seen) == number + 1)
    return listener.messages, world.pipelines[-1].seen


def test_normals_in_metres_are_published_as_colours(world):
    topic, other = f'{NODE}/normals', f'{NODE}/relative/normals'
    messages, seen = run(world, {topic: Image, other: Image}, **METRES)
    wait_for(lambda: len(messages[topic]) == 2)
    message, output = messages[topic][-1], seen[-1][1]
    assert (message.encoding, message.height, message.width) == ('rgb8', *SIZE)
    assert conversions.stamp_to_ns(message.header.stamp) == output.stamp_ns
    assert message.header.frame_id == output.frame_id
    pixels = np.frombuffer(message.data, np.uint8).reshape(*SIZE, 3)
    np.testing.assert_array_equal(pixels, output.normals_rgb)
    assert pixels.any()
    assert not messages[other]


def test_relative_normals_keep_to_their_own_topic(world):
    topic, other = f'{NODE}/relative/normals', f'{NODE}/normals'
    messages, seen = run(world, {topic: Image, other: Image})
    wait_for(lambda: len(messages[topic]) == 2)
    assert seen[-1][1].depth_m is None
    assert not messages[other]


def test_without_a_subscriber_they_are_not_computed(world):
    messages, seen = run(world, {f'{NODE}/depth/image_rect': Image}, **METRES)
    wait_for(lambda: len(messages[f'{NODE}/depth/image_rect']) == 2)
    assert not any(request.normals for request, _ in seen)
    assert all(output.normals is None and output.normals_rgb is None for _, output in seen)


def test_the_cloud_carries_normals_when_a_parameter_asks(world):
    topic = f'{NODE}/points'
    messages, seen = run(world, {topic: PointCloud2}, products__cloud_normals=True, **METRES)
    wait_for(lambda: len(messages[topic]) == 2)
    message, cloud = messages[topic][-1], seen[-1][1].cloud
    assert [field.name for field in message.fields] == FIELDS
    assert message.point_step == 28
    shape = (message.height, message.width, 7)
    values = np.frombuffer(message.data, np.float32).reshape(shape)
    np.testing.assert_array_equal(values[..., :3], cloud.xyz)
    np.testing.assert_array_equal(values[..., 4:], cloud.normals)
    assert np.isfinite(cloud.normals).any()


def test_a_cloud_with_normals_keeps_the_bits_of_its_colours():
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (5, 7, 3), np.uint8)
    xyz, normals = (random.normal(size=(5, 7, 3)).astype(np.float32) for _ in range(2))
    message = conversions.cloud_message(
        OrganizedCloud(coloured_points(xyz, rgb), True, normals), 0, 'cam'
    )
    packed = np.frombuffer(message.data, np.uint32).reshape(5, 7, 7)[..., 3]
    seen = np.stack([(packed >> shift) & 255 for shift in (16, 8, 0)], axis=-1)
    np.testing.assert_array_equal(seen, rgb)
    assert (message.row_step, len(message.data)) == (28 * 7, 28 * 35)

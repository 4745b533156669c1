"""Video Depth Anything in the node, over real DDS: depth or metres, and no motion."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from ros_harness import SECOND, wait_for  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from gemdepth_ros.model import VdaConfig, build_network  # noqa: E402
from gemdepth_ros.model.checkpoint import published_state  # noqa: E402
from gemdepth_ros.model.config import EncoderConfig  # noqa: E402
from gemdepth_ros.model.vda_config import VDA_PRESETS  # noqa: E402
from gemdepth_ros.pipeline import DepthPipeline  # noqa: E402

NODE = '/depth_node'
TINY = (EncoderConfig(64, 4, 2, (0, 1, 2, 3)), 64, (16, 32, 64, 64))


@pytest.fixture(autouse=True)
def tiny_presets(monkeypatch):
    monkeypatch.setitem(VDA_PRESETS, 'vda-small', VdaConfig(*TINY))
    monkeypatch.setitem(VDA_PRESETS, 'vda-metric-small', VdaConfig(*TINY, metric=True))


def run(world, weights, depth_topic, **parameters):
    """Send images until depth comes; return what was heard and the text of a diagnosis."""
    torch.save(published_state(build_network('vda-small')), weights)
    node = world.depth_node(
        DepthPipeline,
        network__weights=str(weights),
        network__device='cpu',
        streaming__mode='causal',
        streaming__input_size=28,
        status_period_s=0.1,
        **parameters,
    )
    listener, camera = world.listener(), world.camera()
    topics = {depth_topic: Image, f'{NODE}/odometry': Odometry, '/diagnostics': DiagnosticArray}
    for topic, message_type in topics.items():
        listener.listen(topic, message_type)
    world.start()
    world.on_executor(node.autostart)
    wait_for(camera.matched, what='the camera being heard')
    publishers = {p.topic_name: p for p in node._outputs._publishers.values()}
    heard = (depth_topic, f'{NODE}/odometry')
    wait_for(lambda: all(publishers[topic].get_subscription_count() for topic in heard))
    for number in range(3):
        camera.send((100 + number) * SECOND // 10, size=(40, 60))
        wait_for(lambda number=number: len(listener.messages[depth_topic]) > number)
    wait_for(lambda: 'poses' in _diagnosis(listener))
    return listener.messages, _diagnosis(listener)


def _diagnosis(listener):
    messages = listener.messages['/diagnostics']
    return messages[-1].status[0].message if messages else ''


def test_disparity_comes_and_motion_does_not(world, tmp_path):
    weights = tmp_path / 'video_depth_anything_vits.pth'
    heard, diagnosis = run(world, weights, f'{NODE}/relative/disparity')
    assert 'this network predicts no poses' in diagnosis
    assert 'depth is relative' in diagnosis
    assert not heard[f'{NODE}/odometry']


def test_metric_weights_publish_metres(world, tmp_path):
    weights = tmp_path / 'metric_video_depth_anything_vits.pth'
    metres = {
        'grounding__metric_network__enabled': True,
        'grounding__metric_network__relative_std': 0.05,
        'products__filter_edges': False,
    }
    heard, diagnosis = run(world, weights, f'{NODE}/depth/image_rect', **metres)
    assert 'relative' not in diagnosis
    image = heard[f'{NODE}/depth/image_rect'][-1]
    assert image.encoding == '32FC1'
    depth = np.frombuffer(bytes(image.data), np.float32)
    assert np.isfinite(depth).any()
    assert not heard[f'{NODE}/odometry']

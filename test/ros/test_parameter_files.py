"""The shipped parameter files name what exists, with its defaults, and the node takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
yaml = pytest.importorskip('yaml')
pytestmark = pytest.mark.ros

from fake_pipeline import FakePipeline  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402

from gemdepth_ros.ros.node import GemDepthNode  # noqa: E402
from gemdepth_ros.ros.parameters import FIELDS  # noqa: E402

CONFIG = Path(__file__).parents[2] / 'config'
# Files of other nodes (Nav2) name them; ours are for whatever name the node is given.
FILES = sorted(p for p in CONFIG.glob('*.yaml') if p.read_text().count('\n/**:\n') == 1)


def values(path):
    return yaml.safe_load(path.read_text())['/**']['ros__parameters']


def test_node_yaml_lists_every_parameter_with_its_default():
    defaults = {field.name: field.default for field in FIELDS}
    assert {k: repr(v) for k, v in values(CONFIG / 'node.yaml').items()} == {
        k: repr(v) for k, v in defaults.items()
    }


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_the_node_configures_with_the_file(path, monkeypatch, capfd):
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'OFF')
    context = Context()
    context.init()
    node = GemDepthNode(
        pipeline_factory=FakePipeline,
        context=context,
        cli_args=['--ros-args', '--params-file', str(path)],
    )
    try:
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        for name, value in values(path).items():
            assert repr(node.get_parameter(name).value) == repr(value)
        assert 'unknown parameter' not in capfd.readouterr().err
    finally:
        node.destroy_node()
        context.try_shutdown()

"""Topics and frames in the RViz, Foxglove and Nav2 files are those of the node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from gemdepth_ros.msg import Status  # noqa: E402
from gemdepth_ros.ros.node_config import ODOM_FRAME  # noqa: E402
from gemdepth_ros.ros.publishers import TOPICS  # noqa: E402

CONFIG = Path(__file__).parents[2] / 'config'
TYPES = {name.replace('~', '/depth_node'): kind.__name__ for name, kind in TOPICS.items()}
DISPLAYS = {'PointCloud2': 'PointCloud2', 'Image': 'Image', 'Odometry': 'Odometry', 'Path': 'Path'}


RVIZ = ('gemdepth.rviz', 'gemdepth_motion.rviz')
# With tf_mode camera no transform joins the images' frame and the odometry frame.
IN_THE_CAMERAS_FRAME, IN_ODOM = {'PointCloud2'}, {'Odometry', 'Path', 'TF'}


def manager(file: str) -> dict[str, Any]:
    loaded = yaml.safe_load((CONFIG / file).read_text())
    result: dict[str, Any] = loaded['Visualization Manager']
    return result


def displays(*files: str) -> list[dict[str, Any]]:
    return [display for file in files or RVIZ for display in manager(file)['Displays']]


def classes(file: str) -> set[str]:
    return {display['Class'].partition('/')[2] for display in displays(file)}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def test_rviz_shows_topics_of_the_node_with_their_types() -> None:
    shown = {d['Topic']['Value']: d['Class'] for d in displays() if 'Topic' in d}
    assert len(shown) >= 9
    for topic, display in shown.items():
        assert TYPES[topic] == DISPLAYS[display.partition('/')[2]], topic


def test_rviz_shows_nothing_that_its_frame_cannot_place() -> None:
    clouds, motion = RVIZ
    assert classes(clouds) & (IN_ODOM | IN_THE_CAMERAS_FRAME) == IN_THE_CAMERAS_FRAME
    assert classes(motion) & (IN_ODOM | IN_THE_CAMERAS_FRAME) == IN_ODOM
    assert manager(motion)['Global Options']['Fixed Frame'] == ODOM_FRAME


def test_clouds_without_metres_are_shown_too() -> None:
    enabled = [d for d in displays('gemdepth.rviz') if 'Topic' in d and d['Value']]
    shown = {display['Topic']['Value'] for display in enabled}
    assert {'/depth_node/points', '/depth_node/relative/points'} <= shown


def test_the_launch_file_moves_every_topic_that_rviz_shows() -> None:
    pytest.importorskip('launch.actions')
    from gemdepth_ros.launching.actions import SHOWN, VIEWS

    assert sorted(VIEWS.values()) == sorted(RVIZ)
    shown = {d['Topic']['Value'].removeprefix('/depth_node/') for d in displays() if 'Topic' in d}
    assert shown == set(SHOWN)


def test_rviz_has_no_misspelt_display() -> None:
    """Every display states a class of rviz_default_plugins and whether it is on."""
    for display in displays():
        assert display['Class'].startswith('rviz_default_plugins/')
        assert display['Enabled'] is display['Value']
        if 'Topic' in display:
            assert display['Topic']['Reliability Policy'] == 'Reliable'
            assert display['Topic']['History Policy'] == 'Keep Last'


def test_foxglove_shows_topics_and_fields_of_the_node() -> None:
    layout = json.loads((CONFIG / 'foxglove_layout.json').read_text())
    named = [word for word in strings(layout) if word.startswith('/')]
    topics = {re.split(r'\.', word)[0] for word in named}
    assert len(topics) >= 8
    assert topics - {'/diagnostics'} <= set(TYPES)
    fields = {word.partition('.')[2] for word in named if '.' in word}
    assert fields
    assert fields <= set(Status.get_fields_and_field_types())


def test_foxglove_places_every_panel_once() -> None:
    layout = json.loads((CONFIG / 'foxglove_layout.json').read_text())

    def placed(part: Any) -> list[str]:
        if isinstance(part, str):
            return [part]
        assert part['direction'] in ('row', 'column')
        return placed(part['first']) + placed(part['second'])

    assert sorted(placed(layout['layout'])) == sorted(layout['configById'])
    clouds, motion = (layout['configById'][f'3D!{name}'] for name in ('clouds', 'motion'))
    assert motion['followTf'] == ODOM_FRAME
    kinds = [{TYPES[topic] for topic in panel['topics']} for panel in (clouds, motion)]
    assert kinds == [{'PointCloud2'}, {'Odometry', 'Path'}]


@pytest.mark.parametrize('file', sorted(CONFIG.glob('nav2_*.yaml')), ids=lambda file: file.name)
def test_nav2_listens_to_clouds_of_the_node(file: Path) -> None:
    topics = re.findall(r'^\s*topic: (\S+)', file.read_text(), re.MULTILINE)
    assert topics
    for topic in topics:
        assert TYPES[topic] == 'PointCloud2'

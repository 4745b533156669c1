"""docs/parameters.md tells the truth, and so does `ros2 param describe`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from gemdepth_ros.errors import ConfigError  # noqa: E402
from gemdepth_ros.pipeline.config import PipelineConfig  # noqa: E402
from gemdepth_ros.ros.config_fields import (  # noqa: E402
    ConfigField,
    build_config,
    config_fields,
)
from gemdepth_ros.ros.node_config import NodeConfig  # noqa: E402
from gemdepth_ros.ros.parameter_table import _row, parameter_table  # noqa: E402
from gemdepth_ros.ros.parameters import FIELDS, descriptor  # noqa: E402

FILE = Path(__file__).parents[2] / 'docs' / 'parameters.md'


def test_the_file_is_what_the_configuration_says():
    assert FILE.read_text() == parameter_table(), 'run scripts/parameter_table.py'


def test_every_parameter_has_a_row_and_a_text():
    text = FILE.read_text()
    assert [f.name for f in FIELDS if f'| `{f.name}`' not in text] == []
    assert [f.name for f in FIELDS if not descriptor(f).description] == []


TOGETHER = {  # refused beside the defaults of others, which the messages name
    'warm_up_height',
    'warm_up_width',
    'streaming.anchor_max_age',
    'streaming.lookahead',
    'products.max_depth_m',
    'products.costmap.max_range_m',
    'products.costmap.clearing_range_m',
}


@pytest.mark.parametrize('kind', [NodeConfig, PipelineConfig])
def test_what_the_table_allows_is_taken(kind):
    fields = list(config_fields(kind))
    defaults = {field.name: field.default for field in fields}
    ends = [(f, end) for f in fields for end in (f.minimum, f.maximum) if end is not None]
    assert len(ends) > 10
    refused = set()
    for field, end in ends:
        try:
            build_config(kind, {**defaults, field.name: field.kind(end)})
        except ConfigError:
            refused.add(field.name)
    assert refused <= TOGETHER


def test_a_range_without_zero_says_so():
    by_name = {f.name: _row(f) for f in FIELDS}
    assert '| > 0 |' in by_name['streaming.max_gap_s']
    assert '| > 0, or unknown |' in by_name['mounting.height_m']
    assert '| above 0, to 0.99 |' in by_name['products.edges.jump']


def test_a_row():
    field = ConfigField('a.b', float, float('nan'), 'x | y [m].', (), 0.5, 2.0, live=True)
    assert _row(field) == '| `a.b` (live) | float | `.nan` | 0.5 to 2, or unknown | x \\| y [m]. |'
    choice = ConfigField('c', str, 'u', 'which.', ('u', 'v'))
    assert _row(choice) == '| `c` | str | `u` | `u`, `v` | which. |'


def test_descriptors_say_type_range_and_when_a_change_counts():
    by_name = {f.name: descriptor(f) for f in FIELDS}
    assert 'read while configuring' in by_name['streaming.window'].additional_constraints
    assert 'one of: none, camera, odom_to_base, inverted' in (
        by_name['tf_mode'].additional_constraints
    )
    assert 'read while' not in by_name['stale_after_s'].additional_constraints
    assert by_name['path_poses'].integer_range[0].to_value == 5000

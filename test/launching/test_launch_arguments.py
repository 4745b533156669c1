"""Without launch: the launch files are sound Python, and say what the tables of arguments say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gemdepth_ros.launching.arguments import DRIVING, GROUNDING_SOURCES, PARAMETERS, REPLAY

REPO = Path(__file__).parents[2]
FILES = sorted((REPO / 'launch').glob('*.launch.py'))


def test_all_launch_files_are_there() -> None:
    names = [file.name.removesuffix('.launch.py') for file in FILES]
    assert names == ['desktop', 'driving', 'jetson', 'replay']


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
def test_it_opens_with_its_arguments(file: Path) -> None:
    tree = ast.parse(file.read_text(), file.name)
    described = re.findall(r'^    (\w+)  +\S', ast.get_docstring(tree, clean=False) or '', re.M)
    expected = [argument.name for argument in DRIVING]
    if file.name == 'replay.launch.py':
        expected.remove('rviz')
        expected += [argument.name for argument in REPLAY]
    assert described == expected
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ['generate_launch_description']


@pytest.mark.ros
def test_every_argument_names_a_parameter_of_the_node() -> None:
    pytest.importorskip('rclpy')
    pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
    from gemdepth_ros.ros.parameters import FIELDS

    fields = {field.name: field for field in FIELDS}
    for argument in PARAMETERS:
        if argument.parameter == 'use_sim_time':  # every node has it
            continue
        field = fields[argument.parameter]
        assert argument.kind is field.kind, argument.name
        if argument.choices and argument.kind is not bool:
            assert set(argument.choices) == set(field.choices), argument.name
    enabled = {name for name in fields if re.fullmatch(r'grounding\.\w+\.enabled', name)}
    assert enabled == {f'grounding.{name}.enabled' for name in GROUNDING_SOURCES}


@pytest.mark.ros
def test_profiles_and_rigs_give_parameters_that_the_node_takes() -> None:
    pytest.importorskip('rclpy')
    pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
    yaml = pytest.importorskip('yaml')
    from gemdepth_ros.launching.rig import load_rig
    from gemdepth_ros.pipeline.config import PipelineConfig
    from gemdepth_ros.ros.config_fields import build_config, coerced
    from gemdepth_ros.ros.node_config import NodeConfig
    from gemdepth_ros.ros.parameters import FIELDS

    fields = {field.name: field for field in FIELDS}
    profiles = sorted((REPO / 'config' / 'profiles').glob('*.yaml'))
    given = [yaml.safe_load(file.read_text())['/**']['ros__parameters'] for file in profiles]
    for file in (REPO / 'config').glob('rig_*.yaml'):
        given += [camera.parameters() for camera in load_rig(file).cameras.values()]
    assert len(given) >= 9
    for values in given:
        assert not set(values) - set(fields)
        everything = {name: field.default for name, field in fields.items()} | {
            name: coerced(fields[name], value) for name, value in values.items()
        }
        build_config(PipelineConfig, everything)
        build_config(NodeConfig, everything)

"""Without launch: the launch files are sound Python, and say what the tables of arguments say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.launching.arguments import (
    DRIVING,
    GROUNDING_SOURCES,
    PARAMETERS,
    REPLAY,
    node_parameters,
)
from gemdepth_ros.launching.cameras import CameraNode, camera_nodes
from gemdepth_ros.launching.parameter_files import parameters_in_files
from gemdepth_ros.launching.report import report_words

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


def one_node(**given: str) -> CameraNode:
    """The node that driving.launch.py would start with these arguments."""
    defaults = {argument.name: argument.default for argument in DRIVING}
    (node,) = camera_nodes({**defaults, **given}, None, REPO)
    return node


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


COMPRESSED = '/**: {ros__parameters: {image_transport: compressed}}'


@pytest.mark.parametrize('where', ['argument', 'profile', 'params_file'])
def test_compressed_images_come_on_a_topic_with_a_suffix(where: str, tmp_path: Path) -> None:
    file = written(tmp_path / 'own.yaml', COMPRESSED)
    given = {'image_transport': 'compressed'} if where == 'argument' else {where: file}
    node = one_node(image='/cam/image', **given)
    assert node.image_topic == '/cam/image', 'the name that is remapped'
    assert node.subscribed_image() == '/cam/image/compressed'
    words = report_words('in.mcap', 'out', 1.0, [node])
    assert words[words.index('--topic') + 1] == '/cam/image/compressed'


def test_an_argument_for_raw_images_goes_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / 'own.yaml', COMPRESSED)
    node = one_node(image='/cam/image', params_file=file, image_transport='raw')
    assert node.subscribed_image() == '/cam/image'
    assert one_node(image='/cam/image').subscribed_image() == '/cam/image'
    assert one_node(image='image').subscribed_image() == '/image'
    assert one_node(image='image', namespace='front').subscribed_image() == '/front/image'


def test_files_name_a_node_in_several_ways(tmp_path: Path) -> None:
    """The values are those that rclpy 7 gives a node with these files."""
    first = written(
        tmp_path / 'a.yaml',
        """
depth_node: {ros__parameters: {a: own}}
/**: {ros__parameters: {a: any, network: {weights: nested}}}
front: {depth_node: {ros__parameters: {a: front}}}
/**/depth_node: {ros__parameters: {b: [1, 2]}}
/*/depth_node: {ros__parameters: {c: 3}}
other: {ros__parameters: {a: other}}
""",
    )
    second = written(tmp_path / 'b.yaml', 'depth_node: {ros__parameters: {d: 4, a: late}}')
    common = {'network.weights': 'nested', 'b': [1, 2]}
    own = parameters_in_files([first, second], '/depth_node')
    assert own == {'a': 'any', 'd': 4, **common}
    front = parameters_in_files([first, second], '/front/depth_node')
    assert front == {'a': 'front', 'c': 3, **common}
    assert parameters_in_files([written(tmp_path / 'c.yaml', '')], '/depth_node') == {}


def test_a_parameter_file_that_is_no_yaml_is_named_in_one_line(tmp_path: Path) -> None:
    node = one_node(params_file=written(tmp_path / 'bad.yaml', 'a: [1,\n b: }'))
    with pytest.raises(ConfigError, match=r'parameter file .*bad\.yaml: ') as caught:
        node.subscribed_image()
    assert '\n' not in str(caught.value)
    (tmp_path / 'bad.yaml').unlink()
    with pytest.raises(ConfigError, match=r'cannot read the parameter file .*bad\.yaml: No such'):
        node.subscribed_image()


def test_no_weights_can_be_said_where_an_empty_argument_is_one_that_was_not_given() -> None:
    assert node_parameters({'weights': 'none'}) == {'network.weights': ''}
    assert node_parameters({'weights': ''}) == {}
    words = report_words('in.mcap', 'out', 1.0, [one_node(weights='none')])
    assert words[words.index('--weights') + 1] == 'none'


@pytest.mark.ros
def test_node_launch_files_and_commands_have_one_word_for_no_weights() -> None:
    pytest.importorskip('rclpy')
    pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
    from gemdepth_ros.cli import network_arguments
    from gemdepth_ros.ros import parameters

    assert parameters.NO_WEIGHTS == network_arguments.NO_WEIGHTS

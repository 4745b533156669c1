"""Launch files build their description and pass on what they were given."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

# The repository's own launch/ folder is importable as a namespace package, hence `.actions`.
actions = pytest.importorskip('launch.actions')
launch = pytest.importorskip('launch')
launch_ros = pytest.importorskip('launch_ros.actions')
utilities = pytest.importorskip('launch_ros.utilities')
pytestmark = pytest.mark.ros

from gemdepth_ros.cli.main import build_parser  # noqa: E402
from gemdepth_ros.errors import ConfigError  # noqa: E402
from gemdepth_ros.launching.arguments import GROUNDING_SOURCES, PARAMETERS, TOPICS  # noqa: E402
from gemdepth_ros.launching.cameras import camera_nodes  # noqa: E402
from gemdepth_ros.launching.report import report_words  # noqa: E402

REPO = Path(__file__).parents[2]
FILES = sorted((REPO / 'launch').glob('*.launch.py'))
DRIVING = REPO / 'launch' / 'driving.launch.py'
JETSON = REPO / 'launch' / 'jetson.launch.py'
DESKTOP = REPO / 'launch' / 'desktop.launch.py'
REPLAY = REPO / 'launch' / 'replay.launch.py'
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
RIG = str(REPO / 'config' / 'rig_surround.yaml')
DECLARATIONS = (actions.DeclareLaunchArgument, actions.SetEnvironmentVariable)
SAMPLES = {float: '1.25', bool: 'true', str: 'something'}


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem.replace('.', '_'), file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def performed(file: Path, **arguments: str) -> tuple[Any, list[Any]]:
    """Run a launch file's actions, without starting a process.

    Returns:
        the launch context, and what would be started.
    """
    context = launch.LaunchContext()
    context.launch_configurations.update(arguments)
    started: list[Any] = []
    for entity in load(file).generate_launch_description().entities:
        if isinstance(entity, actions.OpaqueFunction):
            started += entity.execute(context) or []
        else:
            assert isinstance(
                entity, actions.DeclareLaunchArgument | actions.SetEnvironmentVariable
            )
            entity.execute(context)
    return context, started


def nodes_of(started: list[Any]) -> list[Any]:
    return [entity for entity in started if isinstance(entity, launch_ros.LifecycleNode)]


def processes(context: Any, started: list[Any]) -> dict[str, list[str]]:
    """The command lines of the other processes, by name."""
    found = {}
    for entity in started:
        if isinstance(entity, actions.ExecuteProcess) and not isinstance(entity, launch_ros.Node):
            words = [text(context, word) for word in entity.cmd]
            found[text(context, entity.process_description.name)] = words
    return found


def text(context: Any, substitutions: Any) -> str:
    return ''.join(part.perform(context) for part in substitutions)


def parameters(node: Any, context: Any) -> dict[str, Any]:
    """Parameters of a node that do not come from a file."""
    result: dict[str, Any] = {}
    for entry in utilities.evaluate_parameters(context, node._Node__parameters):
        if isinstance(entry, dict):
            result |= entry
    return result


def files(node: Any, context: Any) -> list[str]:
    """Names of a node's parameter files, in their order."""
    entries = utilities.evaluate_parameters(context, node._Node__parameters)
    return [entry.name for entry in entries if isinstance(entry, Path)]


def remappings(node: Any, context: Any) -> dict[str, str]:
    pairs = node._Node__remappings
    return {text(context, own): text(context, topic) for own, topic in pairs}


def namespace(node: Any) -> str:
    return str(node._Node__node_namespace)


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
def test_its_docstring_names_every_argument(file: Path) -> None:
    module = load(file)
    described = re.findall(r'^    (\w+)  +\S', module.__doc__ or '', re.MULTILINE)
    declared = [
        argument.name for argument in module.generate_launch_description().get_launch_arguments()
    ]
    assert sorted(described) == sorted(declared)


def test_driving_starts_the_depth_node() -> None:
    context, (node,) = performed(DRIVING, namespace='front', image='/kitti/image')
    assert (node.node_package, node.node_executable) == ('gemdepth_ros', 'depth_node')
    assert parameters(node, context) == {}  # all from params_file
    assert files(node, context) == ['driving.yaml']
    assert remappings(node, context) == {
        'image': '/kitti/image',
        'camera_info': '/camera/camera_info',
    }
    assert namespace(node) == 'front'


@pytest.mark.parametrize('argument', PARAMETERS, ids=lambda argument: argument.name)
def test_every_argument_becomes_the_parameter_that_it_names(argument: Any) -> None:
    given = argument.choices[-1] if argument.choices else SAMPLES[argument.kind]
    context, (node,) = performed(DRIVING, **{argument.name: given})
    expected = {argument.parameter: {'1.25': 1.25, 'false': False}.get(given, given)}
    if argument.kind is str:
        expected = {argument.parameter: given}
    assert parameters(node, context) == expected


@pytest.mark.parametrize(('argument', 'own'), [(a.name, own) for a, own, _ in TOPICS])
def test_every_topic_argument_becomes_a_remapping(argument: str, own: str) -> None:
    context, (node,) = performed(DRIVING, **{argument: '/somewhere/else'})
    assert remappings(node, context)[own] == '/somewhere/else'


def test_sources_of_metres_are_those_that_were_named() -> None:
    context, (node,) = performed(DRIVING, grounding='ground_plane, lidar')
    assert parameters(node, context) == {
        f'grounding.{name}.enabled': name in ('ground_plane', 'lidar')
        for name in GROUNDING_SOURCES
    }


@pytest.mark.parametrize(
    ('wrong', 'words'),
    [
        ({'autostart': 'maybe'}, 'autostart:=maybe must be one of: true, false'),
        ({'camera_height': 'tall'}, 'camera_height:=tall must be a number'),
        ({'camera_height': 'nan'}, 'must be a finite number'),
        ({'tf_mode': 'map'}, 'tf_mode:=map must be one of: none, camera'),
        ({'grounding': 'stereo'}, 'grounding:=stereo is no source'),
        ({'profile': 'orin'}, 'neither a file nor one of agx_orin'),
        ({'params_file': '/no.yaml'}, 'params_file:=/no.yaml is not there'),
        ({'cameras': 'a,b'}, 'write {camera} in the topics'),
        ({'cameras': 'a,a', 'image': '/{camera}'}, "'a' is no name, or is there twice"),
        ({'cameras': 'rear', 'rig': RIG}, 'rear is not in the rig; its cameras: front'),
        ({'rig': RIG, 'tf_mode': 'odom_to_base'}, 'the base would get several parents'),
        ({'rig': '/no/rig.yaml'}, 'cannot read the rig /no/rig.yaml'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        performed(DRIVING, **wrong)
    assert '\n' not in str(caught.value)


def test_several_cameras_get_a_namespace_each() -> None:
    context, nodes = performed(
        DRIVING, cameras='front, rear', namespace='/car', image='/{camera}/image'
    )
    assert [namespace(node) for node in nodes] == ['car/front', 'car/rear']
    assert [remappings(node, context)['image'] for node in nodes] == [
        '/front/image',
        '/rear/image',
    ]


def test_a_rig_gives_topics_heights_and_transforms() -> None:
    context, started = performed(DRIVING, rig=RIG, cameras='left,front', camera_pitch='4')
    left, front = nodes_of(started)
    assert remappings(left, context)['camera_info'] == '/left/camera_info'
    assert parameters(front, context) == {
        'base_frame': 'base_link',
        'mounting.height_m': 1.75,
        'mounting.pitch_deg': 4.0,  # the argument goes before the rig's 3
        'mounting.roll_deg': 0.0,
        'input_is_rectified': 'auto',
    }
    assert processes(context, started)['rig_frames'][-2:] == [
        'gemdepth_ros.launching.static_frames',
        RIG,
    ]
    context, started = performed(DRIVING, rig=RIG, rig_tf='false')
    assert len(nodes_of(started)) == len(started) == 3


def test_a_bag_is_played_when_all_nodes_listen() -> None:
    context, started = performed(DRIVING, rig=RIG, bag='drive.mcap', bag_rate='0.5')
    words = processes(context, started)['bag_player']
    assert Path(words[0]).name == 'gemdepth-ros'
    assert words[1:6] == ['bag', 'play', 'drive.mcap', '--rate', '0.5']
    awaited = words[words.index('--wait-for') + 1 : words.index('--wait-timeout')]
    assert awaited == ['/front/image_raw', '/left/image_raw', '/right/image_raw']


@pytest.mark.parametrize(('file', 'index'), [(DRIVING, -1), (REPLAY, -2)])
def test_a_player_waits_for_the_topic_of_compressed_images(file: Path, index: int) -> None:
    context, started = performed(file, bag='in.mcap', image_transport='compressed', image='/cam')
    words = processes(context, started)['bag_player']
    assert words[words.index('--wait-timeout') + index] == '/cam/compressed'
    (node,) = nodes_of(started)
    assert remappings(node, context)['image'] == '/cam'


def test_no_weights_reach_the_node_as_an_empty_name() -> None:
    context, (node,) = performed(DRIVING, weights='none')
    assert parameters(node, context) == {'network.weights': ''}


def test_rviz_shows_the_topics_of_the_namespace() -> None:
    context, started = performed(DRIVING, rviz='true', namespace='front')
    words = processes(context, started)['rviz']
    assert words[2:5] == ['gemdepth_ros.launching.view', 'clouds', '/front/depth_node']
    assert Path(words[5]).is_file()
    rules = words[words.index('--ros-args') :]
    assert '/depth_node/points:=/front/depth_node/points' in rules
    assert 'use_sim_time:=true' not in rules
    context, started = performed(DRIVING, rviz='motion')
    words = processes(context, started)['rviz']
    assert words[3:5] == ['motion', '/depth_node']
    assert '--ros-args' not in words


def test_time_of_the_bag_goes_to_all_that_take_it() -> None:
    context, started = performed(DRIVING, rviz='true', bag='in.mcap', use_sim_time='true')
    words = processes(context, started)
    assert '--clock' in words['bag_player']
    assert words['rviz'][-2:] == ['-p', 'use_sim_time:=true']
    context, started = performed(DRIVING, bag='in.mcap')
    assert '--clock' not in processes(context, started)['bag_player']


@pytest.mark.parametrize('profile', ['orin_nano', 'orin_nx', 'agx_orin', 'thor'])
def test_jetson_takes_the_profile_of_the_board(profile: str) -> None:
    context, (node,) = performed(JETSON, profile=profile)
    assert files(node, context) == ['driving.yaml', f'{profile}.yaml']
    assert parameters(node, context) == {'network.device': 'cuda'}


def test_jetson_needs_a_profile() -> None:
    with pytest.raises(RuntimeError, match='profile'):
        performed(JETSON)


def test_desktop_uses_cuda_and_its_profile() -> None:
    context, (node,) = performed(DESKTOP, weights='gemdepth-vitl')
    assert files(node, context) == ['driving.yaml', 'desktop.yaml']
    assert parameters(node, context) == {
        'network.device': 'cuda',
        'network.weights': 'gemdepth-vitl',
    }


def test_profiles_are_read_after_the_parameters() -> None:
    for file in (REPO / 'config' / 'profiles').glob('*.yaml'):
        assert yaml.safe_load(file.read_text())['/**']['ros__parameters']


def test_replay_plays_records_and_waits_for_both() -> None:
    context, started = performed(REPLAY, bag='in.mcap', output='out', namespace='car')
    commands = processes(context, started)
    recorder, player = commands['bag_recorder'][1:], commands['bag_player'][1:]
    assert recorder[:6] == ['bag', 'record', '--force', '--output', 'out', '--topics']
    assert '/car/depth_node/depth/image_rect' in recorder
    assert player[-4:-2] == ['/camera/image_rect', '/car/depth_node/status']
    handlers = [e for e in started if isinstance(e, actions.RegisterEventHandler)]
    assert len(handlers) == 2
    with pytest.raises(ConfigError, match='bag:=PATH is missing'):
        performed(REPLAY)


def test_the_report_runs_with_the_settings_of_the_node() -> None:
    profile = str(REPO / 'config' / 'profiles' / 'orin_nx.yaml')
    module = load(REPLAY)
    texts = {
        argument.name: argument.default_value[0].text if argument.default_value else ''
        for argument in module.generate_launch_description().get_launch_arguments()
    } | {'bag': 'in.mcap', 'profile': profile, 'grounding': 'ground_plane', 'camera_height': '1.5'}
    (node,) = camera_nodes(texts, None, REPO)
    words = report_words('in.mcap', 'out/', 0.5, [node])
    arguments = build_parser('evaluate').parse_args(words)
    assert arguments.through_ros
    assert (arguments.play_rate, str(arguments.output)) == (0.5, 'out_report')
    assert (arguments.preset, arguments.mode, arguments.input_size) == ('vitl', 'causal', 266)
    assert 'mounting.height_m=1.5' in words
    assert 'grounding.ground_plane.enabled=true' in words
    assert 'products.cloud_decimation=4' in words  # the profile's, after driving.yaml's 2
    assert report_words('in.mcap', 'out', 1.0, [node, node]) == []
    node.parameters.update({'network.weights': '', 'network.device': ''})
    words = report_words('in.mcap', 'out', 1.0, [node])
    assert words[words.index('--weights') + 1] == 'none'
    assert '--device' not in words


def test_driving_sets_the_transport_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)
    context, _ = performed(DRIVING)
    assert [Path(context.environment[n]).name for n in PROFILES] == ['fastdds_shm.xml'] * 2


@pytest.mark.parametrize('given', PROFILES)
def test_driving_keeps_a_profile_of_the_user(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(given, '/mine.xml')
    context, _ = performed(DRIVING)
    assert [context.environment[name] for name in PROFILES] == ['/mine.xml'] * 2

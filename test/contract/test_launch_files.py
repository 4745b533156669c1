"""Launch files build their description and pass on what they were given."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# The repository's own launch/ folder is importable as a namespace package, hence `.actions`.
actions = pytest.importorskip('launch.actions')
launch = pytest.importorskip('launch')
launch_ros = pytest.importorskip('launch_ros.actions')
utilities = pytest.importorskip('launch_ros.utilities')
pytestmark = pytest.mark.ros

REPO = Path(__file__).parents[2]
FILES = sorted((REPO / 'launch').glob('*.launch.py'))
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


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
        the launch context, and the nodes that would be started.
    """
    context = launch.LaunchContext()
    context.launch_configurations.update(arguments)
    nodes: list[Any] = []
    for entity in load(file).generate_launch_description().entities:
        if isinstance(entity, actions.DeclareLaunchArgument | actions.SetEnvironmentVariable):
            entity.execute(context)
        elif isinstance(entity, actions.OpaqueFunction):
            nodes += entity.execute(context) or []
        elif isinstance(entity, launch_ros.LifecycleNode):
            nodes.append(entity)
    return context, nodes


def given(node: Any, context: Any) -> dict[str, Any]:
    """Parameters of a node that do not come from a file."""
    result: dict[str, Any] = {}
    for entry in utilities.evaluate_parameters(context, node._Node__parameters):
        if isinstance(entry, dict):
            result |= entry
    return result


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
def test_its_docstring_names_every_argument(file: Path) -> None:
    module = load(file)
    described = set(re.findall(r'^    (\w+)  +\S', module.__doc__ or '', re.MULTILINE))
    declared = {
        argument.name for argument in module.generate_launch_description().get_launch_arguments()
    }
    assert described == declared


def test_driving_starts_the_depth_node() -> None:
    context, nodes = performed(
        REPO / 'launch' / 'driving.launch.py', namespace='front', image='/kitti/image'
    )
    (node,) = nodes
    assert (node.node_package, node.node_executable) == ('gemdepth_ros', 'depth_node')
    assert given(node, context) == {}  # all from params_file


def test_driving_passes_parameters_on() -> None:
    context, (node,) = performed(
        REPO / 'launch' / 'driving.launch.py',
        weights='gemdepth-vitl',
        network='vitl',
        tf_mode='camera',
        autostart='false',
        use_sim_time='True',
        qos='reliable',
    )
    assert given(node, context) == {
        'network.weights': 'gemdepth-vitl',
        'network.preset': 'vitl',
        'tf_mode': 'camera',
        'autostart': False,
        'use_sim_time': True,
        'qos': 'reliable',
    }


def test_driving_refuses_a_word_for_a_truth_value() -> None:
    with pytest.raises(ValueError, match='autostart:=maybe must be true or false'):
        performed(REPO / 'launch' / 'driving.launch.py', autostart='maybe')


def test_driving_sets_the_transport_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)
    context, _ = performed(REPO / 'launch' / 'driving.launch.py')
    assert [Path(context.environment[n]).name for n in PROFILES] == ['fastdds_shm.xml'] * 2


@pytest.mark.parametrize('given', PROFILES)
def test_driving_keeps_a_profile_of_the_user(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(given, '/mine.xml')
    context, _ = performed(REPO / 'launch' / 'driving.launch.py')
    assert [context.environment[name] for name in PROFILES] == ['/mine.xml'] * 2

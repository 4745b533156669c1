"""The package's descriptions agree with each other, and what they promise is installed."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import xml.etree.ElementTree as ElementTree
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

import pytest

from gemdepth_ros import __version__

REPO = Path(__file__).parents[2]
SCRIPTS = {
    'depth_node': 'gemdepth_ros.ros.main:main',
    'gemdepth-ros': 'gemdepth_ros.cli.main:main',
}


def test_versions_agree() -> None:
    assert ElementTree.parse(REPO / 'package.xml').getroot().findtext('version') == __version__


def test_the_installed_version_is_this_one() -> None:
    try:
        installed = version('gemdepth_ros')
    except PackageNotFoundError:
        pytest.skip('not installed with pip (a colcon build has no metadata)')
    assert installed == __version__


def test_console_scripts_name_our_entry_points() -> None:
    found = {p.name: p.value for p in entry_points(group='console_scripts') if p.name in SCRIPTS}
    if not found:
        pytest.skip('not installed with pip (a colcon build has no metadata)')
    assert found == SCRIPTS


def test_setup_py_and_cmake_have_the_same_executables() -> None:
    setup = (REPO / 'setup.py').read_text()
    cmake = (REPO / 'CMakeLists.txt').read_text()
    for name, target in SCRIPTS.items():
        assert f"'{name} = {target}'" in setup
        assert f'"{name}={target.removesuffix(":main")}"' in cmake


def test_every_library_comes_from_rosdep_or_the_documented_pip_line() -> None:
    """For a colcon workspace (docs/install.md); setup.py's list is for pip."""
    setup = (REPO / 'setup.py').read_text().split('install_requires=[')[1].split(']')[0]
    needed = set(re.findall(r"^ +'([\w-]+)>=", setup, re.MULTILINE))
    declared = {
        e.text for e in ElementTree.parse(REPO / 'package.xml').getroot().iter('exec_depend')
    }
    names = {'numpy', 'scipy', 'matplotlib', 'rich'}
    rosdep = {name for name in names if f'python3-{name}' in declared}
    rosdep |= {'PyYAML'} if 'python3-yaml' in declared else set()
    lines = re.findall(
        r'^ *pip install -c .*$', (REPO / 'docs' / 'install.md').read_text(), re.MULTILINE
    )
    by_pip = {re.sub(r"['<>=].*", '', word.lstrip("'")) for line in lines for word in line.split()}
    assert needed
    assert needed <= rosdep | by_pip


def test_every_message_is_built() -> None:
    listed = re.findall(r'"(msg/\w+\.msg)"', (REPO / 'CMakeLists.txt').read_text())
    assert sorted(listed) == sorted(f'msg/{file.name}' for file in (REPO / 'msg').glob('*.msg'))


def test_every_message_dependency_is_declared() -> None:
    root = ElementTree.parse(REPO / 'package.xml').getroot()
    declared = {element.text for element in root.findall('depend')}
    texts = ''.join(file.read_text() for file in (REPO / 'msg').glob('*.msg'))
    used = set(re.findall(r'^(\w+)/', texts, re.MULTILINE))
    assert used == declared
    cmake = (REPO / 'CMakeLists.txt').read_text()
    for name in used:
        assert f'find_package({name} REQUIRED)' in cmake


def names_in(folder: str) -> tuple[set[str], set[str]]:
    """Top-level modules that the files of a folder import, and those that they name in a text."""
    imported, named = set(), set()
    for file in (REPO / folder).rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition('.')[0])
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r'\w+(\.\w+)*', node.value)
            ):
                named.add(node.value.partition('.')[0])
    return imported, named


def test_every_ros_package_that_is_used_is_declared_and_the_other_way_round() -> None:
    root = ElementTree.parse(REPO / 'package.xml').getroot()
    elements = [e.text or '' for tag in ('depend', 'exec_depend') for e in root.iter(tag)]
    declared = {name for name in elements if not name.startswith('python3-')}
    declared -= {'rosidl_default_runtime'}  # of our messages
    imported, named = map(set.union, names_in('gemdepth_ros'), names_in('launch'))
    assert declared <= imported | named, 'declared, and never used'
    ros = {'rclpy', 'launch', 'launch_ros', 'ament_index_python', 'message_filters', 'tf2_ros'}
    messages = {name for name in imported if name.endswith(('_msgs', '_interfaces', '_srvs'))}
    assert (imported & ros) | messages <= declared, 'used, and not declared'
    for_tests = declared | {e.text for e in root.iter('test_depend')}
    in_tests, _ = names_in('test')
    assert {n for n in in_tests if n.endswith(('_msgs', '_interfaces', '_srvs'))} <= for_tests


def test_the_transport_profile_holds_an_image_and_its_cloud() -> None:
    space = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'
    root = ElementTree.parse(REPO / 'config' / 'fastdds_shm.xml').getroot()
    (segment,) = root.iter(f'{space}segment_size')
    (largest,) = root.iter(f'{space}maxMessageSize')
    (builtin,) = root.iter(f'{space}useBuiltinTransports')
    image, cloud = 1242 * 375 * 3, 1242 * 375 * 16
    assert int(segment.text or 0) >= int(largest.text or 0) > image + cloud
    assert builtin.text == 'false'


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git would give a stranger, new files included."""
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    listing = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip('not a git checkout')
    copy = tmp_path_factory.mktemp('workspace') / 'src' / 'gemdepth_ros'
    for name in filter(None, listing.stdout.split('\0')):
        if (REPO / name).is_file():  # neither deleted nor a link to a folder
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, copy / name)
    return copy


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return result.stdout


def files_below(folder: Path) -> set[Path]:
    return {file.relative_to(folder) for file in folder.rglob('*') if file.is_file()}


def assert_complete(source: Path, package: Path, share: Path) -> None:
    """Every file of the sources is installed: the package's, and those for the share folder."""
    installed = {'gemdepth_ros': package, 'config': share / 'config', 'launch': share / 'launch'}
    for name, target in installed.items():
        expected = files_below(source / name)
        assert expected
        missing = [str(file) for file in sorted(expected) if not (target / file).is_file()]
        assert not missing, f'{name}: not installed: {missing}'


@pytest.fixture(scope='module')
def archive(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive that ``python -m build --sdist`` makes."""
    # The build must not leave its traces in the copy that other tests use.
    copy = tmp_path_factory.mktemp('archive') / 'copy'
    shutil.copytree(source, copy)
    code = 'import setuptools.build_meta as b; b.build_sdist("dist")'
    run(sys.executable, '-c', code, cwd=copy)
    (found,) = (copy / 'dist').glob('*.tar.gz')
    return found


def test_the_source_archive_holds_what_a_build_needs(source: Path, archive: Path) -> None:
    with tarfile.open(archive) as content:
        names = {name.partition('/')[2] for name in content.getnames()}
    folders = ('gemdepth_ros', 'msg', 'config', 'launch', 'resource')
    needed = {f'{name}/{file}' for name in folders for file in files_below(source / name)}
    needed |= {'setup.py', 'CMakeLists.txt', 'package.xml', 'LICENSE', 'NOTICE'}
    assert not needed - names


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.parametrize('option', [[], ['--symlink-install'], ['--merge-install']])
def test_colcon_build(source: Path, tmp_path: Path, option: list[str]) -> None:
    if not os.environ.get('AMENT_PREFIX_PATH') or not shutil.which('colcon'):
        pytest.skip('needs colcon and a sourced ROS 2 (. scripts/env.sh)')
    bases: list[str | Path] = [
        '--build-base',
        tmp_path / 'build',
        '--install-base',
        tmp_path / 'install',
    ]
    # The way of docs/install.md: an environment over the ROS, active while building.
    environment = tmp_path / 'environment'
    run(sys.executable, '-m', 'venv', '--without-pip', environment, cwd=tmp_path)
    path = f'{environment}/bin{os.pathsep}{os.environ["PATH"]}'
    # Not on the path: the checkout, which would hide what is missing in the installed package.
    run('colcon', '--log-base', tmp_path / 'log', 'build', '--base-paths', source, *bases, *option,
        cwd=tmp_path, PYTHONPATH=ros_python_path(), PATH=path,
        VIRTUAL_ENV=str(environment))  # fmt: skip
    prefix = tmp_path / 'install'
    if '--merge-install' not in option:
        prefix /= 'gemdepth_ros'
    (package,) = prefix.glob('lib/python3*/site-packages/gemdepth_ros')
    share = prefix / 'share' / 'gemdepth_ros'
    assert_complete(source, package, share)
    for file in ('package.xml', 'LICENSE', 'NOTICE'):
        assert (share / file).is_file()
    for name in SCRIPTS:
        script = prefix / 'lib' / 'gemdepth_ros' / name
        assert script.read_text().startswith(f'#!{environment}/bin/python')
        assert os.access(script, os.X_OK)
    setup = f'. {tmp_path}/install/setup.bash && cd / && '
    starts = f'exec {prefix}/lib/gemdepth_ros/gemdepth-ros --version'
    found = run('bash', '-c', setup + starts, cwd=tmp_path, PYTHONPATH=ros_python_path())
    assert found == f'gemdepth-ros {__version__}\n'
    code = (
        'import gemdepth_ros; from gemdepth_ros.msg import Status; Status(mode="x"); '
        'print(gemdepth_ros.__file__)'
    )
    found = run('bash', '-c', f"{setup} exec python3 -c '{code}'",
                cwd=tmp_path, PYTHONPATH=ros_python_path())  # fmt: skip
    assert Path(found.strip()) == package / '__init__.py'


def ros_python_path() -> str:
    """The sourced PYTHONPATH without this checkout, and with the packages of this Python.

    A ROS from PyPI lies there; a new environment knows them only from this path.
    """
    sourced = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    entries = [*sourced, sysconfig.get_path('purelib')]
    return os.pathsep.join(e for e in entries if e and Path(e).resolve() != REPO)


@pytest.mark.slow
@pytest.mark.parametrize('with_ros', [False, True])
def test_pip_install(source: Path, archive: Path, tmp_path: Path, with_ros: bool) -> None:
    """From the source archive: what is missing in it cannot be installed either."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '')
    if with_ros and not (prefixes and shutil.which('cmake')):
        pytest.skip('needs cmake and a sourced ROS 2 (. scripts/env.sh)')
    run(sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-build-isolation', '--quiet',
        '--target', tmp_path / 'target', archive, cwd=tmp_path,
        AMENT_PREFIX_PATH=prefixes if with_ros else '')  # fmt: skip
    package = tmp_path / 'target' / 'gemdepth_ros'
    assert_complete(source, package, tmp_path / 'target' / 'share' / 'gemdepth_ros')
    assert (package / 'msg' / '_status.py').is_file() == with_ros
    code = 'import gemdepth_ros.cli.main as m; print(m.__file__); m.main(["--version"])'
    found = run(sys.executable, '-c', code, cwd=tmp_path, PYTHONPATH=str(tmp_path / 'target'))
    assert found.splitlines() == [str(package / 'cli' / 'main.py'), f'gemdepth-ros {__version__}']

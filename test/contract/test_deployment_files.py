"""Docker files and the workflow: what can be checked without Docker and GitHub.

The rules are a part of hadolint's (their numbers stand beside them); hadolint itself runs as well
where it is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / 'docker').glob('Dockerfile.*'))
WORKFLOW = ROOT / '.github' / 'workflows' / 'ci.yml'
FOLDERS = ('scripts', 'test', 'docker', 'launch', 'config', 'docs')


def instructions(text: str) -> list[tuple[str, str]]:
    """Split a Docker file into (instruction, arguments), without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith('#')]
    joined = '\n'.join(lines).replace('\\\n', ' ')
    words = [line.split(None, 1) for line in joined.splitlines()]
    return [(name, rest) for name, rest in words]


def complaints(text: str) -> list[str]:
    """Say which rules a Docker file breaks."""
    found = []
    steps = instructions(text)
    arguments = dict(rest.split('=', 1) for name, rest in steps if name == 'ARG')
    runs = [rest for name, rest in steps if name == 'RUN']
    for name, rest in steps:
        if name == 'FROM':
            image = re.sub(r'\$\{(\w+)\}', lambda match: arguments[match[1]], rest)
            if ':' not in image or image.endswith(':latest'):
                found.append(f'DL3006, DL3007: tag the image {image}')
        if name == 'WORKDIR' and not rest.startswith('/'):
            found.append('DL3000: absolute WORKDIR')
        if name == 'ADD' and not rest.startswith('https://'):
            found.append('DL3020: COPY, not ADD')
    for run in runs:
        if 'apt-get install' in run:
            if '--no-install-recommends' not in run:
                found.append('DL3015: --no-install-recommends')
            if 'rm -rf /var/lib/apt/lists/*' not in run:
                found.append('DL3009: delete the lists')
        if re.search(r'pip install(?! --no-cache-dir)', run):
            found.append('DL3042: --no-cache-dir')
        if re.search(r'\bsudo\b', run):
            found.append('DL3004: no sudo')
    order = [name for name, _ in steps]
    pipefail = [
        i for i, (name, rest) in enumerate(steps) if name == 'SHELL' and 'pipefail' in rest
    ]
    if not pipefail or pipefail[0] > order.index('RUN'):
        found.append('DL4006: pipefail')
    users = [rest for name, rest in steps if name == 'USER']
    if not users or users[-1] in ('root', '0'):
        found.append('DL3002: the last USER is root')
    return found


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_docker_files_follow_the_rules(path: Path) -> None:
    assert complaints(path.read_text()) == []
    hadolint = shutil.which('hadolint')
    if hadolint:
        done = subprocess.run([hadolint, '--no-color', path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_there_are_three() -> None:
    assert [path.suffix for path in DOCKERFILES] == ['.desktop', '.jetson_jp6', '.jetson_jp7']


@pytest.mark.parametrize(
    ('old', 'new', 'rule'),
    [
        ('ros:jazzy-ros-base', 'ros', 'DL3006'),
        ('ros:jazzy-ros-base', 'ros:latest', 'DL3007'),
        ('WORKDIR /opt', 'WORKDIR opt', 'DL3000'),
        (' --no-install-recommends', '', 'DL3015'),
        ('rm -rf /var/lib/apt/lists/*', 'true', 'DL3009'),
        (' --no-cache-dir', '', 'DL3042'),
        ('USER 10001', 'USER root', 'DL3002'),
        ('"-o", "pipefail", ', '', 'DL4006'),
        ('RUN useradd', 'RUN sudo useradd', 'DL3004'),
        ('COPY package.xml', 'ADD package.xml', 'DL3020'),
    ],
)
def test_the_rules_can_be_broken(old: str, new: str, rule: str) -> None:
    text = (ROOT / 'docker' / 'Dockerfile.desktop').read_text()
    assert old in text
    assert any(rule in complaint for complaint in complaints(text.replace(old, new)))


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_what_is_copied_exists_and_reaches_docker(path: Path) -> None:
    ignored = [
        line
        for line in (ROOT / '.dockerignore').read_text().splitlines()
        if line and not line.startswith('#')
    ]
    sources = [
        rest.split()[:-1] for name, rest in instructions(path.read_text()) if name == 'COPY'
    ]
    needed = ['setup.py', 'CMakeLists.txt', 'gemdepth_ros', 'launch', 'config', 'msg', 'resource']
    for source in [*(word for words in sources for word in words), *needed]:
        assert (ROOT / source).exists()
        assert not any(fnmatch(source, pattern) for pattern in ignored), source
    entry = re.search(r'ENTRYPOINT \["/opt/gemdepth/src/gemdepth_ros/(.+)"\]', path.read_text())
    assert entry is not None
    assert (ROOT / entry[1]).stat().st_mode & 0o111


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_every_library_comes_from_somewhere(path: Path) -> None:
    setup = (ROOT / 'setup.py').read_text()
    required = re.search(r'install_requires=\[(.*?)\n    \]', setup, re.DOTALL)
    assert required is not None
    names = re.findall(r"^ *'([A-Za-z_\-]+)[><=]", required[1], re.MULTILINE)
    assert {'torch', 'numpy', 'rosbags'} <= set(names)
    from_pip = (ROOT / 'docker' / 'requirements.txt').read_text().lower()
    from_apt = (ROOT / 'package.xml').read_text().lower()
    for name in names:
        found = name.lower() in from_pip or f'python3-{name.lower()}<' in from_apt
        assert found or name == 'torch' or (name == 'PyYAML' and 'python3-yaml<' in from_apt), name
    assert 'TORCH' in path.read_text()


def test_the_entrypoint_is_a_script() -> None:
    subprocess.run(['bash', '-n', ROOT / 'docker' / 'entrypoint.sh'], check=True)


@pytest.fixture(scope='module')
def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    return loaded


def steps_of(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow['jobs'].values():
        yield from job['steps']


def test_the_workflow_runs_on_both_distributions_and_without_any(
    workflow: dict[str, Any],
) -> None:
    assert {'push', 'pull_request'} <= set(workflow[True])  # YAML 1.1 reads `on` as a truth value
    ros = workflow['jobs']['ros']
    assert ros['strategy']['matrix']['distro'] == ['jazzy', 'humble']
    assert ros['container'] == 'ros:${{ matrix.distro }}'
    commands = '\n'.join(step.get('run', '') for step in ros['steps'])
    assert 'colcon build' in commands
    assert 'test/ros' in commands
    pip = [step.get('run', '') for step in workflow['jobs']['pip']['steps']]
    assert 'scripts/test.sh' in pip
    for job in workflow['jobs'].values():
        assert job['timeout-minutes'] <= 120


def test_the_workflow_names_ros_localhost_only_to_humble_alone(workflow: dict[str, Any]) -> None:
    """Later distributions warn on stderr when it has a value, also 0."""
    value = workflow['jobs']['ros']['env']['ROS_LOCALHOST_ONLY']
    assert value == "${{ matrix.distro == 'humble' && '1' || '' }}"


@pytest.mark.parametrize(
    ('distro', 'given', 'left', 'range_'),
    [
        ('jazzy', '0', 'None', 'SUBNET'),
        ('jazzy', '1', 'None', 'LOCALHOST'),
        ('jazzy', '', 'None', 'SUBNET'),
        ('humble', '1', '1', 'SUBNET'),
    ],
)
def test_what_tests_start_is_not_given_ros_localhost_only(
    distro: str, given: str, left: str, range_: str
) -> None:
    names = ('ROS_LOCALHOST_ONLY', 'ROS_AUTOMATIC_DISCOVERY_RANGE')
    code = (
        f'import os, runpy; runpy.run_path({str(ROOT / "test" / "conftest.py")!r}); '
        f'print(*map(os.environ.get, {names!r}))'
    )
    environment = {**os.environ, 'ROS_DISTRO': distro, names[0]: given, names[1]: 'SUBNET'}
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [left, range_]


def test_actions_are_pinned_and_steps_are_shell(workflow: dict[str, Any]) -> None:
    for step in steps_of(workflow):
        assert ('uses' in step) != ('run' in step)
        if 'uses' in step:
            assert re.fullmatch(r'actions/[a-z-]+@v\d+', step['uses'])
        else:
            script = re.sub(r'\$\{\{.*?\}\}', 'jazzy', step['run'])
            subprocess.run(['bash', '-n', '-c', script], check=True)


def test_every_file_that_the_workflow_names_exists(workflow: dict[str, Any]) -> None:
    named = set()
    for step in steps_of(workflow):
        words = re.findall(r'[\w./-]+', step.get('run', ''))
        for word in (word.removeprefix('src/gemdepth_ros/') for word in words):
            if word.split('/')[0] in FOLDERS and '/' in word:
                named.add(word)
    assert {'scripts/test.sh', 'test/ros', 'docker/requirements.txt'} <= named
    for word in named:
        assert (ROOT / word).exists(), word

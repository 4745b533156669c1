"""Decisions of scripts/setup_env.sh: which torch, and which environment it may delete."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
BASH = shutil.which('bash')
pytestmark = pytest.mark.skipif(BASH is None, reason='needs bash')

WITHOUT_CPU_BUILD = 'torch (2.15.0)\nAvailable versions: 2.15.0, 2.13.0, 2.12.1\n'
WITH_CPU_BUILD = (
    'torch (2.15.0)\nAvailable versions: 2.15.0, 2.13.0+cu130, 2.13.0+cpu, 2.12.1+cpu\n'
)
SIMILAR_BUILD = 'torch (2.13.0)\nAvailable versions: 2.13.0+cpu.cxx11.abi, 2.13.0\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the scripts alone, and nothing that knows this machine."""
    shutil.copytree(REPO / 'scripts', tmp_path / 'a clone' / 'scripts')
    return tmp_path / 'a clone'


def call(clone: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run some lines of bash after the functions of setup_env.sh were read."""
    assert BASH is not None
    keep = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
    return subprocess.run(
        [BASH, '-c', f'. "{clone}/scripts/setup_env.sh"\n{code}'],
        env=keep | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def executable(file: Path, script: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'#!{BASH}\n{script}\n')
    file.chmod(0o755)


def fake_python(clone: Path, versions: str, has_torch: bool = False) -> None:
    script = f"""case "$*" in
      *'index versions torch'*) printf '%s' '{versions}' ;;
      *'import torch'*) exit {int(not has_torch)} ;;
    esac"""
    executable(clone / '.venv' / 'bin' / 'python', script)


def chosen(clone: Path, device: bool, **environment: str) -> tuple[str, str]:
    """Return the requirement of torch and what was said about it."""
    code = f'has_cuda_device() {{ {str(device).lower()}; }}; check_disk() {{ :; }}; choose_torch'
    result = call(clone, code + '; echo "torch is $torch"', **environment)
    assert result.returncode == 0, result.stderr
    said, _, torch = result.stdout.rpartition('torch is ')
    return torch.strip(), said


def test_the_cpu_build_is_taken_where_it_is_offered(clone: Path) -> None:
    fake_python(clone, WITH_CPU_BUILD)
    torch, said = chosen(clone, device=False)
    assert torch == 'torch==2.13.0+cpu'
    assert said.count('\n') == 1


@pytest.mark.parametrize('versions', [WITHOUT_CPU_BUILD, SIMILAR_BUILD, ''])
def test_elsewhere_one_line_tells_the_size_and_the_remedy(clone: Path, versions: str) -> None:
    fake_python(clone, versions)
    torch, said = chosen(clone, device=False)
    assert torch == 'torch==2.13.0'
    assert said.count('\n') == 1
    assert '2.6 GB' in said
    assert 'PIP_EXTRA_INDEX_URL' in said


def test_with_a_cuda_device_the_default_build_is_taken(clone: Path) -> None:
    fake_python(clone, WITH_CPU_BUILD)
    assert chosen(clone, device=True) == ('torch==2.13.0', '')


def test_torch_that_is_there_stays(clone: Path) -> None:
    fake_python(clone, WITH_CPU_BUILD, has_torch=True)
    assert chosen(clone, device=False) == ('', '')


def test_the_users_torch_goes_first(clone: Path) -> None:
    fake_python(clone, WITH_CPU_BUILD)
    wanted = '/wheels/torch-2.8.0-jetpack.whl'
    assert chosen(clone, device=True, GEMDEPTH_TORCH=wanted) == (wanted, '')


@pytest.mark.parametrize(
    ('ros', 'numpy', 'tools'),
    [
        ('/opt/ros/humble', 'numpy==1.21.5', 'check'),  # Ubuntu 22.04
        ('/opt/ros/humble', 'numpy==1.21.6', 'dev'),
        ('/opt/ros/jazzy', 'numpy==1.26.4', 'dev'),
        ('/opt/ros/rolling', 'numpy==2.0.0', 'dev'),
        ('/opt/ros/none', '', 'dev'),
        ('', None, 'dev'),
    ],
)
def test_an_old_numpy_of_the_ros_costs_the_tests_of_export_only(
    clone: Path, ros: str, numpy: str | None, tools: str
) -> None:
    """ONNX Runtime needs numpy 1.21.6: with an older one pip would find no solution at all."""
    (clone / '.venv').mkdir()
    if numpy is not None:
        (clone / '.venv' / 'ros-constraints.txt').write_text(f'{numpy}\n')
    result = call(clone, f'ros={ros}; choose_tools; echo "tools are $tools"')
    assert result.returncode == 0, result.stderr
    *said, last = result.stdout.splitlines()
    assert last == f'tools are {tools}'
    assert len(said) == (tools == 'check')
    assert all('leaving out onnx' in line and '1.21.5' in line for line in said)


def test_the_extras_differ_in_what_export_needs() -> None:
    code = (
        'import json, runpy, setuptools; found = {}; '
        'setuptools.setup = lambda **given: found.update(given["extras_require"]); '
        'runpy.run_path("setup.py"); print(json.dumps(found))'
    )
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    extras = json.loads(done.stdout)
    assert extras['dev'] == extras['check'] + extras['export']
    assert [name for name in extras['check'] if name.startswith('onnx')] == []


def test_a_python_and_a_ros_in_folders_with_spaces_are_found(clone: Path) -> None:
    python = clone / 'tools' / 'python3'
    executable(python, f'exec {shlex.quote(sys.executable)} "$@"')
    ours, other = clone / '.venv', clone / 'a ros'
    code = 'find_python_and_ros; echo "$version|$base|$ros"'
    version = f'{sys.version_info.major}.{sys.version_info.minor}'
    result = call(clone, code, PYTHON=str(python), ROS_DISTRO='jazzy', AMENT_PREFIX_PATH=str(ours))
    assert result.returncode == 0, result.stderr
    found = result.stdout.strip().split('|')
    assert (found[0], found[2]) == (version, ''), 'our own environment is no ROS of the user'
    missing = call(clone, code, PYTHON=str(clone / 'no python'))
    assert missing.returncode == 1
    assert f'no {clone}/no python: install Python' in missing.stderr
    executable(python, f'[[ $2 == *rclpy* ]] || echo "{version} $0"')  # one with rclpy
    paths = f'{ours}:{other}:/opt/ros/jazzy'
    result = call(clone, code, PYTHON=str(python), ROS_DISTRO='jazzy', AMENT_PREFIX_PATH=paths)
    assert result.stdout.strip() == f'{version}|{python}|{other}:/opt/ros/jazzy'


@pytest.mark.parametrize(
    ('script', 'found'),
    [('echo "GPU 0: NVIDIA (UUID: GPU-1)"', True), ('echo No devices were found; exit 6', False)],
)
def test_nvidia_smi_tells_of_a_device(clone: Path, script: str, found: bool) -> None:
    if not found and (Path('/dev/nvidia0').exists() or Path('/dev/nvhost-gpu').exists()):
        pytest.skip('this machine has a CUDA device')
    executable(clone / 'tools' / 'nvidia-smi', script)
    code = f'PATH="{clone}/tools:$PATH"; has_cuda_device && echo yes || echo no'
    assert call(clone, code).stdout == ('yes\n' if found else 'no\n')


def make_venv(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    version = f'{sys.version_info.major}.{sys.version_info.minor}'
    code = f'base={shlex.quote(sys.executable)}; version={version}; ros=; make_venv'
    return call(clone, code, **environment)


def test_a_foreign_environment_without_pip_is_not_deleted(clone: Path) -> None:
    executable(clone / '.venv' / 'bin' / 'python', 'echo No module named pip >&2; exit 1')
    (clone / '.venv' / 'work.txt').write_text('precious')
    result = make_venv(clone)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert 'this script did not make it' in line
    assert 'mv .venv .venv.old' in line
    assert (clone / '.venv' / 'work.txt').read_text() == 'precious'


def test_a_foreign_environment_with_pip_is_used_and_never_deleted(clone: Path) -> None:
    fake_python(clone, '')
    first = make_venv(clone)
    assert first.returncode == 0, first.stderr
    assert 'it will not be deleted' in first.stdout
    assert make_venv(clone).stdout == ''  # said once
    executable(clone / '.venv' / 'bin' / 'python', 'exit 1')  # its Python is gone
    assert make_venv(clone).returncode == 1
    moved = clone.rename(clone.with_name('moved'))
    fake_python(moved, '')
    result = make_venv(moved)
    assert result.returncode == 1
    assert 'was made for another folder' in result.stderr
    assert (moved / '.venv' / 'bin' / 'python').exists()


def test_another_python_does_not_replace_a_foreign_environment(clone: Path) -> None:
    fake_python(clone, '')
    result = make_venv(clone, PYTHON='python3.99')
    assert result.returncode == 1
    assert 'has another Python than python3.99' in result.stderr


@pytest.mark.slow
def test_our_own_unfinished_environment_is_made_again(clone: Path) -> None:
    (clone / '.venv').mkdir()
    (clone / '.venv' / '.made-for').write_text(f'{clone}|\n')  # interrupted after its first step
    result = make_venv(clone)
    assert result.returncode == 0, result.stderr
    assert 'making it again' in result.stdout
    assert (clone / '.venv' / 'bin' / 'pip').exists()
    assert (clone / '.venv' / '.made-for').read_text() == f'{clone}|\n'


def test_ros2_launch_finds_the_launch_files_of_the_source_tree(clone: Path) -> None:
    """It walks through the package's share folder, and into no folder that is a link."""
    shutil.copytree(REPO / 'launch', clone / 'launch')
    for _ in range(2):  # a second time as well
        result = call(clone, 'link_source_tree')
        assert result.returncode == 0, result.stderr
    share = clone / '.venv' / 'share' / 'gemdepth_ros'
    found = {file for _, _, files in os.walk(share) for file in files}
    assert {file.name for file in (REPO / 'launch').glob('*.launch.py')} <= found
    assert (share / 'config').is_symlink()
    assert os.readlink(clone / '.venv/lib/gemdepth_ros/depth_node') == '../../bin/depth_node'

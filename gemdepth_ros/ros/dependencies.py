"""Libraries that are not there: one line that names them, with the remedy."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from gemdepth_ros.errors import DependencyError

OURS = 'gemdepth_ros'
ROS = ('rclpy', 'gemdepth_ros.msg')
LIBRARIES = ('numpy', 'cv2', 'scipy')
NETWORK = ('torch', 'safetensors')

REMEDIES = {
    'rclpy': 'source a ROS 2 first, for example /opt/ros/jazzy/setup.bash',
    'gemdepth_ros.msg': 'build the package with colcon and source its install/setup.bash',
    'torch': 'install PyTorch for this machine, see https://pytorch.org/get-started/locally',
}
DISTRIBUTIONS = {'cv2': 'opencv-python-headless', 'huggingface_hub': 'huggingface-hub'}


def remedy_for(module: str) -> str:
    """Return what to do about a module that is missing or cannot be loaded."""
    if module in REMEDIES:
        return REMEDIES[module]
    name = module.partition('.')[0]
    if name in REMEDIES:
        return REMEDIES[name]
    if not name:
        return 'is it installed for this Python and this machine, with all that it needs?'
    if name.endswith(('_msgs', '_srvs', '_interfaces')):
        return f'install ros-$ROS_DISTRO-{name.replace("_", "-")} and source the ROS 2'
    return f'install it, for example: python3 -m pip install {DISTRIBUTIONS.get(name, name)}'


def require(*modules: str) -> None:
    """Check that modules are installed, without loading them.

    Raises:
        DependencyError: one is not.
    """
    for module in modules:
        if not _installed(module):
            raise DependencyError(f'no module {module}: {remedy_for(module)}')


@contextmanager
def needing_libraries() -> Iterator[None]:
    """Turn a library that is missing or cannot be loaded into one line.

    Raises:
        DependencyError: naming the library. An import that fails inside this package is a bug
            and stays what it is.
    """
    try:
        yield
    except ImportError as error:
        name = error.name or ''
        if name.partition('.')[0] == OURS and name not in REMEDIES:
            raise
        missing = isinstance(error, ModuleNotFoundError) and name
        what = f'no module {name}' if missing else _cannot_load(error)
        raise DependencyError(f'{what}: {remedy_for(name)}') from error


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _cannot_load(error: ImportError) -> str:
    """A library that is there but does not load; numpy writes a page about that."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    what = f'cannot load {error.name or "a library"}'
    return f'{what} ({lines[0]})' if lines else what

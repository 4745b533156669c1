"""What a command says where there is no ROS 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gemdepth_ros.errors import DependencyError


@contextmanager
def needing_ros(what: str) -> Iterator[None]:
    """Turn a missing ROS 2 into one line; for the imports of a command that needs it.

    Args:
        what: the command, for the message.

    Raises:
        DependencyError: rclpy or a message package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise DependencyError(
            f'{what} needs a ROS 2 with the messages of this package ({error.name} is missing): '
            'source its setup.bash, or run scripts/setup_env.sh and source scripts/env.sh'
        ) from error

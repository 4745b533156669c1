"""Parameters of the node, and the environment of the three processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gemdepth_ros.cli.demonstration import topics

STATUS_PERIOD_S = 0.2
# Fast DDS 2 reads the first name, Fast DDS 3 the second.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


@dataclass(frozen=True)
class NodeSettings:
    """Parameters of the node.

    Attributes:
        preset: network.
        weights: file or known name; empty: seeded random numbers.
        mode: of the stream.
        window: frames.
        input_size: of the resize rule [px].
        threads: CPU threads of the network; 0 leaves the library's choice.
    """

    preset: str
    weights: str
    mode: str
    window: int
    input_size: int
    threads: int = 0

    def arguments(self, image_size: tuple[int, int]) -> list[str]:
        """Return the node's command line.

        Args:
            image_size: (height, width) of the images, for a trial run [px].
        """
        parameters: dict[str, object] = {
            'network.preset': self.preset,
            'network.threads': self.threads,
            'streaming.mode': self.mode,
            'streaming.window': self.window,
            'streaming.input_size': self.input_size,
            'warm_up_height': image_size[0],
            'warm_up_width': image_size[1],
            'tf_mode': 'camera',
            'status_period_s': STATUS_PERIOD_S,
        }
        # Quoted, for YAML: a file may be called 1.0, and nothing is not the default.
        parameters['network.weights'] = "'" + self.weights.replace("'", "''") + "'"
        remappings = {'image': topics.IMAGE, 'camera_info': topics.CAMERA_INFO}
        arguments = ['--ros-args']
        for name, topic in remappings.items():
            arguments += ['--remap', f'{name}:={topic}']
        for name, value in parameters.items():
            arguments += ['--param', f'{name}:={value}']
        return arguments


def process_environment(domain: int, logs: Path) -> dict[str, str]:
    """Return the environment of the processes: this one's, in a domain of their own."""
    environment = {
        **os.environ,
        'ROS_DOMAIN_ID': str(domain),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(logs / 'ros'),
        'PYTHONUNBUFFERED': '1',
    }
    profile = transport_profile()
    if profile is not None:
        environment.update(dict.fromkeys(PROFILE_VARIABLES, str(profile)))
    return environment


def transport_profile() -> Path | None:
    """Return the Fast DDS profile that keeps large images: the user's, else the package's."""
    given = next(filter(None, map(os.environ.get, PROFILE_VARIABLES)), None)
    candidates = [Path(given)] if given else [f / 'fastdds_shm.xml' for f in _config_folders()]
    return next((file for file in candidates if file.is_file()), None)


def _config_folders() -> Iterator[Path]:
    yield Path(__file__).resolve().parents[3] / 'config'  # source tree
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    for prefix in (*filter(None, prefixes), sys.prefix):
        yield Path(prefix) / 'share' / 'gemdepth_ros' / 'config'

"""The arguments of the launch files: names, defaults, meaning, and where their values go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gemdepth_ros.cli.network_arguments import NO_WEIGHTS
from gemdepth_ros.errors import ConfigError

WEIGHTS = 'network.weights'
Value = bool | int | float | str
GROUNDING_SOURCES = (
    'ground_plane',
    'lidar',
    'odometry',
    'parallax',
    'sky',
    'manual',
    'metric_network',
)
TRUE_OR_FALSE = ('true', 'false')


@dataclass(frozen=True)
class Argument:
    """One launch argument.

    Attributes:
        name: on the command line, ``name:=value``.
        help: its meaning, for ``--show-args``.
        default: text that it has when it is not given.
        parameter: parameter of the node that gets the value where it is given; empty: none.
        kind: type of that parameter.
        choices: the values it may have; empty: any.
    """

    name: str
    help: str
    default: str = ''
    parameter: str = ''
    kind: type = str
    choices: tuple[str, ...] = ()

    def value(self, text: str) -> Value:
        """Return the text as the parameter's type.

        Raises:
            ConfigError: it is none of the choices, or no number.
        """
        text = text.lower() if self.kind is bool else text
        if self.choices and text not in self.choices:
            raise ConfigError(f'{self.name}:={text} must be one of: {", ".join(self.choices)}')
        if self.kind is bool:
            return text == 'true'
        try:
            value: Value = self.kind(text)
        except ValueError:
            raise ConfigError(f'{self.name}:={text} must be a number') from None
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f'{self.name}:={text} must be a finite number')
        return value


def _flag(name: str, text: str, default: str = '', parameter: str = '') -> Argument:
    return Argument(name, text, default, parameter, bool, TRUE_OR_FALSE)


WHERE = (
    Argument('cameras', 'names of the cameras, by commas; none: all of the rig, or one'),
    Argument('namespace', 'namespace of the node; several cameras: of their namespaces'),
    Argument('rig', 'rig description (YAML): topics, heights, masks and static transforms'),
    _flag('rig_tf', "publish the rig's static transforms", 'true'),
)
# (argument, the node's own name of the topic, its name when neither argument nor rig says another)
TOPICS = (
    (Argument('image', 'image topic; {camera} is replaced by its name'), 'image',
     '/camera/image_rect'),
    (Argument('camera_info', 'its camera_info topic'), 'camera_info', '/camera/camera_info'),
    (Argument('odometry', 'wheel odometry topic'), 'odometry', ''),
    (Argument('lidar', 'LiDAR topic'), 'lidar/points', ''),
    (Argument('imu', 'IMU topic; use_imu is then true'), 'imu', ''),
    (Argument('sky_mask', 'topic of sky masks'), 'sky_mask', ''),
)  # fmt: skip
FILES = (
    Argument('params_file', "YAML file with the node's parameters", '{share}/config/driving.yaml'),
    Argument('profile', 'more parameters: a name in config/profiles, or a YAML file'),
)
PARAMETERS = (
    Argument(
        'weights', f'a weights file, a known name, or {NO_WEIGHTS}: random', parameter=WEIGHTS
    ),
    Argument(
        'network', 'auto, vitl, small, tiny or vda-small (docs/vda.md)', parameter='network.preset'
    ),
    Argument('device', 'auto, cpu, cuda or cuda:N', parameter='network.device'),
    Argument('dtype', 'auto, float32, bfloat16 or float16', parameter='network.dtype'),
    Argument('mode', 'sliding or causal', parameter='streaming.mode'),
    Argument(
        'tf_mode',
        'none, camera, odom_to_base or inverted',
        parameter='tf_mode',
        choices=('none', 'camera', 'odom_to_base', 'inverted'),
    ),
    Argument('base_frame', "the vehicle's frame", parameter='base_frame'),
    Argument(
        'rectified',
        'whether images are rectified: auto, true or false',
        parameter='input_is_rectified',
        choices=('auto', 'true', 'false'),
    ),
    Argument(
        'camera_height',
        'of the camera above the ground [m]',
        parameter='mounting.height_m',
        kind=float,
    ),
    Argument(
        'camera_pitch',
        'of its axis below the horizon [deg]',
        parameter='mounting.pitch_deg',
        kind=float,
    ),
    Argument('self_mask', 'PNG, white is the vehicle', parameter='products.self_mask'),
    Argument(
        'image_transport',
        'raw or compressed',
        parameter='image_transport',
        choices=('raw', 'compressed'),
    ),
    Argument(
        'qos',
        'how images are subscribed: auto, reliable or best_effort',
        parameter='qos',
        choices=('auto', 'reliable', 'best_effort'),
    ),
    _flag('autostart', 'configure and activate without a lifecycle manager', '', 'autostart'),
    _flag('use_sim_time', 'take time from /clock', '', 'use_sim_time'),
)
GROUNDING = Argument('grounding', f'sources of metres, by commas: {", ".join(GROUNDING_SOURCES)}')
TOOLS = (
    Argument(
        'rviz',
        "start RViz: true: clouds, in the camera's frame; motion: in the odometry frame; or false",
        'false',
        choices=('true', 'motion', 'false'),
    ),
    Argument('bag', 'bag to play once the node listens'),
    Argument('bag_rate', '2.0 plays twice as fast as recorded', '1.0', kind=float),
)
REPLAY = (
    Argument('output', "folder of the new bag with the node's outputs", 'replay'),
    Argument('settle', 'pause after the last image, for the last results [s]', '5.0', kind=float),
    _flag('report', 'then score the bag with the same settings: output_report', 'true'),
)
DRIVING = (
    *WHERE,
    *(argument for argument, _, _ in TOPICS),
    *FILES,
    *PARAMETERS,
    GROUNDING,
    *TOOLS,
)


def node_parameters(texts: Mapping[str, str]) -> dict[str, Value]:
    """Return the node's parameters that were given a value.

    Args:
        texts: values of the arguments by name; empty where not given.

    Raises:
        ConfigError: a value is impossible.
    """
    values = {a.parameter: a.value(texts[a.name]) for a in PARAMETERS if texts.get(a.name)}
    if values.get(WEIGHTS) == NO_WEIGHTS:
        values[WEIGHTS] = ''  # an empty argument could not say it: it is one that was not given
    named = [word.strip() for word in texts.get(GROUNDING.name, '').split(',') if word.strip()]
    unknown = [word for word in named if word not in GROUNDING_SOURCES]
    if unknown:
        raise ConfigError(
            f'grounding:={unknown[0]} is no source; choose from {", ".join(GROUNDING_SOURCES)}'
        )
    if texts.get('imu'):
        values['use_imu'] = True
    sources = GROUNDING_SOURCES if named else ()
    return values | {f'grounding.{name}.enabled': name in named for name in sources}


def checked(argument: Argument, texts: Mapping[str, str]) -> Any:
    """Return an argument's value in its own type."""
    return argument.value(texts[argument.name])

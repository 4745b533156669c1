"""What is played to the node, and what is recorded of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.cli.evaluation.pipeline_settings import pipeline_config, split_overrides
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.reconstruction.recording import SourceOptions, image_and_info
from gemdepth_ros.cli.reconstruction.sensors import NOT_WANTED, STATIC_TRANSFORMS, choose_topics
from gemdepth_ros.errors import ConfigError

NODE: Final = '/depth_node'
DEPTH: Final = f'{NODE}/depth/image_rect'
DEPTH_STD: Final = f'{NODE}/depth/std'
DISPARITY: Final = f'{NODE}/relative/disparity'
DEPTH_INFO: Final = f'{NODE}/depth/camera_info'
RELATIVE_INFO: Final = f'{NODE}/relative/camera_info'
ODOMETRY: Final = f'{NODE}/odometry'
STATUS: Final = f'{NODE}/status'
OUTPUTS: Final = (DEPTH, DEPTH_STD, DISPARITY, DEPTH_INFO, RELATIVE_INFO, ODOMETRY, STATUS)
STATUS_PERIOD_S = 0.2


@dataclass(frozen=True)
class Inputs:
    """What a bag has for the node.

    Attributes:
        image: topic of the images.
        camera_info: topic beside it; empty: none.
        lidar: topic of the point clouds, where the settings enable them as a source; else empty.
        odometry: likewise.
        static: whether the bag has static transforms.
        compressed: whether the images are CompressedImage.
        seconds: length of the bag [s].
        storage: of the bag, for example ``mcap``.
    """

    image: str
    camera_info: str
    lidar: str
    odometry: str
    static: bool
    compressed: bool
    seconds: float
    storage: str

    @property
    def played(self) -> list[str]:
        """Topics that are played."""
        static = STATIC_TRANSFORMS if self.static else ''
        names = (self.image, self.camera_info, self.lidar, self.odometry, static)
        return [name for name in names if name]

    @property
    def listeners(self) -> dict[str, int]:
        """Subscriptions that must be there before the first message: node and recorder."""
        counts = {name: 1 for name in (self.camera_info, self.lidar, self.odometry) if name}
        return {**counts, self.image: 2, **dict.fromkeys((DISPARITY, DEPTH, ODOMETRY), 1)}


def read_inputs(bag: Path, settings: EvaluationSettings) -> Inputs:
    """Return what a bag has for the node.

    Raises:
        GemDepthError: the bag cannot be read, or cannot be played.
    """
    with BagReader(bag) as reader:
        topics, summary = reader.topics, reader.summary
    if summary.storage == 'ros1':
        raise ConfigError(
            f'{bag} is a ROS 1 bag, which cannot be played to ROS 2: '
            f'gemdepth-ros bag convert {bag} -o NEW'
        )
    image, info = image_and_info(bag, topics, SourceOptions(topic=settings.topic))
    sources = pipeline_config(settings).grounding.enabled_sources
    wishes = ['' if name in sources else NOT_WANTED for name in ('lidar', 'odometry')]
    sensors = choose_topics(topics, wishes[0], wishes[1], lambda _: None)
    return Inputs(
        image=image.name,
        camera_info=info,
        lidar=sensors.lidar,
        odometry=sensors.odometry,
        static=STATIC_TRANSFORMS in topics,
        compressed=image.message_type.endswith('CompressedImage'),
        seconds=summary.duration_ns / 1e9,
        storage=summary.storage,
    )


def node_arguments(
    inputs: Inputs, settings: EvaluationSettings, image_size: tuple[int, int]
) -> list[str]:
    """Return the node's command line.

    Args:
        inputs: what is played.
        settings: of the evaluation.
        image_size: (height, width) of the images, for a trial run [px].

    Raises:
        ConfigError: a setting has no meaning for a live node.
    """
    if settings.mode == 'offline' or settings.simulated_latency_ms or settings.intrinsics:
        raise ConfigError(
            '--through-ros runs the live node: it has no --mode offline, no --simulate-latency '
            'and no --intrinsics'
        )
    base = inputs.image.removesuffix('/compressed') if inputs.compressed else inputs.image
    remappings = {'image': base, 'camera_info': inputs.camera_info}
    remappings |= {'lidar/points': inputs.lidar, 'odometry': inputs.odometry}
    parameters: dict[str, object] = {
        'network.preset': settings.preset,
        'network.weights': settings.weights,
        'network.device': settings.device,
        'network.dtype': settings.dtype,
        'streaming.mode': settings.mode,
        'streaming.window': settings.window,
        'streaming.input_size': settings.input_size,
        'products.max_depth_m': max(settings.max_depth_m, 80.0),
        'image_transport': 'compressed' if inputs.compressed else 'raw',
        'warm_up_height': image_size[0],
        'warm_up_width': image_size[1],
        'tf_mode': 'none',
        'status_period_s': STATUS_PERIOD_S,
    }
    arguments = ['--ros-args']
    for name, topic in remappings.items():
        if topic:
            arguments += ['--remap', f'{name}:={topic}']
    for name, value in parameters.items():
        if value != '' or name == 'network.weights':  # none is not the default
            arguments += ['--param', f'{name}:={_yaml(value)}']
    for name, text in split_overrides(settings.overrides):
        arguments += ['--param', f'{name}:={text if _is_plain(text) else _yaml(text)}']
    return arguments


def _yaml(value: object) -> str:
    """A value as YAML reads it: a file may be called 1.0, a name may hold a colon."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _is_plain(text: str) -> bool:
    """Whether a text means a number or a truth value."""
    try:
        float(text)
    except ValueError:
        return text in ('true', 'false')
    return True

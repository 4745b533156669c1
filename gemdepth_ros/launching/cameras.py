"""Which nodes to start, decided from the arguments: one for each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.launching.arguments import TOPICS, node_parameters
from gemdepth_ros.launching.parameter_files import parameters_in_files
from gemdepth_ros.launching.rig import CAMERA_NAME, Rig, RigCamera

NODE_NAME = 'depth_node'
BASE_MODES = ('odom_to_base',)  # the base has one parent, so one node at most may publish it


@dataclass(frozen=True)
class CameraNode:
    """One depth node.

    Attributes:
        namespace: without slashes at its ends.
        parameter_files: in the order in which they count.
        parameters: what goes before the files.
        remappings: (the node's name of a topic, the topic).
    """

    namespace: str
    parameter_files: tuple[str, ...]
    parameters: dict[str, Any]
    remappings: tuple[tuple[str, str], ...]

    @property
    def full_name(self) -> str:
        """The node's name with its namespace."""
        return f'/{self.namespace}/{NODE_NAME}' if self.namespace else f'/{NODE_NAME}'

    @property
    def image_topic(self) -> str:
        """The topic that stands for the node's ``image``."""
        return dict(self.remappings)['image']

    def all_parameters(self) -> dict[str, Any]:
        """Return the node's parameters: those of its files, then its own.

        Raises:
            ConfigError: a file cannot be read or is no YAML.
        """
        return parameters_in_files(self.parameter_files, self.full_name) | self.parameters

    def subscribed_image(self) -> str:
        """Return the topic with its images in full; it has a suffix where they are compressed.

        Raises:
            ConfigError: a parameter file cannot be read or is no YAML.
        """
        topic = self.image_topic
        if not topic.startswith('/'):
            topic = f'{self.full_name.rpartition("/")[0]}/{topic}'
        compressed = self.all_parameters().get('image_transport') == 'compressed'
        return f'{topic}/compressed' if compressed else topic


def camera_nodes(texts: Mapping[str, str], rig: Rig | None, share: Path) -> list[CameraNode]:
    """Return the nodes to start.

    An argument that was given goes before the rig, the rig before the parameter files.

    Args:
        texts: values of the launch arguments by name; empty where not given.
        rig: what ``rig`` describes, or None.
        share: the package's share folder.

    Raises:
        ConfigError: an argument is impossible, or contradicts another one.
    """
    names = _names(texts.get('cameras', ''), rig)
    namespace = texts.get('namespace', '').strip('/')
    files = parameter_files(texts, share)
    given = node_parameters(texts)
    if len(names) > 1 and given.get('tf_mode') in BASE_MODES:
        raise ConfigError(
            f'tf_mode:={given["tf_mode"]} cannot hold for {len(names)} cameras: the base would '
            'get several parents; start one camera with it and the others with tf_mode:=camera'
        )
    nodes = []
    for name in names:
        camera = rig.cameras[name] if rig else None
        base = {'base_frame': rig.base_frame} if rig else {}
        parameters = base | (camera.parameters() if camera else {}) | given
        parts = [namespace, name if len(names) > 1 else '']
        remappings = _remappings(texts, name, camera)
        own = '/'.join(filter(None, parts))
        nodes.append(CameraNode(own, files, parameters, remappings))
    _refuse_shared_images(nodes)
    return nodes


def parameter_files(texts: Mapping[str, str], share: Path) -> tuple[str, ...]:
    """Return the parameter files, the profile last.

    Raises:
        ConfigError: a file is not there.
    """
    files = [Path(texts['params_file'].replace('{share}', str(share))).expanduser()]
    profile = texts.get('profile', '')
    if profile:
        known = sorted(path.stem for path in (share / 'config' / 'profiles').glob('*.yaml'))
        named = share / 'config' / 'profiles' / f'{profile}.yaml'
        files.append(named if profile in known else Path(profile).expanduser())
        if not files[-1].is_file():
            raise ConfigError(
                f'profile:={profile} is neither a file nor one of {", ".join(known)}'
            )
    if not files[0].is_file():
        raise ConfigError(f'params_file:={files[0]} is not there')
    return tuple(map(str, files))


def _names(text: str, rig: Rig | None) -> list[str]:
    names = [word.strip() for word in text.split(',') if word.strip()]
    if rig is not None:
        unknown = [name for name in names if name not in rig.cameras]
        if unknown:
            raise ConfigError(
                f'cameras:={unknown[0]} is not in the rig; its cameras: {", ".join(rig.cameras)}'
            )
        return names or list(rig.cameras)
    for name in names:
        if not CAMERA_NAME.fullmatch(name) or names.count(name) > 1:
            raise ConfigError(f'cameras: {name!r} is no name, or is there twice')
    return names or ['']


def _remappings(
    texts: Mapping[str, str], name: str, camera: RigCamera | None
) -> tuple[tuple[str, str], ...]:
    pairs = []
    for argument, own, fallback in TOPICS:
        topic = texts.get(argument.name, '').replace('{camera}', name)
        topic = topic or getattr(camera, argument.name, '') or fallback
        if topic:
            pairs.append((own, topic))
    return tuple(pairs)


def _refuse_shared_images(nodes: list[CameraNode]) -> None:
    topics = [node.image_topic for node in nodes]
    shared = [topic for topic in topics if topics.count(topic) > 1]
    if shared:
        raise ConfigError(
            f'several cameras would take their images from {shared[0]}: write {{camera}} in the '
            'topics, image:=/{camera}/image_rect camera_info:=/{camera}/camera_info'
        )

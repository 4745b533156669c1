"""The command that scores a replayed bag with the settings that its node had."""

from __future__ import annotations

from typing import Any

from gemdepth_ros.cli.main import COMMANDS
from gemdepth_ros.cli.network_arguments import NO_WEIGHTS
from gemdepth_ros.hub.catalogue import GEMDEPTH_TINY
from gemdepth_ros.launching.cameras import CameraNode

OPTIONS = {
    'network.weights': '--weights',
    'network.preset': '--preset',
    'network.device': '--device',
    'network.dtype': '--dtype',
    'streaming.mode': '--mode',
    'streaming.window': '--window',
    'streaming.input_size': '--input-size',
}
SECTIONS = ('streaming.', 'grounding.', 'mounting.', 'motion.', 'products.')


def report_words(bag: str, output: str, rate: float, nodes: list[CameraNode]) -> list[str]:
    """Return the arguments of ``gemdepth-ros``; none where there is no such command.

    The command plays the bag to a node of its own and scores what comes out of that one.

    Args:
        bag: what was replayed.
        output: folder of the recording; the report goes beside it.
        rate: at which the bag was played.
        nodes: that were started; only one can be scored.

    Raises:
        ConfigError: a parameter file cannot be read or is no YAML.
    """
    known = any(entry.name == 'evaluate' for entry in COMMANDS)
    if not known or len(nodes) != 1:
        return []
    (node,) = nodes
    folder = f'{output.rstrip("/")}_report'
    words = ['evaluate', bag, '--output', folder, '--force', '--through-ros']
    words += ['--play-rate', str(rate), '--topic', node.subscribed_image()]
    for name, value in pipeline_settings(node).items():
        if name in OPTIONS:
            if name == 'network.weights':
                value = value or NO_WEIGHTS
            words += [OPTIONS[name], str(value)] if value != '' else []
        elif name.startswith(SECTIONS):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += ['--set', f'{name}={text}']
    return words


def pipeline_settings(node: CameraNode) -> dict[str, Any]:
    """Return a node's parameters.

    Raises:
        ConfigError: a parameter file cannot be read or is no YAML.
    """
    # Said even where nobody sets it: with a preset alone, the command takes random weights.
    return {'network.weights': GEMDEPTH_TINY.name} | node.all_parameters()

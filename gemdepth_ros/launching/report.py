"""The command that scores a replayed bag with the settings that its node had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

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
    """
    known = any(entry.name == 'evaluate' for entry in COMMANDS)
    if not known or len(nodes) != 1:
        return []
    (node,) = nodes
    folder = f'{output.rstrip("/")}_report'
    words = ['evaluate', bag, '--output', folder, '--force', '--through-ros']
    words += ['--play-rate', str(rate), '--topic', node.image_topic]
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
    """Return a node's parameters: those of its files for any node, then its own."""
    # Said even where nobody sets it: with a preset alone, the command takes random weights.
    values: dict[str, Any] = {'network.weights': GEMDEPTH_TINY.name}
    for file in node.parameter_files:
        loaded = yaml.safe_load(Path(file).read_text()) or {}
        values |= loaded.get('/**', {}).get('ros__parameters', {})
    return values | node.parameters

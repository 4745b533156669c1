"""docs/parameters.md: every parameter of the node, from the configuration itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from gemdepth_ros.ranges import ABOVE_ZERO
from gemdepth_ros.ros.config_fields import ConfigField
from gemdepth_ros.ros.parameters import FIELDS

HEAD = """# Parameters of `depth_node`

Generated from the configuration by `python scripts/parameter_table.py`; a test keeps it true.
The same texts are shown by `ros2 param describe /depth_node NAME`.

"live" parameters take effect at once when they change. The others are read while configuring: a
change while the node is configured is refused with the reason; clean the node up first. A given
value out of range ends the process with one line, and a change to it is refused; values that
contradict each other fail configure with one line. Beside these, every topic has
`qos_overrides.<full topic>.<publisher or subscription>.<policy>`, and there is `use_sim_time`.
"""
GROUPS = {
    '': 'Topics, frames, time and supervision',
    'network': 'Network',
    'streaming': 'Stream',
    'grounding': 'Metres',
    'mounting': 'How the camera sits on the vehicle',
    'motion': 'Motion',
    'products': 'Depth, clouds and costmap',
}


def parameter_table() -> str:
    """Return the whole file as Markdown."""
    return '\n'.join([HEAD, *_sections(FIELDS)])


def _sections(fields: Iterable[ConfigField]) -> Iterator[str]:
    by_group: dict[str, list[ConfigField]] = {name: [] for name in GROUPS}
    for field in fields:
        group = field.name.partition('.')[0] if '.' in field.name else ''
        by_group[group].append(field)
    for name, title in GROUPS.items():
        yield f'## {title}\n'
        yield '| parameter | type | default | allowed | meaning |\n| --- | --- | --- | --- | --- |'
        yield from map(_row, by_group[name])
        yield ''


def _row(field: ConfigField) -> str:
    live = ' (live)' if field.live else ''
    cells = (
        f'`{field.name}`{live}',
        field.kind.__name__,
        f'`{_value(field.default)}`',
        _allowed(field),
        field.help.replace('|', '\\|'),
    )
    return f'| {" | ".join(cells)} |'


def _value(value: Any) -> str:
    """Return a value as YAML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return {'nan': '.nan', 'inf': '.inf', '-inf': '-.inf'}[str(value)]
    return '""' if value == '' else str(value)


def _allowed(field: ConfigField) -> str:
    if field.choices:
        return ', '.join(f'`{choice}`' for choice in field.choices)
    if field.minimum is None:
        return ''
    unknown = ', or unknown' if field.default != field.default else ''
    above_zero = field.minimum == ABOVE_ZERO
    if field.maximum is None:
        return f'{"> 0" if above_zero else f">= {field.minimum:g}"}{unknown}'
    if above_zero:
        return f'above 0, to {field.maximum:g}{unknown}'
    return f'{field.minimum:g} to {field.maximum:g}{unknown}'

"""Every ``ros2 launch`` command that the documents show has arguments that its file knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gemdepth_ros.launching.arguments import DRIVING, REPLAY, node_parameters

REPO = Path(__file__).parents[2]
SOURCES = (
    REPO / 'README.md',
    *sorted((REPO / 'docs').glob('*.md')),
    *sorted((REPO / 'launch').glob('*.py')),
    *sorted((REPO / 'config').rglob('*.yaml')),
)
COMMAND = re.compile(r'ros2 launch gemdepth_ros (\w+)\.launch\.py([^`\n]*)')


def commands() -> list[tuple[str, str, str]]:
    """(file, launch file without its ending, arguments) of each command."""
    found = []
    for source in SOURCES:
        text = re.sub(r'\\\n', ' ', source.read_text(encoding='utf-8'))
        found += [(source.name, *match) for match in COMMAND.findall(text)]
    return [entry for entry in found if ':=' in entry[2]]


@pytest.mark.parametrize(('source', 'name', 'words'), commands())
def test_the_arguments_are_known(source: str, name: str, words: str) -> None:
    assert (REPO / 'launch' / f'{name}.launch.py').is_file()
    given = dict(re.findall(r'(\w+):=(\S+)', words.split('#')[0]))
    known = {argument.name for argument in (*DRIVING, *(REPLAY if name == 'replay' else ()))}
    assert set(given) <= known
    node_parameters(given)  # raises where a value is none of the choices
    if name in ('jetson', 'desktop'):  # their profiles name a network, and no weights
        assert 'weights' in given


def test_most_of_them_are_found() -> None:
    assert len(commands()) > 20

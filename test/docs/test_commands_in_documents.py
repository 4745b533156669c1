"""Every ``gemdepth-ros`` command that the documents show is one that the program understands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemdepth_ros.cli.main import COMMANDS, build_parser

REPO = Path(__file__).parents[2]
PAGES = (REPO / 'README.md', REPO / 'CONTRIBUTING.md', *sorted((REPO / 'docs').glob('*.md')))
SHELLS = ('```', '```bash', '```sh', '```console')
INLINE = re.compile(r'`([^`\n]*gemdepth-ros [^`\n]*)`')
NUMBERS = {'N': '3', 'M': '3', 'HZ': '10', 'MS': '3', 'S': '3', 'R': '1'}


def shown(text: str) -> Iterator[tuple[str, bool]]:
    """Yield what may hold a command, and whether it is whole: not just named in a sentence."""
    fence = ''
    for line in text.replace('\\\n', ' ').splitlines():
        if line.startswith('```'):
            fence = '' if fence else line.strip()
        elif fence in SHELLS or (not fence and line.startswith('    ')):
            yield line, True
        elif not fence:
            yield from ((part, False) for part in INLINE.findall(line))


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command of a page, without ``gemdepth-ros``."""
    for line, whole in shown(page.read_text(encoding='utf-8')):
        _, program, rest = line.partition('gemdepth-ros ')
        if not program or '<' in rest or '...' in rest or '{' in rest:
            continue
        words = shlex.split(rest.split(' && ')[0].split('; ')[0], comments=True)
        known = {command.name for command in COMMANDS}
        if not words or words[0] not in known:
            continue  # a folder of that name, or "COMMAND --help"
        if whole or any(word.startswith('-') for word in words):
            yield [NUMBERS.get(word, word) for word in words]


def found() -> list[tuple[str, list[str]]]:
    return [(page.name, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(('page', 'words'), found(), ids=lambda value: str(value)[:60])
def test_the_command_is_understood(
    page: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        build_parser(words[0]).parse_args(words)
    except SystemExit as end:
        help_was_asked_for = end.code == 0
        assert help_was_asked_for, f'{page}: {" ".join(words)}: {capsys.readouterr().err}'


def test_most_of_them_are_found() -> None:
    names = [page for page, _ in found()]
    assert len(names) > 40
    assert {'README.md', 'infer.md', 'evaluation.md', 'synthetic.md', 'weights.md'} <= set(names)

"""What the actions that make a bag have in common: its place, its storage, a progress bar."""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STORAGES = ('mcap', 'sqlite3')


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare where a new bag goes and how it is stored."""
    add = parser.add_argument
    add('-o', '--output', metavar='OUT', type=Path, required=True, help='folder of the new bag')
    add('--storage', choices=STORAGES, default='mcap', help='(%(default)s)')
    add('--compress', action='store_true', help='by zstd')
    add('--force', action='store_true', help='replace a bag at OUT')


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on stderr; yields what advances it by one."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(stderr=True)
    # Into a file or a pipe, a bar would be noise.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(description), total=total)
        yield lambda: bar.advance(task)

"""The page itself: typed content into one HTML file without any address outside it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gemdepth_ros.errors import DependencyError, GemDepthError
from gemdepth_ros.evaluation.report.pictures import FramePictures, Legend
from gemdepth_ros.evaluation.report.theme import INSTALL

TEMPLATES = Path(__file__).parent / 'templates'
_PLOTLY_OPTIONS = {'responsive': True, 'displaylogo': False, 'displayModeBar': False}


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: in its first column.
        cells: texts of the other columns.
        baseline: printed in grey: no result of ours.
        link: relative address behind the name; empty: none.
    """

    name: str
    cells: tuple[str, ...]
    baseline: bool = False
    link: str = ''


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: above it; names the protocol.
        columns: headings with units, that of the names first.
        rows: its lines.
        note: below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ''


@dataclass(frozen=True)
class Highlight:
    """A number that a reader sees first.

    Attributes:
        label: what it is.
        value: with its unit.
        note: what it must be compared with.
    """

    label: str
    value: str
    note: str = ''


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure of the page.

    Attributes:
        key: its identity in the page.
        title: above it.
        figure: plotly's.
        caption: below it.
        wide: takes the whole width of the page.
    """

    key: str
    title: str
    figure: Any
    caption: str = ''
    wide: bool = False


@dataclass(frozen=True, eq=False)
class Page:
    """All that a page says.

    Attributes:
        title: its heading.
        subtitle: below it.
        warnings: what a reader must know before the numbers.
        facts: name and value of how the numbers came about.
        highlights: numbers that come first.
        tables: in their order.
        legends: of the pictures.
        frames: pictures of single frames.
        figures: in their order.
    """

    title: str
    subtitle: str = ''
    warnings: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    highlights: tuple[Highlight, ...] = ()
    tables: tuple[Table, ...] = ()
    legends: tuple[Legend, ...] = ()
    frames: tuple[FramePictures, ...] = ()
    figures: tuple[Figure, ...] = field(default=())


def render(page: Page) -> str:
    """Return the page as HTML.

    Raises:
        DependencyError: Jinja2 or plotly is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise DependencyError(f'a report needs {error.name}, which is missing: {INSTALL}') from (
            error
        )
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text: str = environment.get_template('page.html.j2').render(
        page=page,
        figures={figure.key: _figure_json(figure.figure) for figure in page.figures},
        options=_inside_script(json.dumps(_PLOTLY_OPTIONS)),
        style=(TEMPLATES / 'page.css').read_text(encoding='utf-8'),
        script=(TEMPLATES / 'page.js').read_text(encoding='utf-8'),
        plotly_script=get_plotlyjs() if page.figures else '',
    )
    return text


def write_page(page: Page, file: Path) -> None:
    """Write the page; a file there is replaced in one step.

    Raises:
        DependencyError: Jinja2 or plotly is not installed.
        GemDepthError: the file cannot be written.
    """
    text = render(page)
    partial = file.with_name(f'{file.name}.partial')
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding='utf-8')
        os.replace(partial, file)
    except OSError as error:
        raise GemDepthError(f'cannot write {file}: {error.strerror or error}') from error


def _figure_json(figure: Any) -> str:
    return _inside_script(figure.to_json())


def _inside_script(text: str) -> str:
    """JSON that cannot end the script element around it."""
    return text.replace('<', '\\u003c').replace('>', '\\u003e').replace('&', '\\u0026')

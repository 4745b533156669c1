"""`gemdepth-ros report`: one result, or several."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import report_results

pytest.importorskip('jinja2', reason='reports need Jinja2')
pytest.importorskip('plotly', reason='reports need plotly')

from gemdepth_ros.cli import main as command_line
from gemdepth_ros.evaluation.json_format import write_result


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    found = []
    for index, name in enumerate(('sliding', 'causal')):
        folder = tmp_path / name
        folder.mkdir()
        result = dataclasses.replace(report_results.full_result(index), samples='')
        write_result(result, folder / 'result.json')
        found.append(folder)
    return found


def test_one_result(folders: list[Path], tmp_path: Path) -> None:
    page = tmp_path / 'page.html'
    assert command_line.main(['report', str(folders[0]), '-o', str(page)]) == 0
    assert 'protocol “vda”' in page.read_text()


def test_several_results(folders: list[Path], tmp_path: Path) -> None:
    page = tmp_path / 'page.html'
    files = [str(folder / 'result.json') for folder in folders]
    assert command_line.main(['report', *files, '-o', str(page)]) == 0
    assert 'causal against sliding' in page.read_text()


def test_wrong_words_are_one_line(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(folder) for folder in folders]
    page = str(tmp_path / 'page.html')
    assert command_line.main(['report', *files, '-o', page, '--names', 'a']) == 1
    assert command_line.main(['report', str(tmp_path / 'none.json'), '-o', page]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert '--names' in errors[0]
    assert 'none.json' in errors[1]

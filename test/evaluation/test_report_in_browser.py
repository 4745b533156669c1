"""Reports in a real browser: drawn, without complaints, as wide as the window and no wider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import report_results
from headless_chromium import Chromium, find_chromium

pytest.importorskip('jinja2', reason='reports need Jinja2')
pytest.importorskip('plotly', reason='reports need plotly')

from gemdepth_ros.evaluation.report.comparison import write_comparison
from gemdepth_ros.evaluation.report.of_result import write_report

DRAWN = '[...document.querySelectorAll(".plot")].map(p => p.querySelectorAll("path").length)'
# Elements that stick out of the page to the right, unless they lie in something that scrolls.
OUTSIDE = """[...document.querySelectorAll('body *')].filter(
  e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    && !e.closest('.scroll') && !e.closest('svg')).map(e => e.outerHTML.slice(0, 120))"""


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = find_chromium()
    if program is None:
        pytest.skip('no chromium on this machine (apt install chromium)')
    with Chromium(program, tmp_path_factory.mktemp('profile')) as opened:
        yield opened


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('report')
    report_results.write_street_samples(folder / 'samples')
    write_report(report_results.full_result(), folder / 'report.html', folder)
    return folder / 'report.html'


@pytest.fixture(scope='module')
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp('comparison') / 'comparison.html'
    levels = (0.09, 0.1, 0.12)
    names = ('sliding', 'causal', 'causal, 8 frames')
    results = [report_results.full_result(seed, level) for seed, level in enumerate(levels)]
    write_comparison(list(zip(names, results, strict=True)), file)
    return file


def look(browser: Chromium, file: Path, width: int) -> None:
    """Open a page and check what every page must keep."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(file, width)
    browser.wait_for('document.documentElement.dataset.drawn')
    assert browser.complaints == []
    assert set(browser.requests) == {file.as_uri()}
    sizes = browser.evaluate(
        '[document.scrollingElement.scrollWidth, document.documentElement.clientWidth]'
    )
    assert sizes == [width, width]
    assert browser.evaluate(OUTSIDE) == []


@pytest.mark.parametrize('width', [1280, 400])
def test_a_report_is_drawn(browser: Chromium, report: Path, width: int) -> None:
    look(browser, report, width)
    drawn = browser.evaluate(DRAWN)
    assert len(drawn) == 9
    assert min(drawn) > 5
    loaded = browser.evaluate(
        '[...document.images].map(i => i.complete && i.naturalWidth > 100 && i.alt.length > 5)'
    )
    assert loaded == [True] * 8
    smallest = browser.evaluate(
        'Math.min(...[...document.querySelectorAll("p, td, th, dd, dt, figcaption")]'
        '.map(e => parseFloat(getComputedStyle(e).fontSize)))'
    )
    assert smallest >= 12  # readable


@pytest.mark.parametrize('width', [1280, 400])
def test_a_comparison_is_drawn(browser: Chromium, comparison: Path, width: int) -> None:
    look(browser, comparison, width)
    drawn = browser.evaluate(DRAWN)
    assert len(drawn) == 6
    assert min(drawn) > 5


def test_a_broken_page_is_noticed(browser: Chromium, report: Path, tmp_path: Path) -> None:
    html = report.read_text()
    broken = tmp_path / 'broken.html'
    broken.write_text(html.replace("'use strict';", "'use strict'; console.error('broken');"))
    with pytest.raises(AssertionError, match='broken'):
        look(browser, broken, 400)
    wide = tmp_path / 'wide.html'
    wide.write_text(html.replace('<main>', '<main><div style="width:500px">x</div>'))
    with pytest.raises(AssertionError):
        look(browser, wide, 400)

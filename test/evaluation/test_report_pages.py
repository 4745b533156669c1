"""What a report says, and that it needs nothing but itself."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import report_results

pytest.importorskip('jinja2', reason='reports need Jinja2')
pytest.importorskip('plotly', reason='reports need plotly')

from gemdepth_ros.errors import BagError, ConfigError, DependencyError
from gemdepth_ros.evaluation.report.comparison import comparison_page, write_comparison
from gemdepth_ros.evaluation.report.of_result import report_page, write_report
from gemdepth_ros.evaluation.report.page import render
from gemdepth_ros.evaluation.report.pictures import depth_colours, relative_error
from gemdepth_ros.evaluation.report.plots import plan_axes
from gemdepth_ros.evaluation.report.series import thin
from gemdepth_ros.evaluation.result import EvaluationResult, SourceFacts
from gemdepth_ros.evaluation.samples import SampleFrame, evenly, read_samples, write_sample


def without_plotly(html: str) -> str:
    """The page less the script of a library, which names addresses in its comments."""
    return re.sub(r'<script>/\*\*.*?</script>', '', html, count=1, flags=re.DOTALL)


def test_a_report_names_protocol_alignment_and_baselines() -> None:
    result = report_results.full_result()
    html = without_plotly(render(report_page(result, [])))
    for words in (
        'protocol “vda”', 'protocol “metric”', 'Alignment: none', 'no skill: row prior',
        'one scale and shift of disparity per sequence', 'no skill: constant', 'what moves',
    ):  # fmt: skip
        assert words in html
    assert f'{result.protocols[0].mean.abs_rel:.3f}' in html
    assert result.notes[0] in html
    assert 'untrained' not in html


def test_a_report_has_every_figure(tmp_path: Path) -> None:
    page = report_page(report_results.full_result(), [])
    assert [figure.key for figure in page.figures] == [
        'error-over-time', 'error-by-distance', 'consistency', 'depth-ratio', 'scale',
        'trajectory', 'calibration', 'frequency', 'latency',
    ]  # fmt: skip
    for figure in page.figures:
        assert all(axis.title.text for axis in figure.figure.select_xaxes()), figure.key
        assert all(axis.title.text for axis in figure.figure.select_yaxes()), figure.key


def test_nothing_comes_from_outside(tmp_path: Path) -> None:
    report_results.write_street_samples(tmp_path / 'samples', 1)
    write_report(report_results.full_result(), tmp_path / 'report.html', tmp_path)
    html = (tmp_path / 'report.html').read_text()
    assert html.count('plotly.js v') == 1  # the library once
    ours = without_plotly(html)
    assert len(ours) < len(html) / 3
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]*"', ours)
    assert 'http' not in ours


def test_an_empty_result_is_a_page_as_well() -> None:
    html = render(report_page(EvaluationResult(), []))
    assert 'untrained' in html
    assert 'plotly' not in html


def test_texts_cannot_break_the_page() -> None:
    evil = '</script><script>alert(1)</script>&'
    result = dataclasses.replace(
        report_results.full_result(),
        source=SourceFacts(path=f'bags/{evil}', description=evil),
        notes=(evil,),
    )
    protocol = dataclasses.replace(result.protocols[0], name=evil)
    html = render(report_page(dataclasses.replace(result, protocols=(protocol,)), []))
    assert '<script>alert' not in html


def test_unknown_numbers_are_dashes() -> None:
    result = report_results.full_result()
    unknown = dataclasses.replace(result.protocols[0].mean, abs_rel=math.nan)
    protocol = dataclasses.replace(result.protocols[0], mean=unknown)
    page = report_page(dataclasses.replace(result, protocols=(protocol,)), [])
    assert page.tables[0].rows[0].cells[0] == '–'
    assert 'nan' not in ''.join(cell for row in page.tables[0].rows for cell in row.cells)


def test_the_same_result_is_the_same_page() -> None:
    pages = [render(report_page(report_results.full_result(), [])) for _ in range(2)]
    assert pages[0] == pages[1]


def test_a_comparison_shows_runs_baselines_and_intervals() -> None:
    runs = [
        ('first', report_results.full_result(0, 0.05)),
        ('second', report_results.full_result(1, 0.15)),
    ]
    html = without_plotly(render(comparison_page(runs)))
    for words in ('second against first', '95 % interval', 'worse', 'no skill: row prior'):
        assert words in html


@pytest.mark.parametrize(
    ('runs', 'words'),
    [
        ([('a', EvaluationResult())], 'takes 2 to 6 results, got 1'),
        ([('a', EvaluationResult()), ('a', EvaluationResult())], 'different names'),
        ([('a', EvaluationResult()), ('b', EvaluationResult())], 'nothing to compare'),
    ],
)
def test_what_cannot_be_compared_is_refused(
    runs: list[tuple[str, EvaluationResult]], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        write_comparison(runs, tmp_path / 'page.html')


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'plotly', None)
    monkeypatch.setitem(sys.modules, 'plotly.offline', None)
    with pytest.raises(DependencyError, match=r"plotly.*pip install 'gemdepth_ros\[report\]'"):
        render(report_page(EvaluationResult(), []))


def test_samples_come_back(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    depth = random.uniform(1, 50, (40, 60)).astype(np.float32)
    depth[0, :2] = np.nan, np.inf
    image = random.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    write_sample(tmp_path, SampleFrame(7, 12345, image, depth, None))
    write_sample(tmp_path, SampleFrame(3, 12344, image, depth, depth))
    third, seventh = read_samples(tmp_path)
    assert (third.index, seventh.index, seventh.stamp_ns) == (3, 7, 12345)
    assert seventh.truth_m is None
    np.testing.assert_array_equal(seventh.depth_m, depth)
    np.testing.assert_array_equal(seventh.image_rgb, image)
    assert read_samples(tmp_path / 'nothing') == []
    (tmp_path / '000009.npz').write_bytes(b'PK')
    with pytest.raises(BagError, match=r'000009\.npz'):
        read_samples(tmp_path)


def test_thinned_samples_lose_no_sparse_truth(tmp_path: Path) -> None:
    truth = np.full((100, 1300), np.nan, np.float32)
    truth[50, 601] = 12.0
    image = np.zeros((100, 1300, 3), np.uint8)
    write_sample(tmp_path, SampleFrame(0, 0, image, np.ones((100, 1300), np.float32), truth))
    (found,) = read_samples(tmp_path)
    assert found.truth_m is not None
    assert found.truth_m.shape == found.depth_m.shape == found.image_rgb.shape[:2] == (33, 433)
    assert np.nansum(found.truth_m) == 12.0


def test_samples_are_spread_evenly() -> None:
    assert evenly(100, 4) == [12, 37, 62, 87]
    assert evenly(2, 6) == [0, 1]
    assert evenly(0, 6) == []


def test_pictures_show_what_is_known() -> None:
    depth = np.array([[1.0, 80.0, np.inf, np.nan]], np.float32).repeat(2, axis=0)
    colours = depth_colours(depth, 1.0, 80.0)
    np.testing.assert_array_equal(colours[:, 1], colours[:, 2])  # beyond all is far
    assert (colours[:, 3] == 58).all()  # grey
    assert colours[0, 0].sum() > colours[0, 1].sum()  # near is bright
    error = relative_error(depth, np.array([[2.0, 80.0, 40.0, 1.0]] * 2, np.float32))
    np.testing.assert_array_equal(error[0], [0.5, 0.0, np.inf, np.nan])


def test_long_recordings_are_averaged() -> None:
    values = np.arange(10_000.0)
    values[5] = np.nan
    found = thin(values, 1000)
    assert len(found) == 1000
    assert found[-1] == np.mean(values[-10:])
    assert found[0] == np.nanmean(values[:10])


def test_the_plan_is_drawn_along_the_ground() -> None:
    ros = np.array([[0.0, 0.0, 0.0], [10.0, 4.0, 0.1]])
    right, forward, names = plan_axes(ros)
    assert (right(ros)[1], forward(ros)[1]) == (-4.0, 10.0)
    camera = np.array([[0.0, 0.0, 0.0], [-4.0, 0.1, 10.0]])
    right, forward, names = plan_axes(camera)
    assert (right(camera)[1], forward(camera)[1]) == (-4.0, 10.0)
    assert names == ('x, to the right [m]', 'z, forward [m]')

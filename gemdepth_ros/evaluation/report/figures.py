"""The figures of a report that are not lines over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gemdepth_ros.evaluation.comparison import ComparedFigure
from gemdepth_ros.evaluation.report.series import thin
from gemdepth_ros.evaluation.report.theme import (
    COLOURS,
    GRID,
    TRUTH,
    baseline_style,
    line_style,
    new_figure,
)
from gemdepth_ros.interfaces import Float64Array

MAX_BINS = 60
METRIC_TITLES = {'abs_rel': 'AbsRel', 'rmse': 'RMSE [m]', 'delta1': 'δ1'}
MARKERS = ('circle', 'square', 'diamond', 'triangle-up', 'cross', 'x')


@dataclass(frozen=True, eq=False)
class DistanceError:
    """The error of one run by distance.

    Attributes:
        name: in the legend.
        edges_m: float64 [N + 1] ends of the bins [m].
        error: float64 [N], NaN where a bin is empty.
        baseline: drawn behind, in grey.
    """

    name: str
    edges_m: Float64Array
    error: Float64Array
    baseline: bool = False


@dataclass(frozen=True, eq=False)
class Path:
    """A trajectory seen from above.

    Attributes:
        name: in the legend.
        right_m: float64 [N], to the right [m].
        forward_m: float64 [N], forward [m].
        truth: drawn behind, thick and grey.
    """

    name: str
    right_m: Float64Array
    forward_m: Float64Array
    truth: bool = False


def error_by_distance(
    runs: list[DistanceError], y_title: str, pixels: Float64Array | None = None
) -> Any:
    """Return the error over distance, and what share of the pixels lies there.

    Args:
        runs: what is drawn.
        y_title: name and unit of the error.
        pixels: int or float [N] of pixels with truth in the bins of the first run.
    """
    figure = new_figure('true distance [m]', y_title)
    axis = 'y'
    if pixels is not None and len(runs) and pixels.sum() > 0:
        axis = 'y2'
        _add_shares(figure, runs[0].edges_m, pixels, y_title)
    drawn = 0
    for index, run in enumerate(sorted(runs, key=lambda r: not r.baseline)):
        style = baseline_style(index) if run.baseline else line_style(drawn)
        drawn += not run.baseline
        figure.add_scatter(
            x=(run.edges_m[1:] + run.edges_m[:-1]) / 2,
            y=run.error,
            mode='lines+markers',
            name=run.name,
            yaxis=axis,
            line=style,
            marker={'size': 5, 'color': style['color']},
            hovertemplate='%{y:.4g}',
        )
    figure.update_yaxes(rangemode='tozero')
    return figure


def _add_shares(figure: Any, edges: Float64Array, pixels: Float64Array, y_title: str) -> None:
    """Add bars behind the lines: what overlays must be the second axis."""
    figure.add_bar(
        x=(edges[1:] + edges[:-1]) / 2,
        y=100 * pixels / pixels.sum(),
        width=np.diff(edges),
        name='share of pixels',
        marker={'color': '#dfe5ec', 'line': {'width': 0}},
        hovertemplate='%{y:.1f} %',
    )
    left = {name: figure.layout.yaxis[name] for name in ('linecolor', 'ticks', 'tickcolor')}
    figure.update_layout(
        yaxis={'title': {'text': 'share of pixels [%]'}, 'side': 'right', 'showgrid': False},
        yaxis2={**left, 'title': {'text': y_title}, 'overlaying': 'y', 'side': 'left'},
    )
    figure.update_layout(
        yaxis2={'gridcolor': GRID, 'zeroline': False, 'automargin': True, 'tickmode': 'auto'}
    )


def from_above(paths: list[Path]) -> Any:
    """Return trajectories from above, one metre as long to the side as forward."""
    figure = new_figure('to the right [m]', 'forward [m]', height=420, hovermode='closest')
    drawn = 0
    for path in sorted(paths, key=lambda p: not p.truth):
        style = {'color': TRUTH, 'width': 6} if path.truth else line_style(drawn)
        drawn += not path.truth
        figure.add_scatter(
            x=thin(path.right_m),
            y=thin(path.forward_m),
            mode='lines',
            name=path.name,
            line=style,
            hovertemplate='%{x:.2f} m right, %{y:.2f} m forward',
        )
    starts = [(p.right_m[0], p.forward_m[0]) for p in paths if len(p.right_m)]
    if starts:
        figure.add_scatter(
            x=[starts[0][0]],
            y=[starts[0][1]],
            mode='markers',
            name='start',
            marker={'symbol': 'circle', 'size': 10, 'color': '#1f2328'},
            hoverinfo='skip',
        )
    figure.update_yaxes(scaleanchor='x', scaleratio=1)
    return figure


def calibration(name: str, stated: Float64Array, observed: Float64Array) -> Any:
    """Return the coverage of the stated uncertainty.

    Args:
        name: of the run.
        stated: float64 [N] share of truth that intervals should hold, 0..1.
        observed: float64 [N] share that they hold.
    """
    figure = new_figure('stated coverage [%]', 'observed coverage [%]', hovermode='closest')
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode='lines',
        name='as stated',
        line={'color': TRUTH, 'dash': 'dash'},
        hoverinfo='skip',
    )
    figure.add_scatter(
        x=100 * stated,
        y=100 * observed,
        mode='lines+markers',
        name=name,
        line=line_style(0),
        hovertemplate='stated %{x:.0f} %, observed %{y:.1f} %<extra></extra>',
    )
    figure.update_xaxes(range=[0, 101])
    figure.update_yaxes(range=[0, 101])
    return figure


def latency_histogram(runs: dict[str, Float64Array]) -> Any:
    """Return how long frames took: name to latencies [ms], with median and 99th percentile."""
    figure = new_figure('latency [ms]', 'frames', hovermode='closest')
    known = {name: v[np.isfinite(v)] for name, v in runs.items() if np.isfinite(v).any()}
    if not known:
        return figure
    everything = np.concatenate(list(known.values()))
    # The slowest first frame would leave the others one bar.
    top = float(min(everything.max(), 3 * np.percentile(everything, 99)))
    bins = int(np.clip(np.sqrt(len(everything)) * 2, 10, MAX_BINS))
    edges = np.linspace(min(float(everything.min()), top * 0.999), top, bins + 1)
    for index, (name, values) in enumerate(known.items()):
        counts, _ = np.histogram(np.minimum(values, top), edges)
        _add_counts(figure, name, edges, counts, index, filled=len(known) == 1)
        _mark_percentiles(figure, values, index, len(known))
    return figure


def _add_counts(
    figure: Any, name: str, edges: Float64Array, counts: Any, index: int, *, filled: bool
) -> None:
    """Add one run: bars when it is alone, else an outline that hides no other."""
    hover = '%{x:.1f} ms: %{y} frames<extra></extra>'
    if filled:
        figure.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts,
            width=np.diff(edges),
            name=name,
            marker={'color': COLOURS[index], 'line': {'width': 0}},
            hovertemplate=hover,
        )
    else:
        figure.add_scatter(
            x=np.concatenate([edges[:1], edges]),
            y=np.concatenate([[0], counts, [0]]),
            mode='lines',
            name=name,
            line={**line_style(index), 'shape': 'hv'},
            hovertemplate=hover,
        )


def _mark_percentiles(figure: Any, values: Float64Array, index: int, runs: int) -> None:
    for share, dash in ((50, 'solid'), (99, 'dot')):
        x = float(np.percentile(values, share))
        figure.add_vline(
            x=x,
            line={'color': '#1f2328' if runs == 1 else COLOURS[index], 'dash': dash, 'width': 1.5},
            annotation={
                'text': f'p{share}: {x:.1f}' if runs == 1 else '',
                'y': 1,
                'yanchor': 'bottom',
                'xanchor': 'center',
                'xshift': 0,
            },
        )


def difference_name(item: ComparedFigure) -> str:
    """Return what a compared figure is, for people."""
    first, _, rest = item.name.partition('.')
    if rest in METRIC_TITLES:
        return f'{METRIC_TITLES[rest]}, “{first}”'
    return f'{first.replace("_", " ")} ({rest}) [%]' if rest else first


def forest(runs: dict[str, tuple[ComparedFigure, ...]]) -> Any:
    """Return differences with their intervals, in per cent; left of 0 is better.

    Args:
        runs: name of a run to its differences from the first run.
    """
    rows = max(len(items) for items in runs.values())
    height = 140 + 26 * rows * len(runs)
    figure = new_figure('difference [%], < 0 is better', '', height=height)
    figure.update_layout(hovermode='closest')
    for index, (name, items) in enumerate(runs.items()):
        shown = [item for item in items if item.first != 0]
        signs = np.array([-1.0 if item.higher_is_better else 1.0 for item in shown])
        parts = 100 * signs / np.array([abs(item.first) for item in shown])
        mean = parts * np.array([item.difference.mean for item in shown])
        ends = parts * np.array([[i.difference.low, i.difference.high] for i in shown]).T
        colour = COLOURS[(index + 1) % len(COLOURS)]
        figure.add_scatter(
            x=mean,
            y=[difference_name(item) for item in shown],
            error_x={
                'type': 'data',
                'symmetric': False,
                'array': ends.max(axis=0) - mean,
                'arrayminus': mean - ends.min(axis=0),
                'color': colour,
            },
            mode='markers',
            name=name,
            marker={'color': colour, 'size': 9, 'symbol': MARKERS[index % len(MARKERS)]},
            hovertemplate='%{x:+.2f} %',
        )
    figure.add_vline(x=0, line={'color': '#1f2328', 'width': 1})
    figure.update_layout(scattermode='group')
    figure.update_yaxes(autorange='reversed')
    return figure

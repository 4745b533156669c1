"""Lines over time, short enough for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gemdepth_ros.evaluation.report.theme import MAX_POINTS, baseline_style, line_style, new_figure
from gemdepth_ros.interfaces import Float64Array


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a figure.

    Attributes:
        name: in the legend.
        x: float64 [N].
        y: float64 [N], NaN where there is none.
        baseline: drawn behind, in grey.
        std: float64 [N], one standard deviation, drawn as a band; None: none.
    """

    name: str
    x: Float64Array
    y: Float64Array
    baseline: bool = False
    std: Float64Array | None = None


def thin(values: Float64Array, limit: int = MAX_POINTS) -> Float64Array:
    """Return means of groups of neighbours, so that at most ``limit`` are left; NaN left out."""
    count = len(values)
    step = -(-count // limit)
    if step <= 1:
        return values
    padded = np.full(-(-count // step) * step, np.nan)
    padded[:count] = values
    groups = padded.reshape(-1, step)
    known = np.isfinite(groups)
    counts = known.sum(axis=1)
    sums = np.where(known, groups, 0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def over_time(
    series: list[Series],
    y_title: str,
    marks: dict[str, Float64Array] | None = None,
    **layout: Any,
) -> Any:
    """Return a figure of lines over the recording's time.

    Args:
        series: what is drawn; x in seconds since the recording's start.
        y_title: with its unit.
        marks: name to times [s] of events, drawn as ticks at the foot.
        layout: more of plotly's layout.
    """
    figure = new_figure('time [s]', y_title, **layout)
    for index, item in enumerate(sorted(series, key=lambda s: not s.baseline)):
        _add_line(figure, item, index)
    for name, times in (marks or {}).items():
        if len(times):
            _add_marks(figure, name, times[:MAX_POINTS])
    return figure


def _add_line(figure: Any, item: Series, index: int) -> None:
    first_run = sum(1 for trace in figure.data if trace.meta == 'run')
    style = baseline_style(index) if item.baseline else line_style(first_run)
    x, y = thin(item.x), thin(item.y)
    if item.std is not None:
        _add_band(figure, x, y, thin(item.std), style['color'], item.name)
    figure.add_scatter(
        x=x,
        y=y,
        mode='lines' if np.isfinite(y).sum() > 1 else 'markers',
        name=item.name,
        line=style,
        meta='baseline' if item.baseline else 'run',
        hovertemplate='%{y:.4g}',
    )


def _add_band(
    figure: Any, x: Float64Array, y: Float64Array, std: Float64Array, colour: str, name: str
) -> None:
    known = np.isfinite(y) & np.isfinite(std)
    if not known.any():
        return
    x, y, std = x[known], y[known], std[known]
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([y + std, (y - std)[::-1]]),
        fill='toself',
        fillcolor=f'rgba({red},{green},{blue},0.18)',
        line={'width': 0},
        mode='lines',
        name=f'{name} ± 1σ',
        hoverinfo='skip',
    )


def _add_marks(figure: Any, name: str, times: Float64Array) -> None:
    figure.add_scatter(
        x=times,
        y=np.zeros(len(times)),
        mode='markers',
        name=name,
        marker={'symbol': 'line-ns-open', 'size': 10, 'color': '#1f2328', 'line': {'width': 1.5}},
        hovertemplate=f'{name} at %{{x:.2f}} s<extra></extra>',
        hoverlabel={'namelength': 0},
    )

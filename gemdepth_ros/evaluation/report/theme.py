"""How the figures look: colours that all eyes can tell apart, quiet axes, units on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gemdepth_ros.errors import DependencyError

if TYPE_CHECKING:
    from types import ModuleType

# Okabe and Ito, Color universal design, 2008; the yellow left out, which is too pale for lines.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9')
DASHES = ('solid', 'dash', 'dot', 'dashdot', 'longdash', 'longdashdot')
TRUTH = '#8a8a8a'
BASELINES = ('#5f5f5f', '#9a9a9a')
INK = '#1f2328'
GRID = '#e4e7eb'
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'
HEIGHT_PX = 340
MAX_POINTS = 4000  # of one line: a page must open quickly

INSTALL = "pip install 'gemdepth_ros[report]', or: pip install jinja2 plotly"


def graph_objects() -> ModuleType:
    """Return plotly's figures.

    Raises:
        DependencyError: plotly is not installed.
    """
    try:
        import plotly.graph_objects
    except ModuleNotFoundError as error:
        raise DependencyError(f'a report needs plotly ({error.name} is missing): {INSTALL}') from (
            error
        )
    module: ModuleType = plotly.graph_objects
    return module


def new_figure(x_title: str, y_title: str, **layout: Any) -> Any:
    """Return an empty figure in the report's style.

    Args:
        x_title: of the horizontal axis, with its unit.
        y_title: of the vertical axis, with its unit.
        layout: more of plotly's layout.
    """
    figure = graph_objects().Figure()
    apply_style(figure)
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title)
    figure.update_layout(**layout)
    return figure


def apply_style(figure: Any) -> None:
    """Give a figure the report's fonts, margins, legend and grid."""
    figure.update_layout(
        template='none',
        height=HEIGHT_PX,
        autosize=True,
        margin={'l': 62, 'r': 16, 't': 34, 'b': 52},
        font={'family': FONT, 'size': 13, 'color': INK},
        colorway=list(COLOURS),
        hovermode='x unified',
        # Above the axes: a legend at the side would leave a phone no room.
        legend={'orientation': 'h', 'x': 0, 'y': 1.01, 'yanchor': 'bottom', 'xanchor': 'left'},
    )
    axis = {
        'gridcolor': GRID,
        'zeroline': False,
        'linecolor': '#b6bcc4',
        'ticks': 'outside',
        'tickcolor': '#b6bcc4',
        'title_standoff': 8,
        'automargin': True,
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)


def line_style(index: int) -> dict[str, Any]:
    """Return colour and dash of the ``index``-th run: told apart without colour, too."""
    return {
        'color': COLOURS[index % len(COLOURS)],
        'dash': DASHES[index % len(DASHES)],
        'width': 2,
    }


def baseline_style(index: int) -> dict[str, Any]:
    """Return the line of a baseline: grey, so that it stays behind."""
    return {'color': BASELINES[index % len(BASELINES)], 'dash': ('dot', 'dash')[index % 2]}

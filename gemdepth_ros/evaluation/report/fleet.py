"""The page over many recordings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gemdepth_ros.evaluation.fleet import FleetProtocol, FleetResult
from gemdepth_ros.evaluation.metrics import DepthErrors
from gemdepth_ros.evaluation.report.page import Figure, Page, Row, Table
from gemdepth_ros.evaluation.report.tables import DEPTH_COLUMNS, number
from gemdepth_ros.evaluation.report.theme import COLOURS, baseline_style, new_figure

ROW_PX = 24
MAX_BARS = 200


def fleet_page(fleet: FleetResult, reports: dict[str, str]) -> Page:
    """Return the page over many recordings.

    Args:
        fleet: what was found.
        reports: name of a recording to the address of its own report, beside this page.
    """
    failed = [source for source in fleet.sources if source.error]
    good = len(fleet.sources) - len(failed)
    frames = sum(source.processed for source in fleet.sources)
    tables = [_table(item, reports) for item in fleet.protocols]
    if fleet.scores:
        tables.append(_scores(fleet))
    tables.append(_sources(fleet, reports))
    return Page(
        title=f'{good} recordings',
        subtitle=f'{frames} frames; every recording weighs the same',
        warnings=tuple(
            f'{source.name} could not be evaluated: {source.error}' for source in failed
        ),
        tables=tuple(tables),
        figures=tuple(_figures(fleet)),
    )


def _table(protocol: FleetProtocol, reports: dict[str, str]) -> Table:
    rows = [Row(f'mean of {len(protocol.each)}', _cells(protocol.mean))]
    rows += [
        Row(name, _cells(errors), link=reports.get(name, ''))
        for name, errors in zip(protocol.names, protocol.each, strict=True)
    ]
    rows += [
        Row(f'no skill: {item.name.replace("_", " ")}', _cells(item.mean), baseline=True)
        for item in protocol.baselines
    ]
    columns = ('', *(heading for _, heading, _, _ in DEPTH_COLUMNS))
    note = f'Alignment: {protocol.alignment}.'
    return Table(f'Depth, protocol “{protocol.name}”', columns, tuple(rows), note)


def _scores(fleet: FleetResult) -> Table:
    rows = tuple(
        Row(
            item.name,
            (
                number(item.mean),
                number(min(item.each)),
                number(max(item.each)),
                str(len(item.each)),
            ),
        )
        for item in fleet.scores
    )
    columns = ('', 'mean', 'least', 'most', 'recordings')
    return Table('Time, motion and scale', columns, rows)


def _sources(fleet: FleetResult, reports: dict[str, str]) -> Table:
    rows = tuple(
        Row(
            source.name,
            (str(source.frames), str(source.processed), str(source.notes), source.path),
            link=reports.get(source.name, ''),
        )
        for source in fleet.sources
    )
    return Table('Recordings', ('', 'frames', 'processed', 'notes', 'path'), rows)


def _figures(fleet: FleetResult) -> Iterator[Figure]:
    for protocol in fleet.protocols:
        order = np.argsort([errors.abs_rel for errors in protocol.each])[:MAX_BARS]
        figure = new_figure('AbsRel [%]', '', height=140 + ROW_PX * len(order))
        figure.update_layout(hovermode='closest', showlegend=bool(protocol.baselines))
        figure.add_bar(
            x=[100 * protocol.each[k].abs_rel for k in order],
            y=[protocol.names[k] for k in order],
            orientation='h',
            name='AbsRel',
            marker={'color': COLOURS[0]},
            hovertemplate='%{y}: %{x:.2f} %<extra></extra>',
        )
        for index, item in enumerate(protocol.baselines):
            figure.add_scatter(
                x=[100 * item.mean.abs_rel] * 2,
                y=[protocol.names[order[0]], protocol.names[order[-1]]],
                mode='lines',
                name=f'no skill: {item.name.replace("_", " ")}',
                line=baseline_style(index),
            )
        figure.update_yaxes(autorange='reversed')
        title = f'Recordings, best first, “{protocol.name}”'
        yield Figure(f'recordings-{protocol.name}', title, figure, wide=True)


def _cells(errors: DepthErrors) -> tuple[str, ...]:
    return tuple(number(getattr(errors, key), digits) for key, _, digits, _ in DEPTH_COLUMNS)

"""The result as tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from gemdepth_ros.cli.demonstration.summary import DemoSummary, Percentiles


def print_tables(summary: DemoSummary, console: Console) -> None:
    """Print where the frames went, how long they took, and what was recorded."""
    console.print(_frames(summary))
    console.print(_topics(summary))


def _frames(summary: DemoSummary) -> Table:
    height, width = summary.network_size
    table = Table(
        title=(
            f'{summary.source}: {summary.network} network, {height}x{width}, '
            f'{summary.mode}, window {summary.window}'
        ),
        show_header=False,
        title_justify='left',
    )
    table.add_column()
    table.add_column(justify='right')
    frames = summary.frames
    for name in ('published', 'received', 'processed', 'dropped', 'rejected', 'failed', 'pending'):
        table.add_row(f'frames {name}', str(getattr(frames, name)))
    table.add_section()
    table.add_row(
        'latency in the node, to its last output, p50 / p99', _milliseconds(summary.node_ms)
    )
    table.add_row('latency image to recorded depth, p50 / p99', _milliseconds(summary.total_ms))
    return table


def _topics(summary: DemoSummary) -> Table:
    table = Table('recorded topic', title='output bag', title_justify='left')
    table.add_column('messages', justify='right')
    table.add_column('Hz', justify='right')
    for name, record in summary.topics.items():
        rate = f'{record.rate_hz:.1f}' if record.rate_hz else '-'
        table.add_row(name, str(record.count), rate)
    return table


def _milliseconds(values: Percentiles) -> str:
    if values.p50 is None or values.p99 is None:
        return '-'
    return f'{values.p50:.0f} / {values.p99:.0f} ms'

"""The log of a run: one JSON object per line, bounded, and its curves as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gemdepth_ros.training.files import json_values, write_text

LARGEST_LINES = 20_000
LOG_FILE = 'log.jsonl'
CURVES_FILE = 'curves.png'

Line = dict[str, Any]


class RunLog:
    """Appends lines; a log that grew too long loses every other line of its older half."""

    def __init__(self, folder: Path, last_step: int) -> None:
        """Open the log and drop what was written after ``last_step`` (a killed run's tail)."""
        self.path = folder / LOG_FILE
        self.lines = [line for line in read_log(folder) if line['step'] <= last_step]
        self._rewrite()

    def add(self, line: Line) -> None:
        """Append a line."""
        self.lines.append(line)
        if len(self.lines) > LARGEST_LINES:
            middle = LARGEST_LINES // 2
            self.lines = self.lines[:middle:2] + self.lines[middle:]
            self._rewrite()
            return
        with self.path.open('a') as file:
            file.write(_text(line))

    def _rewrite(self) -> None:
        write_text(self.path, ''.join(map(_text, self.lines)))


def _text(line: Line) -> str:
    return json.dumps(json_values(line), allow_nan=False) + '\n'


def read_log(folder: Path) -> list[Line]:
    """Return the lines of a run's log; a last line that a kill cut off is left out."""
    path = folder / LOG_FILE
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def draw_curves(folder: Path, lines: list[Line]) -> Path:
    """Draw losses and validation over the steps; return the picture's path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout='constrained')
    FigureCanvasAgg(figure)
    trained = [line for line in lines if 'total' in line]
    validated = [line for line in lines if 'abs_rel' in line]
    panels: tuple[tuple[str, list[Line]], ...] = (
        *((name, trained) for name in ('total', 'spatial', 'gradient', 'temporal', 'pose')),
        *((name, validated) for name in ('abs_rel', 'delta1', 'rotation_deg')),
    )
    for axes, (name, rows) in zip(figure.subplots(2, 4).flat, panels, strict=True):
        points = [(row['step'], row[name]) for row in rows if row.get(name) is not None]
        if points:
            axes.plot(*zip(*_thinned(points), strict=True), linewidth=1)
        axes.set_title(name)
        axes.set_xlabel('step')
        axes.grid(alpha=0.3)
    path = folder / CURVES_FILE
    figure.savefig(path, dpi=90)
    return path


def _thinned(points: list[tuple[int, float]], most: int = 300) -> list[tuple[float, float]]:
    """Means of neighbouring points, at most ``most``: a noisy curve that can be read."""
    size = -(-len(points) // most)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]

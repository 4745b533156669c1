"""Figures of one case, and all of them with what they were measured on, for table and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemdepth_ros.cli.benchmark.cases import Case
from gemdepth_ros.errors import ConfigError

SCHEMA = 1
MS = 1e3


@dataclass(frozen=True)
class Row:
    """Figures of one case; None where there is none.

    Attributes:
        case: what was run.
        calls: timed calls; an offline call is a window.
        frames: new frames in them.
        median_ms: median time per new frame [ms].
        p99_ms: 99th percentile of the same [ms]; of few calls about the largest.
        fps: new frames per second over all calls.
        joules: energy per new frame [J].
        peak_mb: the most memory at any moment, in a process of its own [MB].
        above_mb: the same less the loaded network (and, on a CPU, the libraries) [MB].
        formula_mb: the same by the formula (``inference.memory_need``) [MB].
        reserved_mb: GPU: what the allocator took from the device [MB].
        held_mb: what a stream keeps between frames [MB].
        problem: why figures are missing.
    """

    case: Case
    calls: int = 0
    frames: int = 0
    median_ms: float | None = None
    p99_ms: float | None = None
    fps: float | None = None
    joules: float | None = None
    peak_mb: float | None = None
    above_mb: float | None = None
    formula_mb: float | None = None
    reserved_mb: float | None = None
    held_mb: float | None = None
    problem: str = ''


def row_of(case: Case, times: Mapping[str, Any], memory: Mapping[str, Any] | str) -> Row:
    """Summarise what the processes measured.

    Args:
        case: what was run.
        times: a row of a ``time`` answer, or its ``error``.
        memory: a ``memory`` answer, empty when not asked for, or why it failed.
    """
    problems = [times.get('error', '')] + ([memory] if isinstance(memory, str) else [])
    values: dict[str, Any] = {'problem': '; '.join(filter(None, dict.fromkeys(problems)))}
    milliseconds = times.get('ms')
    if milliseconds:
        frames, joules = times['frames'], times['joules']
        seconds = sum(milliseconds) * frames / len(milliseconds) / MS
        values |= {
            'calls': len(milliseconds),
            'frames': frames,
            'median_ms': statistics.median(milliseconds),
            'p99_ms': percentile(milliseconds, 99),
            'fps': frames / seconds,
            'joules': None if joules is None else joules / frames,
            'held_mb': times['held_mb'] or None,
        }
    if not isinstance(memory, str) and memory:
        values |= {
            'peak_mb': memory['peak_mb'],
            'above_mb': memory['peak_mb'] - memory['loaded_mb'],
            'formula_mb': memory['formula_mb'],
            'reserved_mb': memory['reserved_mb'],
        }
    return Row(case, **values)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile, between neighbours by a straight line."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass
class Report:
    """Everything that was measured, and on what.

    Attributes:
        machine: device, driver, threads, power mode and so on, by name.
        packages: versions.
        weights: file or name; empty: seeded random numbers, which cost the same.
        energy: what the joules are, or why there are none.
        rows: figures.
        left_out: combinations that do not exist.
    """

    machine: dict[str, str]
    packages: dict[str, str]
    weights: str
    seconds: float
    energy: str = ''
    rows: list[Row] = field(default_factory=list)
    left_out: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write all of it as JSON.

        Raises:
            ConfigError: the file cannot be written.
        """
        values = {'schema': SCHEMA, **asdict(self)}
        try:
            path.write_text(json.dumps(values, indent=2) + '\n', encoding='utf-8')
        except OSError as error:
            raise ConfigError(
                f'cannot write --json {path} ({error.strerror}); the table above holds the figures'
            ) from None

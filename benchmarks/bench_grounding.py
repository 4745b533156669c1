"""What grounding recovers, how honest its standard deviation is, and what it costs.

    python benchmarks/bench_grounding.py [--only NAME ...] [--shared ../shared] [--json PATH]

Prints one table per question. Real data is skipped where it is absent.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'test' / 'grounding'))

import grounding_cases as cases  # noqa: E402

Row = dict[str, Any]


def show(title: str, rows: list[Row]) -> None:
    """Print rows of one kind as a table."""
    print(f'\n## {title}')
    if not rows:
        print('skipped: no data')
        return
    names = list(rows[0])
    cells = [[text(row.get(name, '')) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in [names, *cells]) for i in range(len(names))]
    for line in [names, ['-' * w for w in widths], *cells]:
        print('| ' + ' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + ' |')


def text(value: object) -> str:
    """Format one cell."""
    if isinstance(value, float):
        return 'unknown' if math.isnan(value) else f'{value:.4g}'
    return str(value)


def questions(shared: Path) -> dict[str, tuple[str, Callable[[], list[Row]]]]:
    """Return the tables by name."""
    return {
        'synthetic': ('Synthetic truth, 5 % gross outliers', cases.synthetic),
        'world': ('The synthetic world, shipped settings', cases.synthetic_world),
        'consistency': ('Normalised estimation error squared', cases.consistency),
        'alignment': (
            'LiDAR with a transform as wrong as stated, shipped filter',
            cases.alignment,
        ),
        'traffic_lidar': (
            'kitti_traffic: thinned LiDAR',
            lambda: cases.traffic_lidar(shared / 'data/kitti_traffic'),
        ),
        'traffic_parallax': (
            'kitti_traffic: parallax + odometry in dense slow traffic',
            lambda: cases.traffic_parallax(shared / 'data/kitti_traffic'),
        ),
        'speed_parallax': (
            'kitti_odometry: parallax + odometry at 12 m/s',
            lambda: cases.speed_parallax(shared / 'data/kitti_odometry'),
        ),
        'motion_pitch': (
            'kitti_odometry: pitch from the direction of motion',
            lambda: cases.motion_pitch(shared / 'data/kitti_odometry'),
        ),
        'wrong': ('Wrong inputs (synthetic)', cases.wrong_inputs),
        'wrong_lidar': (
            'Wrong LiDAR transform (kitti_traffic)',
            lambda: cases.wrong_lidar(shared / 'data/kitti_traffic'),
        ),
        'trap': ('The plane trap: height only', cases.plane_trap),
        'cost': ('Time per frame at 1242x375 [ms]', cases.cost),
    }


def main() -> None:
    """Answer the questions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', nargs='*', default=[])
    parser.add_argument('--shared', type=Path, default=HERE.parent.parent / 'shared')
    parser.add_argument('--json', type=Path)
    arguments = parser.parse_args()
    print(
        f'{platform.processor() or platform.machine()}, numpy {np.__version__}, '
        f'OpenCV {cv2.__version__}, {cv2.getNumThreads()} threads'
    )
    results = {}
    for name, (title, ask) in questions(arguments.shared).items():
        if arguments.only and name not in arguments.only:
            continue
        results[name] = ask()
        show(title, results[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    main()

"""Print how far Video Depth Anything is from the published one: case, tensor, largest error.

Run it from anywhere: ``python test/parity/vda_parity_table.py [--json PATH] [CASE ...]``.
"""
# ruff: noqa: T201 -- a command: its table is its output

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path

if importlib.util.find_spec('gemdepth_ros') is None:  # not installed: the checkout itself
    sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from parity_reference import ReferenceAbsentError
from vda_cases import CASES
from vda_reference import TOLERANCE, VdaRow

WIDTH = 42


def table(cases: list[str]) -> tuple[list[VdaRow], list[str]]:
    """Run cases and print each row as it comes; return the rows and the cases left out."""
    rows: list[VdaRow] = []
    absent: list[str] = []
    print(f'{"case":<42}{"tensor":<{WIDTH}}largest absolute error')
    for case in cases:
        started = time.monotonic()
        try:
            for row in CASES[case](case):
                rows.append(row)
                mark = '' if row.max_abs < TOLERANCE else '  <-- too far'
                print(f'{row.case:<42}{row.tensor:<{WIDTH}}{row.max_abs:.2e}{mark}')
        except ReferenceAbsentError as error:
            absent.append(case)
            print(f'{case:<42}skipped: {error}')
        print(f'{case:<42}{time.monotonic() - started:.1f} s')
    return rows, absent


def main() -> int:
    """Print the table; exit status 1 when a row is too far or nothing could be compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('cases', nargs='*', metavar='CASE', help=f'of: {", ".join(CASES)}')
    parser.add_argument('--json', type=Path, help='also write the rows to this file')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads (default 2)')
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.cases) - set(CASES))
    if unknown:
        parser.error(f'unknown case {unknown[0]}; known: {", ".join(CASES)}')
    torch.set_num_threads(arguments.threads)
    rows, absent = table(arguments.cases or list(CASES))
    failed = [row for row in rows if not row.max_abs < TOLERANCE]
    worst = max(rows, key=lambda row: row.max_abs, default=None)
    print(
        f'{len(rows)} rows, {len(failed)} at or above {TOLERANCE:g}, skipped: {absent or "none"}'
    )
    if worst is not None:
        print(f'worst: {worst.case} {worst.tensor} {worst.max_abs:.2e}')
    if arguments.json:
        content = {'tolerance': TOLERANCE, 'rows': [r._asdict() for r in rows], 'skipped': absent}
        arguments.json.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    return 1 if failed or not rows else 0


if __name__ == '__main__':
    sys.exit(main())

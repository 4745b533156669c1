"""The benchmark of the products runs and writes what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_table_and_json(tmp_path: Path) -> None:
    target = tmp_path / 'out.json'
    script = ROOT / 'benchmarks' / 'bench_products.py'
    options = ['--size', '60', '90', '--repeat', '2', '--json', str(target)]
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    done = subprocess.run(
        [sys.executable, str(script), *options],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(target.read_text())
    assert (document['height'], document['width']) == (60, 90)
    assert all(row['median_ms'] >= 0 for row in document['results'].values())
    assert all(name in done.stdout for name in document['results'])

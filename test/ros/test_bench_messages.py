"""The message benchmark runs and writes what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

ROOT = Path(__file__).parents[2]


def test_table_and_json(tmp_path):
    target = tmp_path / 'out.json'
    script = ROOT / 'benchmarks' / 'bench_messages.py'
    options = ['--size', '20', '30', '--repeat', '3', '--json', str(target)]
    done = subprocess.run(
        [sys.executable, str(script), *options],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'over 3.0 ms: none' in done.stdout
    results = json.loads(target.read_text())['results']
    assert results['fill PointCloud2']['median_ms'] > 0
    assert all(name.lstrip('.') in done.stdout for name in results)

"""The soak benchmark for half a minute: no leak of images, every frame accounted for.

Its limits of 2 % and 15 ms are for ten minutes on a machine that does nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = [pytest.mark.ros, pytest.mark.slow]

from ros_harness import domain_id  # noqa: E402

ROOT = Path(__file__).parents[2]
SECONDS, RATE = 30, 10


def test_half_a_minute(tmp_path):
    found = tmp_path / 'soak.json'
    environment = {
        **os.environ,
        'ROS_DOMAIN_ID': str(domain_id()),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]),
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds_shm.xml'),
    }
    options = ('--seconds', str(SECONDS), '--rate', str(RATE), '--json', str(found))
    script = str(ROOT / 'benchmarks' / 'soak_node.py')
    subprocess.run([sys.executable, script, *options], env=environment, timeout=300, check=False)
    figures = json.loads(found.read_text())
    assert figures['unaccounted'] == 0
    assert figures['received'] == figures['sent'] == SECONDS * RATE
    # Half a minute is the allocator's start: it was seen to take 4 %. A fifth of an image that
    # each frame leaves behind would be 9 %.
    assert figures['memory_growth'] < 0.06
    assert len(figures['heard']) == 4
    assert min(figures['heard'].values()) >= 0.9 * figures['processed']
    assert figures['overhead_p50_ms'] < 1e3 / RATE, 'the node keeps pace with the camera'

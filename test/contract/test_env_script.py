"""scripts/env.sh in a shell of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


@pytest.mark.parametrize('given', [*PROFILES, ''])
def test_env_script_sets_the_profile_under_both_names(given: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in PROFILES}
    if given:
        environment[given] = '/mine.xml'
    shown = ' '.join(f'"${name}"' for name in PROFILES)
    script = f'. {REPO / "scripts" / "env.sh"} 2>/dev/null; printf "%s\\n" {shown}'
    output = subprocess.run(
        ['bash', '-c', script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    expected = '/mine.xml' if given else str(REPO / 'config' / 'fastdds_shm.xml')
    assert output.split() == [expected] * 2

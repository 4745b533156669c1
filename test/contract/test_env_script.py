"""scripts/env.sh in a shell of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


@pytest.mark.parametrize('given', [*PROFILES, ''])
def test_env_script_sets_the_profile_under_both_names(tmp_path: Path, given: str) -> None:
    clone = tmp_path / 'a clone'
    (clone / 'scripts').mkdir(parents=True)
    shutil.copy2(REPO / 'scripts' / 'env.sh', clone / 'scripts')
    environment = {k: v for k, v in os.environ.items() if k not in PROFILES}
    if given:
        environment[given] = '/my profiles/mine.xml'
    shown = ' '.join(f'"${name}"' for name in PROFILES)
    script = f'. "$1/scripts/env.sh" 2>/dev/null; printf "%s\\n" {shown}'
    output = subprocess.run(
        ['bash', '-c', script, 'bash', clone],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    expected = '/my profiles/mine.xml' if given else str(clone / 'config' / 'fastdds_shm.xml')
    assert output.splitlines() == [expected] * 2

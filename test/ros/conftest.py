"""ROS tests: shared fixtures, and no time limits of hypothesis on a busy machine."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile('no_deadline', deadline=None)
settings.load_profile('no_deadline')


@pytest.fixture
def world(monkeypatch):
    """A ``World``: nodes on one executor over real DDS; see ros_harness.py."""
    from ros_harness import ros

    with ros(monkeypatch) as made:
        yield made

"""An empty cache and a small hub for each test."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, running_hub

from gemdepth_ros.hub import CATALOGUE, WeightsEntry


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A running hub; its file has 3 MB that do not compress."""
    with running_hub() as fake:
        yield fake


@pytest.fixture
def entry() -> WeightsEntry:
    return CATALOGUE['gemdepth-vitl']


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the hub's client speaks to nobody but our server and sends no login."""
    pytest.importorskip('huggingface_hub')
    from huggingface_hub import constants

    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_TELEMETRY', True)
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_IMPLICIT_TOKEN', True)
    monkeypatch.setenv('GEMDEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    # The client writes in pieces of 10 MB and waits a second before it tries again.
    monkeypatch.setattr(constants, 'DOWNLOAD_CHUNK_SIZE', 1 << 16)
    no_wait = types.SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr('huggingface_hub.file_download.time', no_wait)
    return tmp_path / 'cache'

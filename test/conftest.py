"""What tests of several folders share: the thread limit, the reference data, small networks."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from gemdepth_ros.model import GemDepth, GemDepthConfig

# Before torch is loaded; processes that tests start inherit it. Small networks gain nothing from
# more threads, and threads that spin while they wait make a busy machine ten times slower.
os.environ.setdefault('OMP_NUM_THREADS', '2')
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

# Since Iron ROS 2 warns on the stderr of every process when this has a value, also 0; tests want
# nothing there. The later name says the same.
if os.environ.get('ROS_DISTRO') != 'humble' and os.environ.pop('ROS_LOCALHOST_ONLY', '') == '1':
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'

# A busy machine is slow, and that is no failure of the code under test.
settings.register_profile('any machine', deadline=None)
settings.load_profile('any machine')

SHARED = Path(__file__).parents[2] / 'shared'


@pytest.fixture(autouse=True)
def package_logger() -> Iterator[None]:
    """Commands and nodes in a test's process may silence the package; its level comes back."""
    logger = logging.getLogger('gemdepth_ros')
    level, propagate, handlers = logger.level, logger.propagate, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.propagate, logger.handlers[:] = propagate, handlers


@pytest.fixture
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test with a library of the ROS distribution, or as if it were not there.

    Parametrized indirectly with pairs (module, whether it is there); see ``both_ways``.
    """
    from gemdepth_ros.ros.distribution import installed

    module, is_there = request.param
    installed.cache_clear()
    if not is_there:
        monkeypatch.setitem(sys.modules, module, None)
    elif installed(module) is None:
        pytest.skip(f'{module}, of the ROS distribution, is not installed or does not load')
    yield
    installed.cache_clear()


@pytest.fixture(scope='session')
def shared() -> Path:
    """Folder with reference and real data beside the repository; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip('no ../shared beside the repository')
    return SHARED


@pytest.fixture(scope='session')
def tiny_config() -> GemDepthConfig:
    """A network with all parts of the real one and under three million parameters."""
    from gemdepth_ros.model import GemDepthConfig
    from gemdepth_ros.model.config import EncoderConfig

    return GemDepthConfig(
        encoder=EncoderConfig(width=64, depth=4, heads=2, levels=(0, 1, 2, 3)),
        heads=4,
        camera_head_heads=4,
        camera_head_depth=1,
        features=64,
        out_channels=(16, 32, 64, 64),
    )


@pytest.fixture(scope='session')
def tiny_model(tiny_config: GemDepthConfig) -> GemDepth:
    """The tiny network on seeded weights; tests must not change it."""
    from gemdepth_ros.model import build_gemdepth

    return build_gemdepth(tiny_config)


@pytest.fixture(scope='session')
def small_model() -> GemDepth:
    """The preset ``small`` on seeded weights; tests must not change it."""
    from gemdepth_ros.model import build_gemdepth

    return build_gemdepth('small')

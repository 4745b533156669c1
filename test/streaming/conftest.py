"""Networks that the streaming tests share."""

from __future__ import annotations

import pytest
import torch

from gemdepth_ros.model import GemDepth, GemDepthConfig

torch.set_num_threads(2)


@pytest.fixture(scope='session')
def golden_small() -> GemDepth:
    """The preset ``small`` on the golden synthetic weights."""
    from stream_helpers import lively_model

    return lively_model(GemDepthConfig.preset('small'))

"""Evaluation of a network without poses, and of one whose output is metres."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from small_bags import write_drive

from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.model import VdaConfig, build_network
from gemdepth_ros.model.checkpoint import published_state
from gemdepth_ros.model.config import EncoderConfig
from gemdepth_ros.model.vda_config import VDA_PRESETS

TINY = (EncoderConfig(64, 4, 2, (0, 1, 2, 3)), 64, (16, 32, 64, 64))


@pytest.mark.parametrize('mode', ['offline', 'causal'])
@pytest.mark.parametrize('metric', [False, True])
def test_depth_is_scored_and_a_trajectory_is_not(
    mode: str, metric: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VDA_PRESETS, 'vda-small', VdaConfig(*TINY))
    monkeypatch.setitem(VDA_PRESETS, 'vda-metric-small', VdaConfig(*TINY, metric=True))
    weights = tmp_path / ('metric_vda.pth' if metric else 'vda.pth')
    torch.save(published_state(build_network('vda-small')), weights)
    overrides = (
        ('grounding.metric_network.enabled=true', 'grounding.metric_network.relative_std=0.05')
        if metric and mode == 'causal'
        else ()
    )
    settings = EvaluationSettings(
        mode=mode,
        window=8,
        input_size=28,
        weights=str(weights),
        device='cpu',
        overrides=overrides,
    )
    result = evaluate_source(write_drive(tmp_path / 'bag', 6), settings, tmp_path / 'out')
    shape = result.protocol('vda')
    assert shape is not None
    assert math.isfinite(shape.mean.abs_rel)
    assert result.trajectory is None
    assert (result.protocol('metric') is not None) is metric

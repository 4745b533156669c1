"""The head's convolutions read channels last, without a change of layout between them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from published import images
from torch import Tensor, nn

from gemdepth_ros.model import GemDepth, build_gemdepth
from gemdepth_ros.model.checkpoint import published_state


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=str)
@torch.inference_mode()
def test_maps_and_weights_are_channels_last(tiny_model: GemDepth, dtype: torch.dtype) -> None:
    model = build_gemdepth(tiny_model.config, published_state(tiny_model), dtype=dtype)
    seen: dict[str, bool] = {}

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            last = torch.channels_last
            assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
            weight = module.weight.is_contiguous(memory_format=last)
            seen[name] = weight and inputs[0].is_contiguous(memory_format=last)

        return hook

    for name, module in model.head.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_pre_hook(watch(name))
    model(images(1, 3))
    assert len(seen) > 20
    assert [name for name, last in seen.items() if not last] == []

"""Wide layers in parts: the same numbers, and training is not touched."""

from __future__ import annotations

import pytest
import torch
from published import images
from torch import Tensor

from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.layers import parts
from gemdepth_ros.model.layers.parts import in_parts


def double(x: Tensor) -> Tensor:
    return 2 * x + 1


@torch.inference_mode()
def test_the_result_takes_the_place_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, 'VALUES_AT_ONCE', 30)
    sizes: list[int] = []

    def layer(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return double(x)

    x = torch.arange(14.0).reshape(7, 2)
    expected = double(x)
    found = in_parts(layer, x, 10)
    assert found is x
    assert torch.equal(found, expected)
    assert sizes == [3, 3, 1]


def test_with_gradients_nothing_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, 'VALUES_AT_ONCE', 1)
    x = torch.ones(3, 2, requires_grad=True)
    in_parts(double, x, 10).sum().backward()
    assert torch.equal(x, torch.ones(3, 2))
    assert torch.equal(x.grad, torch.full((3, 2), 2.0))  # type: ignore[arg-type]


@pytest.mark.parametrize('frame_causal', [False, True])
@torch.inference_mode()
def test_a_clip_in_the_smallest_parts(
    tiny_model: GemDepth, monkeypatch: pytest.MonkeyPatch, frame_causal: bool
) -> None:
    """Token by token, location by location, frame by frame."""
    clip = images(2, 3)
    monkeypatch.setattr(parts, 'VALUES_AT_ONCE', 1 << 60)
    whole = tiny_model(clip, frame_causal=frame_causal)
    monkeypatch.setattr(parts, 'VALUES_AT_ONCE', 1)
    assert tiny_model.head.frames_at_once(4, 5) == 1
    found = tiny_model(clip, frame_causal=frame_causal)
    torch.testing.assert_close(found.disparity_BTHW, whole.disparity_BTHW, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.pose_encoding, whole.pose_encoding, rtol=1e-5, atol=1e-5)

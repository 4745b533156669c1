"""Half precisions are real: the network runs in them, and stays near float32."""

from __future__ import annotations

import re
import sys

import pytest
import torch
from published import images
from torch import Tensor

from gemdepth_ros.model import GemDepth, GemDepthConfig, build_gemdepth
from gemdepth_ros.model.checkpoint import published_state
from gemdepth_ros.model.layers.rope import rope_tables

# Relative L2 of (disparity, pose encoding) to float32. Of untrained weights, which answer a small
# change of anything with one of the same size, measured with the preset ``small``: bfloat16 0.0063
# and 0.0015, float16 0.0006 and 0.0002; about twice that is allowed. Trained weights are calmer:
# see ``test_trained_weights``.
TOLERANCES = {torch.bfloat16: (0.012, 0.0026), torch.float16: (0.0022, 0.0005)}
FULL = re.compile(
    r'camera_head\.|pose_features\.|head\.output_conv[23]\.|(encoder|astt)\.norm\.'
    r'|.*blocks?\.(\d+\.)?(norm[12]|ls[12])\.'
)
DTYPES = pytest.mark.parametrize('dtype', TOLERANCES, ids=str)


def distance(a: Tensor, b: Tensor) -> float:
    return float(torch.linalg.norm(a - b) / torch.linalg.norm(b))


@DTYPES
def test_half_precision_is_near_float32(small_model: GemDepth, dtype: torch.dtype) -> None:
    half = build_gemdepth('small', published_state(small_model), dtype=dtype)
    clip = images(1, 3, 70, 98)
    with torch.inference_mode():
        expected, found = small_model(clip), half(clip)
    disparity = distance(found.disparity_BTHW, expected.disparity_BTHW)
    pose = distance(found.pose_encoding, expected.pose_encoding)
    sys.stdout.write(f'\n{dtype}: disparity {disparity:.5f}, poses {pose:.5f} from float32\n')
    assert found.disparity_BTHW.dtype == torch.float32
    assert 0 < disparity < TOLERANCES[dtype][0]
    assert 0 < pose < TOLERANCES[dtype][1]


@DTYPES
def test_the_bulk_is_in_half_precision(tiny_config: GemDepthConfig, dtype: torch.dtype) -> None:
    model = build_gemdepth(tiny_config, dtype=dtype)
    assert model.dtype == dtype
    for name, parameter in model.named_parameters():
        assert parameter.dtype == (torch.float32 if FULL.match(name) else dtype), name


@DTYPES
def test_what_stays_float32_is_not_rounded(tiny_model: GemDepth, dtype: torch.dtype) -> None:
    half = build_gemdepth(tiny_model.config, published_state(tiny_model), dtype=dtype)
    assert torch.equal(half.head.output_conv2.weight, tiny_model.head.output_conv2.weight)
    assert torch.equal(
        half.camera_head.embed_pose.weight, tiny_model.camera_head.embed_pose.weight
    )


@DTYPES
def test_a_file_in_half_precision_gives_the_same_network(
    tiny_model: GemDepth, dtype: torch.dtype
) -> None:
    rounded = {name: tensor.to(dtype) for name, tensor in published_state(tiny_model).items()}
    half = build_gemdepth(tiny_model.config, rounded, dtype=dtype)
    with torch.inference_mode():
        found, expected = half(images(1, 2)), tiny_model(images(1, 2))
    assert distance(found.disparity_BTHW, expected.disparity_BTHW) < 0.02


@DTYPES
def test_causal_masks_work_in_half_precision(tiny_model: GemDepth, dtype: torch.dtype) -> None:
    half = build_gemdepth(tiny_model.config, published_state(tiny_model), dtype=dtype)
    with torch.inference_mode():
        found = half(images(1, 4), frame_causal=True).disparity_BTHW
        expected = tiny_model(images(1, 4), frame_causal=True).disparity_BTHW
    assert distance(found, expected) < 0.02


def test_rope_angles_are_float32() -> None:
    tables = rope_tables(3, 4, 32, special=0, device=torch.device('cpu'))
    assert (tables.cos_PH.dtype, tables.sin_PH.dtype) == (torch.float32, torch.float32)

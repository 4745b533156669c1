"""Normals as a product: of exactly the depth that is given out, in metres and without."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from product_scenes import CAMERA, Wall, scene

from gemdepth_ros.interfaces import GroundingState, OutputRequest, VideoFrame
from gemdepth_ros.pipeline import ProductsConfig, product_builder
from gemdepth_ros.pipeline.product_builder import ProductBuilder, Products

SCALE, SHIFT = 20.0, 1.0
METRIC = GroundingState(metric=True, scale=SCALE, shift=SHIFT)
RELATIVE = GroundingState()
NORMALS = OutputRequest(depth=False, points=False, normals=True)
BOTH = OutputRequest(depth=True, points=True, normals=True)
POST = Wall(10.0, -1.0, 1.0, 0.0, 3.0)
UP, AHEAD = [0, -1.0, 0], [0, 0, -1.0]


def built(
    request: OutputRequest,
    state: GroundingState = METRIC,
    shift: float = SHIFT,
    valid: np.ndarray | None = None,
    **changes: object,
) -> Products:
    disparity = torch.from_numpy(SCALE / scene(POST) + shift).float()
    image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    frame = VideoFrame(image, 0, camera=CAMERA, valid=valid)
    config = replace(ProductsConfig(), **changes)  # type: ignore[arg-type]
    return ProductBuilder(config, None).build(frame, disparity, CAMERA, state, request)


def test_normals_are_those_of_the_depth_beside_them() -> None:
    found = built(BOTH)
    assert found.normals is not None
    assert found.depth_m is not None
    assert (found.normals.shape, found.normals.dtype) == ((94, 310, 3), np.float32)
    known = np.isfinite(found.normals).all(axis=-1)
    assert not known[~np.isfinite(found.depth_m)].any(), 'a normal where there is no depth'
    assert known.mean() > 0.3
    np.testing.assert_allclose(np.linalg.norm(found.normals[known], axis=-1), 1.0, atol=1e-5)
    depth = scene(POST)
    wall = known & (depth == 10.0)
    road = known & np.isfinite(depth) & (depth != 10.0)
    # Where the post stands on the road there is a bend, blurred over the step: two rows of it.
    assert (np.linalg.norm(found.normals[wall] - AHEAD, axis=-1) < 0.02).mean() > 0.9
    assert (np.linalg.norm(found.normals[road] - UP, axis=-1) < 0.05).mean() > 0.95


def test_normals_have_their_colours() -> None:
    found = built(NORMALS)
    assert found.normals is not None
    assert found.normals_rgb is not None
    assert found.normals_rgb.dtype == np.uint8
    unknown = ~np.isfinite(found.normals).all(axis=-1)
    assert (found.normals_rgb[unknown] == 0).all()
    assert found.normals_rgb[90, 10].tolist() == [128, 255, 128]  # road


def test_nothing_else_is_made_for_normals(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail('computed without being asked for')

    found = built(NORMALS)
    assert all(x is None for x in (found.depth_m, found.disparity, found.cloud))
    assert found.preview_rgb is None
    monkeypatch.setattr(product_builder, 'normals', fail)
    without = built(OutputRequest(depth=True, points=True))
    assert without.normals is None
    assert without.normals_rgb is None


@pytest.mark.parametrize('filter_edges', [True, False])
def test_no_normal_is_taken_across_an_edge(filter_edges: bool) -> None:
    found = built(NORMALS, filter_edges=filter_edges)
    assert found.normals is not None
    near = np.zeros((94, 310), bool)
    depth = scene(POST)
    left = int(np.flatnonzero(depth[40] == 10.0)[0])
    near[30:42, left - 1 : left + 1] = True
    assert not np.isfinite(found.normals[near]).any()


def test_what_is_hidden_has_no_normal() -> None:
    valid = np.ones((94, 310), bool)
    valid[80:, :100] = False
    found = built(BOTH, valid=valid)
    assert found.normals is not None
    assert not np.isfinite(found.normals[80:, :100]).any()
    assert np.isfinite(found.normals[84:, 120:200]).all()


def test_relative_normals_belong_to_the_relative_depth() -> None:
    """They are right when the shift happens to be zero, and bent like the depth when not."""
    flat = built(BOTH, RELATIVE, shift=0.0)
    bent = built(BOTH, RELATIVE, shift=1.0)
    assert flat.relative_depth is not None
    assert flat.depth_m is None
    for found in (flat, bent):
        assert found.normals is not None
        known = np.isfinite(found.normals).all(axis=-1)
        assert np.all(known[85:, 50:250])
    assert flat.normals is not None
    assert bent.normals is not None
    road = (slice(85, 92), slice(100, 200))
    np.testing.assert_allclose(flat.normals[road], np.broadcast_to(UP, (7, 100, 3)), atol=0.02)
    tilt = math.degrees(math.acos(float(-bent.normals[road][..., 1].mean())))
    assert tilt > 2.0


def test_a_cloud_carries_them_on_request_only() -> None:
    plain = built(BOTH)
    assert plain.cloud is not None
    assert plain.cloud.normals is None
    points = OutputRequest(depth=False, points=True)
    found = built(points, cloud_normals=True, cloud_decimation=3)
    assert found.normals is None
    assert found.cloud is not None
    assert found.cloud.normals is not None
    assert found.cloud.normals.shape == found.cloud.xyz.shape
    whole = built(NORMALS).normals
    assert whole is not None
    np.testing.assert_array_equal(found.cloud.normals, whole[::3, ::3])

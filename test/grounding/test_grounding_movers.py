"""A world in which everything moves by itself: parallax must not believe it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import grounding_cases as cases
import numpy as np
import pytest

from gemdepth_ros.grounding import CoarseDisparity, GroundingInput, OdometrySample
from gemdepth_ros.interfaces import PinholeIntrinsics

CAMERA = PinholeIntrinsics(640, 192, 370.0, 370.0, 319.5, 88.0)
PATCH = 64


def all_movers(seed: int, frames: int = 8) -> Iterator[GroundingInput]:
    """Patches of texture, each with its own depth and its own motion in the image."""
    random = np.random.default_rng(seed)
    shape = (CAMERA.height // PATCH, CAMERA.width // PATCH)
    velocity = random.uniform(-6, 6, (*shape, 2))
    inverse = np.kron(random.uniform(0.02, 0.2, shape), np.ones((PATCH // 2, PATCH // 2)))
    noise = cv2.GaussianBlur(random.uniform(0, 255, (400, 900)), (0, 0), 1.5)
    texture = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.float32)
    rows, columns = np.mgrid[: CAMERA.height, : CAMERA.width].astype(np.float32)
    fields = np.kron(velocity, np.ones((PATCH, PATCH, 1))).astype(np.float32)
    for index in range(frames):
        at_x = columns - fields[..., 0] * index + 100
        at_y = rows - fields[..., 1] * index + 100
        gray = cv2.remap(texture, at_x, at_y, cv2.INTER_LINEAR).astype(np.uint8)
        pose = np.eye(4)
        pose[2, 3] = 0.8 * index
        stamp = 10**9 + index * 10**8
        yield GroundingInput(
            stamp,
            CoarseDisparity.decimated((5.0 * inverse + 0.1).astype(np.float32), 2),
            CAMERA,
            image_gray=gray,
            session_from_camera=pose,
            odometry=(OdometrySample(stamp, pose),),
        )


@pytest.mark.parametrize('seed', range(10))
def test_all_movers_are_refused(seed: int) -> None:
    states = cases.run(all_movers(seed), cases.config('parallax', 'odometry'))
    assert not any(state.metric for state in states)
    assert any(m.startswith('parallax:') for state in states for m in state.messages)

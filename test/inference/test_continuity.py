"""Why a stream starts anew."""

from __future__ import annotations

import numpy as np
import pytest

from gemdepth_ros.inference.continuity import reset_reason
from gemdepth_ros.interfaces import PinholeIntrinsics, ResetReason, VideoFrame

SECOND = 1_000_000_000


def camera(fx: float = 50.0, width: int = 60, height: int = 40) -> PinholeIntrinsics:
    return PinholeIntrinsics(width, height, fx, 50.0, 30.0, 20.0)


def frame(
    stamp_s: float = 10.0,
    *,
    height: int = 40,
    frame_id: str = 'camera',
    intrinsics: PinholeIntrinsics | None = None,
) -> VideoFrame:
    image = np.zeros((height, 60, 3), np.uint8)
    return VideoFrame(image, round(stamp_s * SECOND), frame_id, intrinsics)


FIRST = frame(intrinsics=camera())


@pytest.mark.parametrize(
    ('following', 'reason'),
    [
        (frame(10.1, intrinsics=camera()), None),
        (frame(11.0, intrinsics=camera()), None),  # exactly the limit
        (frame(11.001, intrinsics=camera()), ResetReason.GAP),
        (frame(10.0, intrinsics=camera()), ResetReason.BACKWARD_TIME),
        (frame(9.9, intrinsics=camera()), ResetReason.BACKWARD_TIME),
        (frame(10.1, height=41), ResetReason.SIZE_CHANGE),
        (frame(10.1, frame_id='other', intrinsics=camera()), ResetReason.CAMERA_CHANGE),
        (frame(10.1, intrinsics=camera(fx=51.0)), ResetReason.CAMERA_CHANGE),
        (frame(10.1, intrinsics=None), None),  # a late CameraInfo is no other camera
    ],
)
def test_reason(following: VideoFrame, reason: ResetReason | None) -> None:
    assert reset_reason(FIRST, following, max_gap_s=1.0) is reason


def test_the_first_frame_needs_no_reset() -> None:
    assert reset_reason(None, FIRST, max_gap_s=1.0) is None


def test_an_unknown_camera_becoming_known_is_no_change() -> None:
    following = frame(10.1, intrinsics=camera())
    assert reset_reason(frame(), following, max_gap_s=1.0) is None


def test_a_bag_that_loops_with_another_size_is_a_size_change() -> None:
    """One reason per reset: the one that would hold without the others."""
    assert reset_reason(FIRST, frame(1.0, height=41), 1.0) is ResetReason.SIZE_CHANGE


def test_nanoseconds_are_exact() -> None:
    """Stamps of today do not fit in a double to the nanosecond."""
    now = 1_750_000_000 * SECOND
    image = np.zeros((4, 4, 3), np.uint8)
    first = VideoFrame(image, now)
    assert reset_reason(first, VideoFrame(image, now + 1), 1.0) is None
    assert reset_reason(first, VideoFrame(image, now + SECOND + 1), 1.0) is ResetReason.GAP

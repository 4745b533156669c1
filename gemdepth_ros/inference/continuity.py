"""When a stream must forget its past: frames have identity, and gaps are part of the interface."""

from __future__ import annotations

from gemdepth_ros.interfaces import ResetReason, VideoFrame

NS_PER_S = 1_000_000_000


def reset_reason(
    previous: VideoFrame | None, frame: VideoFrame, max_gap_s: float
) -> ResetReason | None:
    """Return why ``frame`` cannot continue the stream after ``previous``, or None.

    A frame with the same stamp as the one before is a repeated message or a loop of a bag with
    one frame: time did not advance, so it counts as going backwards.
    """
    if previous is None:
        return None
    if frame.image_rgb.shape != previous.image_rgb.shape:
        return ResetReason.SIZE_CHANGE
    known = frame.camera is not None and previous.camera is not None
    if frame.frame_id != previous.frame_id or (known and frame.camera != previous.camera):
        return ResetReason.CAMERA_CHANGE
    if frame.stamp_ns <= previous.stamp_ns:
        return ResetReason.BACKWARD_TIME
    if frame.stamp_ns - previous.stamp_ns > max_gap_s * NS_PER_S:
        return ResetReason.GAP
    return None

"""When a stream must forget its past: frames have identity, and gaps are part of the interface."""

from __future__ import annotations

from gemdepth_ros.interfaces import ResetReason, VideoFrame

NS_PER_S = 1_000_000_000
# However many frames were dropped in between: the camera may have come far.
LONGEST_BRIDGE = 5.0  # times max_gap_s


def reset_reason(
    previous: VideoFrame | None, frame: VideoFrame, max_gap_s: float
) -> ResetReason | None:
    """Return why ``frame`` cannot continue the stream after ``previous``, or None.

    A frame with the same stamp as the one before is a repeated message or a loop of a bag with
    one frame: time did not advance, so it counts as going backwards.

    A gap is silence of the camera. Frames that were dropped because the network is slow do not
    make one: what counts is the time per frame that the camera took, up to ``LONGEST_BRIDGE``.
    """
    if previous is None:
        return None
    if frame.image_rgb.shape != previous.image_rgb.shape:
        return ResetReason.SIZE_CHANGE
    # A CameraInfo that comes late, or is missing once, is no other camera.
    known = frame.camera is not None and previous.camera is not None
    if frame.frame_id != previous.frame_id or (known and frame.camera != previous.camera):
        return ResetReason.CAMERA_CHANGE
    if frame.stamp_ns <= previous.stamp_ns:
        return ResetReason.BACKWARD_TIME
    interval_s = (frame.stamp_ns - previous.stamp_ns) / NS_PER_S
    silence_s = interval_s / (frame.dropped_before + 1)
    if silence_s > max_gap_s or interval_s > LONGEST_BRIDGE * max_gap_s:
        return ResetReason.GAP
    return None

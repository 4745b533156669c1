"""~/status from a snapshot."""

from __future__ import annotations

from typing import Any

from gemdepth_ros.interfaces import GroundingState
from gemdepth_ros.msg import Status
from gemdepth_ros.ros.conversions import header
from gemdepth_ros.ros.statistics import Snapshot


def status_message(now: Snapshot) -> Any:
    """Return the gemdepth_ros/Status of a snapshot."""
    message = Status(mode=now.mode, weights=now.weights, trained=now.trained)
    message.latency_ms = now.latency.newest_ms
    message.latency_p50_ms = now.latency.p50_ms
    message.latency_p99_ms = now.latency.p99_ms
    message.stamp_latency_ms = now.stamp_latency.newest_ms
    message.stamp_latency_p99_ms = now.stamp_latency.p99_ms
    counts = now.counts
    message.frames_received = counts.received
    message.frames_processed = counts.processed
    message.frames_dropped = counts.dropped
    message.frames_rejected = counts.rejected
    message.frames_failed = counts.failed
    message.frames_pending = counts.pending
    message.resets = sum(now.resets.values())
    message.last_reset_reason = now.last_reset
    message.reset_reasons = list(now.resets)
    message.reset_counts = list(now.resets.values())
    if now.newest is not None:
        message.header = header(now.newest.stamp_ns, now.newest.frame_id)
        message.input_height, message.input_width = now.newest.network_size
        message.window_frames = now.newest.window_frames
        message.camera_predicted = now.newest.camera_predicted
    _fill_grounding(message, now.newest.grounding if now.newest else GroundingState())
    return message


def _fill_grounding(message: Any, grounding: GroundingState) -> None:
    message.metric = grounding.metric
    message.grounding_sources = list(grounding.sources)
    message.scale, message.scale_std = grounding.scale, grounding.scale_std
    message.shift, message.shift_std = grounding.shift, grounding.shift_std
    message.translation_factor = grounding.translation_factor
    message.translation_factor_std = grounding.translation_factor_std
    message.depth_std_at_20m = grounding.depth_std_at_20m

"""This package's message definitions, for an installation that has no ``msg`` folder.

The files in ``msg/`` are the originals; a test holds these texts to the same type hashes.
"""

from __future__ import annotations

FALLBACK_DEFINITIONS: dict[str, str] = {
    'RelativePoses': """\
std_msgs/Header header
builtin_interfaces/Time[] stamps
geometry_msgs/Pose[] poses
float32 scale
float32 scale_std
bool metric
""",
    'Status': """\
std_msgs/Header header
string mode
string weights
bool trained
uint32 input_height
uint32 input_width
uint32 window_frames
bool camera_predicted
float32 latency_ms
float32 latency_p50_ms
float32 latency_p99_ms
float32 stamp_latency_ms
float32 stamp_latency_p99_ms
uint64 frames_received
uint64 frames_processed
uint64 frames_dropped
uint64 frames_rejected
uint64 frames_failed
uint32 frames_pending
uint32 resets
string last_reset_reason
string[] reset_reasons
uint32[] reset_counts
bool metric
string[] grounding_sources
float32 scale
float32 scale_std
float32 shift
float32 shift_std
float32 translation_factor
float32 translation_factor_std
float32 depth_std_at_20m
""",
}

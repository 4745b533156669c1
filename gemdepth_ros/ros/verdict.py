"""What is to be said about the node's work: a pure verdict over a snapshot. No ROS types."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from gemdepth_ros.ros.node_config import NodeConfig
from gemdepth_ros.ros.statistics import Snapshot

OK, WARN, ERROR = 0, 1, 2
PROBLEM_SHOWN_S = 5.0  # how long a rejected frame keeps the level at WARN
LARGEST_LOSS = 0.1  # share of images lost on the way that is still quiet
LARGEST_FOV_DIFFERENCE = 0.1
REPEATED_RESETS = 3  # of the last frames; the loop of a bag is one
SMALLEST_OUTPUT_SHARE = 0.5  # of the input rate
RATE_FRAMES = 10  # before, rates say little
MIB = 1024 * 1024
REASONS = {
    'backward_time': 'stamps do not advance: does the driver stamp its images, and is there one '
    'publisher only?',
    'gap': 'the stamps of successive images are further apart than streaming.max_gap_s',
    'size_change': 'the images change their size: is there one publisher only?',
    'camera_change': 'camera_info or the frame changes: is there one publisher only?',
    'non_finite_output': 'the network gives no usable numbers: try network.dtype float32',
    'interrupted': 'an error ended a step; the log has it in full',
    'device_memory': 'lower streaming.window or streaming.input_size',
}


@dataclass(frozen=True)
class Verdict:
    """Level, one line, and the numbers behind it."""

    level: int
    message: str
    values: dict[str, str] = field(default_factory=dict)


def verdict_on(now: Snapshot, before: Snapshot | None, limits: NodeConfig) -> Verdict:
    """Judge the node's work.

    Args:
        now: the newest snapshot.
        before: the previous one, for what happened between; None at the first.
        limits: thresholds.
    """
    findings = list(_findings(now, before, limits))
    level = max((level for level, _ in findings), default=OK)
    message = '; '.join(text for _, text in findings) or now.state
    return Verdict(level, message, _values(now))


def _findings(
    now: Snapshot, before: Snapshot | None, limits: NodeConfig
) -> Iterator[tuple[int, str]]:
    if now.fault:
        yield ERROR, now.fault
    if now.state != 'active':
        return
    yield from _input_findings(now, before, limits)
    if now.problem_age_s < PROBLEM_SHOWN_S:
        yield WARN, now.last_problem
    yield from _pace_findings(now, limits)
    yield from _reset_findings(now)
    yield from _depth_findings(now)
    yield from _sensor_findings(now)


def _pace_findings(now: Snapshot, limits: NodeConfig) -> Iterator[tuple[int, str]]:
    known = [p for p in (now.latency.p99_ms, now.stamp_latency.p99_ms) if not math.isnan(p)]
    latency_ms = max(known, default=0.0)
    if latency_ms > limits.latency_warn_ms:
        origin = 'arrival' if latency_ms == now.latency.p99_ms else 'the image stamp'
        yield (
            WARN,
            f'latency p99 from {origin} is {latency_ms:.0f} ms, '
            f'more than {limits.latency_warn_ms:.0f}',
        )
    counts = now.counts
    slow = now.output_hz < SMALLEST_OUTPUT_SHARE * now.input_hz
    # Images that were rejected or lost on the way are no fault of the network.
    passed_over = counts.dropped - counts.lost > counts.rejected + counts.failed
    if slow and passed_over and counts.received >= RATE_FRAMES:
        yield (
            WARN,
            f'{now.output_hz:.1f} outputs per second from {now.input_hz:.1f} images: lower '
            'streaming.input_size or streaming.window, set streaming.mode to causal, or give '
            'network.device a faster one',
        )


def _reset_findings(now: Snapshot) -> Iterator[tuple[int, str]]:
    reasons = Counter(filter(None, now.recent_resets))
    total = sum(reasons.values())
    if total < REPEATED_RESETS:
        return
    name = reasons.most_common(1)[0][0]
    yield (
        WARN,
        f'{total} of the last {len(now.recent_resets)} images started the stream anew ({name}); '
        f'{REASONS.get(name, "depth and motion cannot settle")}',
    )


def _input_findings(
    now: Snapshot, before: Snapshot | None, limits: NodeConfig
) -> Iterator[tuple[int, str]]:
    if now.image_age_s > limits.stale_after_s:
        word = 'image' if now.counts.received else 'image ever'
        yield WARN, f'no {word} on {now.image_topic} for {now.image_age_s:.1f} s'
    received = now.counts.received - (before.counts.received if before else 0)
    lost = now.counts.lost - (before.counts.lost if before else 0)
    if lost > LARGEST_LOSS * received:
        yield (
            WARN,
            f'{lost} of {received} images were lost between the camera and this node; set '
            'FASTRTPS_DEFAULT_PROFILES_FILE (Fast DDS 3: FASTDDS_DEFAULT_PROFILES_FILE) to '
            'config/fastdds_shm.xml in both processes',
        )
    if now.camera_note:
        yield WARN, f'{now.camera_note}; the predicted field of view is used'


def _depth_findings(now: Snapshot) -> Iterator[tuple[int, str]]:
    if now.backend_fault:
        yield ERROR, now.backend_fault
    if now.fallback:
        yield WARN, f'the memory did not suffice, so this was made smaller: {now.fallback}'
    if not now.trained:
        yield WARN, 'the weights are untrained: the output means nothing'
    if now.newest is None:
        return
    if not now.newest.grounding.metric:
        yield WARN, 'depth is relative, not metres: only ~/relative/ topics carry it'
    elif now.newest.camera_predicted:
        yield WARN, '~/points is withheld: a cloud in metres needs a calibrated camera_info'
    for message in now.newest.grounding.messages:
        yield WARN, message
    ratio = now.newest.fov_ratio
    if now.trained and abs(ratio - 1) > LARGEST_FOV_DIFFERENCE:
        yield (
            WARN,
            f'the field of view of camera_info is {ratio:.2f} times the predicted one: '
            'is it the right camera_info?',
        )


def _sensor_findings(now: Snapshot) -> Iterator[tuple[int, str]]:
    for note in now.sensor_notes:
        yield WARN, note
    if now.motion_fault:
        yield ERROR, now.motion_fault
    if now.motion_note:
        yield WARN, now.motion_note


def _values(now: Snapshot) -> dict[str, str]:
    counts, latency, from_stamp = now.counts, now.latency, now.stamp_latency
    values = {
        'state': now.state,
        'mode': now.mode,
        'weights': now.weights,
        'backend': now.backend,
        'image topic': now.image_topic,
        'input rate (Hz)': f'{now.input_hz:.2f}',
        'output rate (Hz)': f'{now.output_hz:.2f}',
        'latency p50 (ms)': f'{latency.p50_ms:.1f}',
        'latency p99 (ms)': f'{latency.p99_ms:.1f}',
        'latency from stamp p50 (ms)': f'{from_stamp.p50_ms:.1f}',
        'latency from stamp p99 (ms)': f'{from_stamp.p99_ms:.1f}',
        'frames received': str(counts.received),
        'frames processed': str(counts.processed),
        'frames dropped': str(counts.dropped),
        'share dropped (%)': f'{100 * counts.dropped / max(counts.received, 1):.1f}',
        'of these lost in transport': str(counts.lost) if now.losses_counted else 'not counted',
        'frames rejected': str(counts.rejected),
        'frames failed': str(counts.failed),
        'frames pending': str(counts.pending),
        'last problem': now.last_problem,
        'rectification': now.rectification,
        'last reset': now.last_reset,
    }
    values.update(_memory_values(now))
    values.update({f'resets: {name}': str(count) for name, count in now.resets.items()})
    if now.newest is not None:
        grounding = now.newest.grounding
        values['metric'] = str(grounding.metric).lower()
        values['camera'] = 'predicted' if now.newest.camera_predicted else 'camera_info'
        values['grounding'] = ' '.join(grounding.sources) or 'none'
        if not math.isnan(grounding.scale):
            values['scale'] = f'{grounding.scale:.6g}'
            values['shift'] = f'{grounding.shift:.6g}'
    return values


def _memory_values(now: Snapshot) -> dict[str, str]:
    """The device's memory, where the network has one of its own."""
    memory = now.device_memory
    if memory is None:
        return {}
    sizes = {
        'used': memory.used,
        'peak': memory.peak,
        'free on the device': memory.free,
        'total': memory.total,
    }
    return {f'device memory, {name} (MiB)': f'{n / MIB:.0f}' for name, n in sizes.items()}

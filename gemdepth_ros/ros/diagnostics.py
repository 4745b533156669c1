"""/diagnostics: a pure verdict over a snapshot, and the few lines that publish it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from gemdepth_ros.ros.node_config import NodeConfig
from gemdepth_ros.ros.statistics import Snapshot

OK, WARN, ERROR = 0, 1, 2
PERIOD_S = 1.0
PROBLEM_SHOWN_S = 5.0  # how long a rejected frame keeps the level at WARN
LARGEST_LOSS = 0.1  # share of images lost on the way that is still quiet
LARGEST_FOV_DIFFERENCE = 0.1


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
    if now.latency.p99_ms > limits.latency_warn_ms:
        yield (
            WARN,
            f'latency p99 is {now.latency.p99_ms:.0f} ms, more than {limits.latency_warn_ms:.0f}',
        )
    yield from _depth_findings(now)


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
            'FASTRTPS_DEFAULT_PROFILES_FILE to config/fastdds_shm.xml in both processes',
        )
    if now.camera_note:
        yield WARN, f'{now.camera_note}; the predicted field of view is used'


def _depth_findings(now: Snapshot) -> Iterator[tuple[int, str]]:
    if not now.trained:
        yield WARN, 'the weights are untrained: the output means nothing'
    if now.newest is None:
        return
    if not now.newest.grounding.metric:
        yield WARN, 'depth is relative, not metres: only ~/relative/ topics carry it'
    ratio = now.newest.fov_ratio
    if now.trained and abs(ratio - 1) > LARGEST_FOV_DIFFERENCE:
        yield (
            WARN,
            f'the field of view of camera_info is {ratio:.2f} times the predicted one: '
            'is it the right camera_info?',
        )


def _values(now: Snapshot) -> dict[str, str]:
    counts, latency = now.counts, now.latency
    values = {
        'state': now.state,
        'mode': now.mode,
        'weights': now.weights,
        'image topic': now.image_topic,
        'input rate (Hz)': f'{now.input_hz:.2f}',
        'output rate (Hz)': f'{now.output_hz:.2f}',
        'latency p50 (ms)': f'{latency.p50_ms:.1f}',
        'latency p99 (ms)': f'{latency.p99_ms:.1f}',
        'frames received': str(counts.received),
        'frames processed': str(counts.processed),
        'frames dropped': str(counts.dropped),
        'of these lost in transport': str(counts.lost) if now.losses_counted else 'not counted',
        'frames rejected': str(counts.rejected),
        'frames failed': str(counts.failed),
        'frames pending': str(counts.pending),
        'last problem': now.last_problem,
        'rectification': now.rectification,
        'last reset': now.last_reset,
    }
    values.update({f'resets: {name}': str(count) for name, count in now.resets.items()})
    if now.newest is not None:
        grounding = now.newest.grounding
        values['metric'] = str(grounding.metric).lower()
        values['grounding'] = ' '.join(grounding.sources) or 'none'
        if not math.isnan(grounding.scale):
            values['scale'] = f'{grounding.scale:.6g}'
            values['shift'] = f'{grounding.shift:.6g}'
    return values


def status_message(name: str, verdict: Verdict) -> Any:
    """Return the diagnostic_msgs/DiagnosticStatus of a verdict."""
    return DiagnosticStatus(
        name=name,
        level=bytes([verdict.level]),
        message=verdict.message,
        values=[KeyValue(key=key, value=value) for key, value in verdict.values.items()],
    )


class DiagnosticsPublisher:
    """Publish a verdict on /diagnostics once a second, in every lifecycle state."""

    def __init__(
        self, node: Node, snapshot: Callable[[], Snapshot], limits: Callable[[], NodeConfig]
    ) -> None:
        self._node = node
        self._snapshot = snapshot
        self._limits = limits
        self._before: Snapshot | None = None
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._timer = node.create_timer(
            PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def publish(self) -> None:
        """Judge the present and publish it."""
        now = self._snapshot()
        same_run = self._before is not None and self._before.counts.received <= now.counts.received
        verdict = verdict_on(now, self._before if same_run else None, self._limits())
        self._before = now
        message = DiagnosticArray()
        # The time of the verdict, not of an image: diagnostics speak of the present.
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [status_message(f'{self._node.get_name()}: stream', verdict)]
        self._publisher.publish(message)

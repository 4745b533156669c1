"""Did the demonstration keep its promises? A pure verdict over its summary."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gemdepth_ros.cli.demonstration.summary import DemoSummary
from gemdepth_ros.cli.demonstration.topics import EVERY_FRAME, GROUND_TRUTH, INPUTS, OUTPUTS

USED_TIME = 0.5
"""Least part of the time that the network must have had work, by the node's own latency."""


def problems(summary: DemoSummary) -> list[str]:
    """Return what is wrong, one line each; empty when all is well."""
    return [
        *_process_problems(summary),
        *_account_problems(summary),
        *_throughput_problems(summary),
        *_topic_problems(summary),
        *_stamp_problems(summary),
    ]


def _process_problems(summary: DemoSummary) -> Iterator[str]:
    for name, code in summary.exit_codes.items():
        if code != 0:
            yield f'the {name} ended with exit code {code}'


def _account_problems(summary: DemoSummary) -> Iterator[str]:
    frames = summary.frames
    if frames.published == 0:
        yield 'no frame was published'
    if frames.accounted != frames.published:
        yield (
            f'{frames.published} frames were published, but processed {frames.processed} + '
            f'dropped {frames.dropped} + rejected {frames.rejected} + failed {frames.failed} + '
            f'pending {frames.pending} = {frames.accounted}'
        )
    if frames.processed == 0:
        yield 'no frame was processed'


def _throughput_problems(summary: DemoSummary) -> Iterator[str]:
    """Find a slow machine, and a node that was held up by something else than its network."""
    frames = summary.frames
    needed = math.ceil(summary.required_share * frames.published)
    if 0 < frames.processed < needed:
        yield (
            f'{frames.processed} of {frames.published} frames were processed, but {needed} '
            f'({summary.required_share:.0%}) are required: play slower (--rate 0.5), or lower '
            '--min-share'
        )
    if summary.node_ms.p50 is None or summary.node_ms.p50 <= 0:
        return
    possible = min(frames.published, math.floor(1e3 * summary.seconds / summary.node_ms.p50))
    if frames.processed < USED_TIME * possible:
        yield (
            f'{frames.processed} frames were processed, but at {summary.node_ms.p50:.0f} ms each '
            f'{possible} fit into {summary.seconds:.1f} s: images were lost on their way, or '
            'something held the node up'
        )


def _topic_problems(summary: DemoSummary) -> Iterator[str]:
    for topic in (*INPUTS, *OUTPUTS):
        record = summary.topics.get(topic)
        if (record is None and topic != GROUND_TRUTH) or (record and record.count == 0):
            yield f'the output bag has no message of {topic}'
    for topic in EVERY_FRAME:
        record = summary.topics.get(topic)
        if record and record.count and record.count != summary.frames.processed:
            yield (
                f'{summary.frames.processed} frames were processed, but the output bag has '
                f'{record.count} messages of {topic}'
            )


def _stamp_problems(summary: DemoSummary) -> Iterator[str]:
    for topic, record in summary.topics.items():
        if record.foreign_stamps:
            yield (
                f'{topic} has {len(record.foreign_stamps)} stamps that no input image has, the '
                f'first is {record.foreign_stamps[0]} ns'
            )
        if topic in EVERY_FRAME and record.stamps != record.count:
            yield f'{topic} has {record.count} messages but {record.stamps} different stamps'

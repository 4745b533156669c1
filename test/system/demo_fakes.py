"""A summary of a demonstration in which all went well, and bags as one leaves them."""

from __future__ import annotations

import dataclasses

from gemdepth_ros.cli.demonstration import topics
from gemdepth_ros.cli.demonstration.summary import (
    DemoSummary,
    FrameAccount,
    Percentiles,
    TopicRecord,
)

SECOND = 1_000_000_000


def good_summary(published=10, processed=7, dropped=3, **changes):
    """A summary without a problem; keyword arguments replace fields."""
    records = {
        name: TopicRecord('a/msg/B', published, 10.0) for name in (*topics.INPUTS, '/diagnostics')
    }
    records.update(
        {name: TopicRecord('a/msg/B', processed, 7.0, stamps=processed) for name in topics.STAMPED}
    )
    summary = DemoSummary(
        source='clip',
        network='small',
        weights='seeded (untrained)',
        trained=False,
        mode='causal',
        window=16,
        network_size=(70, 238),
        image_size=(375, 1242),
        cpus=2,
        seconds=1.0,
        required_share=0.25,
        frames=FrameAccount(published, published, processed, dropped, 0, 0, 0),
        node_ms=Percentiles(10.0, 20.0),
        total_ms=Percentiles(11.0, 21.0),
        topics=records,
        exit_codes={'player': 0, 'recorder': 0, 'node': 0},
    )
    return dataclasses.replace(summary, **changes)


def with_frames(**counts):
    """A summary whose account has other numbers."""
    summary = good_summary()
    return dataclasses.replace(summary, frames=dataclasses.replace(summary.frames, **counts))


def with_topic(name, **changes):
    """A summary in which one topic is different; ``record=None`` takes it away."""
    summary = good_summary()
    records = dict(summary.topics)
    if changes == {'record': None}:
        del records[name]
    else:
        records[name] = dataclasses.replace(records[name], **changes)
    return dataclasses.replace(summary, topics=records)

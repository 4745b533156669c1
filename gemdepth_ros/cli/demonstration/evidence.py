"""Read the bags of a demonstration: what arrived, when, and with which stamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gemdepth_ros.bags.reader import BagMessage, BagReader
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.cli.demonstration import topics
from gemdepth_ros.cli.demonstration.summary import FrameAccount, Percentiles, TopicRecord
from gemdepth_ros.interfaces import Float64Array


@dataclass(eq=False)
class Evidence:
    """The output bag in short.

    Attributes:
        topics: by name.
        status: the last gemdepth_ros/Status; None without one.
        received_ns: topic to stamp to reception [ns], of images and depth.
        positions: topic to the positions [m or units] of its Odometry messages, in their order.
    """

    topics: dict[str, TopicRecord] = field(default_factory=dict)
    status: Any = None
    received_ns: dict[str, dict[int, int]] = field(default_factory=dict)
    positions: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)

    def account(self, published: int) -> FrameAccount:
        """Return where the published frames went, by the node's last words."""
        names = ('received', 'processed', 'dropped', 'rejected', 'failed', 'pending')
        status = self.status
        counts = {name: int(getattr(status, f'frames_{name}', 0)) for name in names}
        return FrameAccount(published=published, **counts)

    def node_latency(self) -> Percentiles:
        """Return what the node measured, over its last 200 frames."""
        if self.status is None or not np.isfinite(self.status.latency_p50_ms):
            return Percentiles()
        return Percentiles(
            round(float(self.status.latency_p50_ms), 1),
            round(float(self.status.latency_p99_ms), 1),
        )

    def total_latency(self) -> Percentiles:
        """Return the time between an image and its depth, as the recorder received them."""
        images = self.received_ns.get(topics.IMAGE, {})
        depths = self.received_ns.get(topics.DEPTH, {})
        return percentiles([(depths[s] - images[s]) / 1e6 for s in depths if s in images])

    def trajectory(self, topic: str) -> Float64Array:
        """Return the positions of an Odometry topic, float64 [N, 3]."""
        return np.array(self.positions.get(topic, []), float).reshape(-1, 3)


def percentiles(values_ms: list[float]) -> Percentiles:
    """Return median and 99th percentile, to a tenth of a millisecond."""
    if not values_ms:
        return Percentiles()
    p50, p99 = np.percentile(values_ms, (50, 99))
    return Percentiles(round(float(p50), 1), round(float(p99), 1))


def image_stamps(bag: Path) -> list[int]:
    """Return the stamps of the images of an input bag [ns]."""
    with BagReader(bag) as reader:
        return [header_stamp_ns(item.message) for item in reader.messages([topics.IMAGE])]


def read_evidence(bag: Path, input_stamps: Iterable[int]) -> Evidence:
    """Read an output bag.

    Args:
        bag: what the recorder wrote.
        input_stamps: stamps of the images that were played [ns].

    Raises:
        BagError: the bag cannot be read.
    """
    known = frozenset(input_stamps)
    evidence = Evidence()
    recorded: dict[str, list[int]] = {}
    stamps: dict[str, list[int]] = {}
    with BagReader(bag) as reader:
        for item in reader.messages():
            recorded.setdefault(item.topic, []).append(item.stamp_ns)
            if item.topic in topics.STAMPED:
                stamps.setdefault(item.topic, []).extend(_stamps_of(item.message))
            _note(evidence, item)
        for name, topic in reader.topics.items():
            found = set(stamps.get(name, ()))
            evidence.topics[name] = TopicRecord(
                message_type=topic.message_type,
                count=topic.message_count,
                rate_hz=round(_rate_hz(recorded.get(name, [])), 2),
                stamps=len(found),
                foreign_stamps=tuple(sorted(found - known)),
            )
    return evidence


def _note(evidence: Evidence, item: BagMessage) -> None:
    if item.topic in (topics.IMAGE, topics.DEPTH):
        received = evidence.received_ns.setdefault(item.topic, {})
        received[header_stamp_ns(item.message)] = item.stamp_ns
    elif item.topic in (topics.ODOMETRY, topics.GROUND_TRUTH):
        position = item.message.pose.pose.position
        evidence.positions.setdefault(item.topic, []).append((position.x, position.y, position.z))
    elif item.topic == topics.STATUS:
        evidence.status = item.message


def _stamps_of(message: Any) -> Iterator[int]:
    """Yield every stamp of a message that must be an image's [ns]."""
    if hasattr(message, 'transforms'):
        yield from (header_stamp_ns(transform) for transform in message.transforms)
        return
    for stamp in getattr(message, 'stamps', ()):
        yield int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
    stamp_ns = header_stamp_ns(message)
    if stamp_ns or not hasattr(message, 'frames_received'):  # a status before the first frame
        yield stamp_ns


def _rate_hz(recorded_ns: list[int]) -> float:
    """Return the mean rate of messages by the times of their reception [ns]."""
    if len(recorded_ns) < 2:
        return 0.0
    span_s = (max(recorded_ns) - min(recorded_ns)) / 1e9
    return (len(recorded_ns) - 1) / span_s if span_s > 0 else 0.0

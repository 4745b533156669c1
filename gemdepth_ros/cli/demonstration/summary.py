"""What a demonstration came to, as plain numbers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FrameAccount:
    """Where the frames went.

    Attributes:
        published: images that the player sent.
        received: images that the node knows of, those lost on the way to it included.
        processed: images whose depth the node published.
        dropped: passed over for a newer one, or lost on the way.
        rejected: could not be decoded.
        failed: the network's output was withheld.
        pending: still waiting or in work.
    """

    published: int
    received: int
    processed: int
    dropped: int
    rejected: int
    failed: int
    pending: int

    @property
    def accounted(self) -> int:
        """Frames whose fate is known; equal to ``published`` when nothing is missing."""
        return self.processed + self.dropped + self.rejected + self.failed + self.pending


@dataclass(frozen=True)
class TopicRecord:
    """What the recorder got of one topic.

    Attributes:
        message_type: for example ``sensor_msgs/msg/Image``.
        count: messages.
        rate_hz: mean rate of their reception; 0 for fewer than two.
        stamps: different stamps in their headers; 0 where stamps were not looked at.
        foreign_stamps: stamps that no input image has.
    """

    message_type: str
    count: int
    rate_hz: float = 0.0
    stamps: int = 0
    foreign_stamps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Percentiles:
    """Latency [ms]; None without frames.

    Attributes:
        p50: median.
        p99: 99th percentile.
    """

    p50: float | None = None
    p99: float | None = None


@dataclass(frozen=True)
class DemoSummary:
    """The result of a demonstration.

    Attributes:
        source: name of the clip.
        network: preset of the network.
        weights: what the weights are.
        trained: False: they are random numbers.
        mode: of the stream.
        window: frames per window or segment.
        network_size: (height, width) of the network's input [px].
        image_size: (height, width) of the images [px].
        cpus: processors of the machine.
        seconds: from the first image to the last [s].
        required_share: part of the frames that must be processed.
        frames: where the frames went.
        node_ms: from the node's image callback to the published depth.
        total_ms: from the image's to the depth's reception, both in the recorder.
        topics: what was recorded, by name.
        exit_codes: of the three processes, by name.
    """

    source: str
    network: str
    weights: str
    trained: bool
    mode: str
    window: int
    network_size: tuple[int, int]
    image_size: tuple[int, int]
    cpus: int
    seconds: float
    required_share: float
    frames: FrameAccount
    node_ms: Percentiles
    total_ms: Percentiles
    topics: dict[str, TopicRecord]
    exit_codes: dict[str, int]

    def as_json(self, problems: list[str]) -> dict[str, Any]:
        """Return the content of summary.json."""
        return {**dataclasses.asdict(self), 'problems': problems}

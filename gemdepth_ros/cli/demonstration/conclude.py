"""From what was played and recorded to the summary."""

from __future__ import annotations

import os

from gemdepth_ros.cli.demonstration import topics
from gemdepth_ros.cli.demonstration.evidence import Evidence
from gemdepth_ros.cli.demonstration.run import Clip, Played
from gemdepth_ros.cli.demonstration.settings import NodeSettings
from gemdepth_ros.cli.demonstration.summary import DemoSummary


def summarize(
    name: str,
    clip: Clip,
    settings: NodeSettings,
    played: Played,
    evidence: Evidence,
    required_share: float,
) -> DemoSummary:
    """Return the summary of a demonstration.

    Args:
        name: of the clip.
        clip: what was played.
        settings: of the node.
        played: what the processes came to.
        evidence: of the output bag.
        required_share: part of the frames that must be processed.
    """
    status = evidence.status
    return DemoSummary(
        source=name,
        network=settings.preset,
        weights=str(getattr(status, 'weights', '')),
        trained=bool(getattr(status, 'trained', False)),
        mode=settings.mode,
        window=settings.window,
        network_size=(
            int(getattr(status, 'input_height', 0)),
            int(getattr(status, 'input_width', 0)),
        ),
        image_size=clip.image_size,
        cpus=len(os.sched_getaffinity(0)),
        seconds=round(played.seconds, 2),
        required_share=required_share,
        frames=evidence.account(played.counts[topics.IMAGE]),
        node_ms=evidence.node_latency(),
        total_ms=evidence.total_latency(),
        topics=evidence.topics,
        exit_codes=played.exit_codes,
    )

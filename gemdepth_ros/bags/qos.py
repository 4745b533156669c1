"""Qualities of service that recorded topics offer when a bag is played."""

from __future__ import annotations

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

# What rmw calls RMW_DURATION_INFINITE, and what `ros2 bag record` writes.
_INFINITE = QosTime(9_223_372_036, 854_775_807)


def _profile(depth: int, durability: QosDurability) -> Qos:
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=_INFINITE,
        lifespan=_INFINITE,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_INFINITE,
        avoid_ros_namespace_conventions=False,
    )


RELIABLE = _profile(10, QosDurability.VOLATILE)
"""Sensor data of a recording: nothing may be lost between player and node."""

LATCHED = _profile(1, QosDurability.TRANSIENT_LOCAL)
"""/tf_static: a node that starts late still gets the last message."""

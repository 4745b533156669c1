"""Time stamps: integer nanoseconds here, seconds and nanoseconds in messages."""

from __future__ import annotations

import datetime
from typing import Any

from rosbags.typesys.stores.ros2_jazzy import builtin_interfaces__msg__Time as Time
from rosbags.typesys.stores.ros2_jazzy import std_msgs__msg__Header as Header

from gemdepth_ros.errors import BagError

_NS_PER_S = 1_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1)


def header_message(stamp_ns: int, frame_id: str) -> Header:
    """Return a std_msgs/Header for a stamp in nanoseconds."""
    return Header(stamp=Time(*divmod(stamp_ns, _NS_PER_S)), frame_id=frame_id)


def header_stamp_ns(message: Any) -> int:
    """Return the header stamp of a message that has one [ns]."""
    stamp = message.header.stamp
    return int(stamp.sec) * _NS_PER_S + int(stamp.nanosec)


def parse_time_ns(text: str) -> int:
    """Return nanoseconds since 1970 of an ISO date and time, read as UTC.

    KITTI writes nine decimals, which ``datetime`` cannot hold; they are kept exactly.

    Raises:
        BagError: ``text`` is no date and time.
    """
    whole, _, decimals = text.strip().partition('.')
    try:
        moment = datetime.datetime.fromisoformat(whole)
        nanoseconds = int(decimals[:9].ljust(9, '0')) if decimals else 0
    except ValueError as error:
        raise BagError(
            f'cannot read {text.strip()!r} as a time; write it as 2011-09-26T13:02:25.5'
        ) from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * _NS_PER_S + nanoseconds

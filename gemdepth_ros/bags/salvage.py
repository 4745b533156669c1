"""What is left of an mcap file that was cut off, as a whole bag again.

A recorder that lost its power leaves no index behind, and readers that start at the end refuse the
file. Its records are sound up to the cut, and are read from the front.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from gemdepth_ros.bags.qos import LATCHED, RELIABLE
from gemdepth_ros.bags.writer import BagWriter
from gemdepth_ros.errors import BagError, DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)
LATCHED_TOPICS = ('/tf_static', '/robot_description')


class _Cut(Exception):
    """Here the readable part of the file ends."""


def salvage_mcap(source: Path, target: Path) -> int:
    """Copy the readable beginning of a damaged mcap file into a new bag.

    Args:
        source: the file.
        target: folder of the new bag; a bag there is replaced.

    Returns:
        The number of messages.

    Raises:
        BagError: not even the beginning can be read.
        DependencyError: the mcap library is not installed.
    """
    channels: dict[int, str] = {}
    schemas: dict[int, Any] = {}
    count = 0
    store = get_typestore(Stores.EMPTY)
    with BagWriter(target, overwrite=True, store=store) as writer:
        topics: set[str] = set()
        for record in _until_cut(source):
            name = type(record).__name__
            if name == 'Schema':
                schemas[record.id] = record
                store.register(_types(source, record))
            elif name == 'Channel':
                channels[record.id] = record.topic
                if record.topic not in topics:
                    topics.add(record.topic)
                    quality = LATCHED if record.topic in LATCHED_TOPICS else RELIABLE
                    writer.add_topic(record.topic, schemas[record.schema_id].name, quality)
            elif name == 'Message':
                writer.write_serialized(channels[record.channel_id], record.data, record.log_time)
                count += 1
        if not count:
            raise BagError(f'{source} is cut off before its first message: nothing can be read')
    return count


def _until_cut(source: Path) -> Iterator[Any]:
    try:
        yield from _records(source)
    except _Cut as cut:
        logger.info('%s breaks here: %s', source, cut)


def _types(source: Path, schema: Any) -> Any:
    if schema.encoding != 'ros2msg':
        raise BagError(
            f'{source} is cut off, and describes {schema.name} as {schema.encoding!r}: only '
            'ros2msg can be read here (try: mcap recover)'
        )
    return get_types_from_msg(schema.data.decode('utf-8'), schema.name)


def _records(source: Path) -> Iterator[Any]:
    """Yield records until the file ends or breaks."""
    try:
        from mcap.stream_reader import StreamReader
    except ImportError as error:
        raise DependencyError(
            f'{source} is cut off; reading its beginning needs mcap: pip install mcap'
        ) from error
    with source.open('rb') as stream:
        records = iter(StreamReader(stream, validate_crcs=True).records)
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            # The cut, or what it left of a compressed chunk: the parsers can raise anything.
            except Exception as error:
                raise _Cut(f'{type(error).__name__}: {error}') from error
            yield record

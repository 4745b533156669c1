"""Writing a bag: one message at a time, so that memory does not grow with its length."""

from __future__ import annotations

import enum
import heapq
import itertools
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError

from gemdepth_ros.bags.qos import RELIABLE
from gemdepth_ros.bags.replacing import bring_back, set_aside
from gemdepth_ros.bags.typestore import message_store
from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from rosbags.interfaces import Connection, Qos
    from rosbags.typesys.store import Typestore
    from typing_extensions import Self

_METADATA_VERSION: Final = 8
"""Humble reads no later one ("bad conversion"); Jazzy and Lyrical read it as well as their own."""


class Storage(str, enum.Enum):
    """How a bag keeps its messages."""

    MCAP = 'mcap'
    SQLITE3 = 'sqlite3'


class TimedMessage(NamedTuple):
    """A message on its way into a bag."""

    topic: str
    stamp_ns: int
    message: Any


class BagWriter:
    """Context manager that writes one bag.

    A bag that was not finished (an exception, Ctrl-C) is removed: half a bag helps nobody. Who
    wants to keep what was written so far leaves the block normally.

    Args:
        path: folder of the bag; it must not exist unless ``overwrite``.
        storage: mcap or sqlite3.
        compress: zstd, of chunks (mcap) or of messages (sqlite3).
        overwrite: replace a bag of that name, once the new one is finished; until then it lies
            beside it. Anything that is not a bag is never removed.
        store: message types; default Jazzy's and ours.

    Raises:
        BagError: the bag cannot be made.
    """

    def __init__(
        self,
        path: str | Path,
        storage: Storage = Storage.MCAP,
        *,
        compress: bool = False,
        overwrite: bool = False,
        store: Typestore | None = None,
    ) -> None:
        self.path = Path(path)
        self._storage = storage
        self._compress = compress
        self._overwrite = overwrite
        self._store = store or message_store()
        self._writer: Writer | None = None
        self._replaced: Path | None = None
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> Self:
        bring_back(self.path)
        if self.path.exists():
            if not self._overwrite:
                raise BagError(f'{self.path} exists already; choose another name or use --force')
            self._replaced = set_aside(self.path)
        try:
            writer = Writer(
                self.path,
                version=_METADATA_VERSION,
                storage_plugin=StoragePlugin[self._storage.name],
            )
            if self._compress:
                writer.set_compression(self._compression_mode(), CompressionFormat.ZSTD)
            writer.open()
        except (OSError, WriterError) as error:
            self._abandon()
            raise BagError(f'cannot make bag {self.path}: {error}') from error
        self._writer = writer
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        writer, self._writer = self._opened(), None
        try:
            writer.__exit__(exc_type, exc_value, traceback)
        except (OSError, sqlite3.Error) as error:
            self._abandon()
            raise BagError(f'cannot finish bag {self.path}: {error}') from error
        if exc_type is not None:
            self._abandon()
        elif self._replaced is not None:
            shutil.rmtree(self._replaced)

    def add_topic(self, topic: str, message_type: str, qos: Qos = RELIABLE) -> None:
        """Announce a topic, before its first message.

        Args:
            topic: its full name.
            message_type: for example ``sensor_msgs/msg/Image``.
            qos: what a player shall offer.

        Raises:
            BagError: the topic is there already or its type is unknown.
        """
        if topic in self._connections:
            raise BagError(f'topic {topic} was added to bag {self.path} twice')
        if message_type not in self._store.fielddefs:
            raise BagError(f'topic {topic} has the unknown message type {message_type}')
        self._connections[topic] = self._opened().add_connection(
            topic, message_type, typestore=self._store, offered_qos_profiles=[qos]
        )

    def write(self, topic: str, message: object, stamp_ns: int) -> None:
        """Write one message of an announced topic, recorded at ``stamp_ns``."""
        message_type = self._connection(topic).msgtype
        given_type = getattr(message, '__msgtype__', type(message).__name__)
        if given_type != message_type:
            raise BagError(f'topic {topic} holds {message_type}, not {given_type}')
        self.write_serialized(topic, self._store.serialize_cdr(message, message_type), stamp_ns)

    def write_serialized(self, topic: str, data: bytes | memoryview, stamp_ns: int) -> None:
        """Write one message that is CDR already."""
        try:
            self._opened().write(self._connection(topic), stamp_ns, data)
        except (OSError, sqlite3.Error) as error:
            raise BagError(f'cannot write to bag {self.path}: {error}') from error

    def _abandon(self) -> None:
        """Remove what was written, and bring back the bag that it was to replace."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._replaced is not None:
            self._replaced.rename(self.path)

    def _compression_mode(self) -> CompressionMode:
        if self._storage is Storage.MCAP:
            return CompressionMode.STORAGE
        return CompressionMode.MESSAGE

    def _opened(self) -> Writer:
        if self._writer is None:
            raise BagError(f'bag {self.path} is not open; use it as `with BagWriter(...)`')
        return self._writer

    def _connection(self, topic: str) -> Connection:
        try:
            return self._connections[topic]
        except KeyError:
            raise BagError(f'topic {topic} was not announced by add_topic') from None


def in_time_order(groups: Iterable[Iterable[TimedMessage]]) -> Iterator[TimedMessage]:
    """Merge messages of several topics by stamp, holding only neighbouring groups in memory.

    Args:
        groups: messages that belong together (one camera frame and what was measured around
            it), in any order inside a group; the earliest stamps of the groups must ascend.

    Yields:
        Messages by ascending stamp; equal stamps keep their order.
    """
    pending: list[tuple[int, int, TimedMessage]] = []
    order = itertools.count()
    for group in groups:
        messages = list(group)
        if not messages:
            continue
        earliest = min(message.stamp_ns for message in messages)
        # No later group can hold anything before this one's first message.
        while pending and pending[0][0] < earliest:
            yield heapq.heappop(pending)[2]
        for message in messages:
            heapq.heappush(pending, (message.stamp_ns, next(order), message))
    while pending:
        yield heapq.heappop(pending)[2]

"""Reading a bag: ROS 2 (mcap, sqlite3) and ROS 1, one message at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosbags.highlevel import AnyReader
from rosbags.interfaces import ConnectionExtRosbag1, QosDurability

from gemdepth_ros.bags.typestore import message_store
from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType

    from rosbags.interfaces import Connection
    from rosbags.typesys.store import Typestore
    from typing_extensions import Self

_STORAGE_SUFFIXES = {'.mcap': 'mcap', '.db3': 'sqlite3', '.bag': 'ros1'}


@dataclass(frozen=True)
class TopicSummary:
    """What a bag holds of one topic.

    Attributes:
        name: full name of the topic.
        message_type: for example ``sensor_msgs/msg/Image``.
        message_count: messages in the bag.
        latched: whether a late subscriber gets the last message (transient local, ROS 1 latch).
    """

    name: str
    message_type: str
    message_count: int
    latched: bool


@dataclass(frozen=True)
class BagSummary:
    """What a bag holds.

    Attributes:
        path: folder or file of the bag.
        storage: ``mcap``, ``sqlite3`` or ``ros1``.
        size_bytes: of its storage files.
        start_ns: recording time of the first message [ns]; 0 for an empty bag.
        duration_ns: from the first message to the last [ns].
        message_count: messages of all topics.
        topics: by name.
    """

    path: Path
    storage: str
    size_bytes: int
    start_ns: int
    duration_ns: int
    message_count: int
    topics: dict[str, TopicSummary]


@dataclass(frozen=True, eq=False)
class BagMessage:
    """One message of a bag.

    Attributes:
        topic: its topic.
        message_type: its type.
        stamp_ns: when it was recorded [ns]; the capture time is in its header.
        message: the message; arrays in it are read-only.
    """

    topic: str
    message_type: str
    stamp_ns: int
    message: Any


class BagReader:
    """Context manager that reads one bag: a ROS 2 folder, or an .mcap, .db3 or .bag file.

    Raises:
        BagError: there is no bag, or it is damaged; the text says what is wrong with it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._reader: AnyReader | None = None

    def __enter__(self) -> Self:
        _check_present(self.path)
        try:
            reader = AnyReader([self.path], default_typestore=message_store())
            reader.open()
        # A damaged file can make the parsers raise anything.
        except Exception as error:
            raise BagError(f'cannot open bag {self.path}: {_one_line(error)}') from error
        self._reader = reader
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        reader, self._reader = self._opened(), None
        reader.close()

    @property
    def is_ros1(self) -> bool:
        """Whether messages are in the ROS 1 wire format."""
        return not self._opened().is2

    @property
    def connections(self) -> list[Connection]:
        """The connections behind the topics, as `rosbags` gives them."""
        return self._opened().connections

    @property
    def summary(self) -> BagSummary:
        """What the bag holds."""
        reader = self._opened()
        files = _storage_files(self.path)
        empty = reader.message_count == 0
        return BagSummary(
            path=self.path,
            storage=_storage_name(files),
            size_bytes=sum(file.stat().st_size for file in files),
            start_ns=0 if empty else reader.start_time,
            # rosbags' end is one nanosecond past the last message.
            duration_ns=0 if empty else reader.end_time - 1 - reader.start_time,
            message_count=reader.message_count,
            topics=self.topics,
        )

    @property
    def topics(self) -> dict[str, TopicSummary]:
        """The topics, by name."""
        summaries: dict[str, TopicSummary] = {}
        for connection in sorted(self.connections, key=lambda item: item.topic):
            before = summaries.get(connection.topic)
            summaries[connection.topic] = TopicSummary(
                name=connection.topic,
                message_type=connection.msgtype,
                message_count=connection.msgcount + (before.message_count if before else 0),
                latched=is_latched(connection) or (before is not None and before.latched),
            )
        return summaries

    def messages(
        self,
        topics: Collection[str] = (),
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[BagMessage]:
        """Iterate over messages in the order of recording.

        Args:
            topics: only these; all when empty.
            start_ns: only messages recorded at or after this time [ns].
            stop_ns: only messages recorded before this time [ns].

        Raises:
            BagError: a topic is not in the bag, its type is unknown, or the bag is damaged.
        """
        decode = self._opened().deserialize
        for connection, stamp_ns, data in self.serialized_messages(topics, start_ns, stop_ns):
            store = self.store_of(connection)
            try:
                if store is self._opened().typestore:
                    message = decode(data, connection.msgtype)
                else:
                    message = store.deserialize_cdr(data, connection.msgtype)
            except Exception as error:
                raise BagError(
                    f'message of {connection.topic} at {stamp_ns} ns in bag {self.path} cannot be '
                    f'decoded as {connection.msgtype}: {_one_line(error)}'
                ) from error
            yield BagMessage(connection.topic, connection.msgtype, stamp_ns, message)

    def serialized_messages(
        self,
        topics: Collection[str] = (),
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Iterate like `messages`, without decoding: (connection, recording time [ns], bytes)."""
        reader = self._opened()
        wanted = self._select(topics)
        if not wanted:
            return
        iterator = reader.messages(wanted, start_ns, stop_ns)
        count = 0
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                return
            except Exception as error:
                raise BagError(
                    f'bag {self.path} is damaged after {count} messages: {_one_line(error)}'
                ) from error
            count += 1
            yield item

    def store_of(self, connection: Connection) -> Typestore:
        """Return the store that knows a connection's type: the bag's own, else this package's.

        Raises:
            BagError: neither knows it.
        """
        reader = self._opened()
        if connection.msgtype in reader.typestore.fielddefs:
            return reader.typestore
        if reader.is2 and connection.msgtype in message_store().fielddefs:
            return message_store()
        raise BagError(
            f'topic {connection.topic} of bag {self.path} has the type {connection.msgtype}, '
            'which neither the bag nor this package defines; '
            'convert the bag to mcap where it is known'
        )

    def _select(self, topics: Collection[str]) -> list[Connection]:
        names = {connection.topic for connection in self.connections}
        missing = sorted(set(topics) - names)
        if missing:
            raise BagError(
                f'bag {self.path} has no topic {missing[0]}; it has {", ".join(sorted(names))}'
            )
        return [item for item in self.connections if not topics or item.topic in topics]

    def _opened(self) -> AnyReader:
        if self._reader is None:
            raise BagError(f'bag {self.path} is not open; use it as `with BagReader(...)`')
        return self._reader


def is_latched(connection: Connection) -> bool:
    """Return whether a late subscriber of the connection's topic gets its last message."""
    if isinstance(connection.ext, ConnectionExtRosbag1):
        return bool(connection.ext.latching)
    profiles = connection.ext.offered_qos_profiles
    return any(profile.durability is QosDurability.TRANSIENT_LOCAL for profile in profiles)


def _check_present(path: Path) -> None:
    if not path.exists():
        raise BagError(f'bag {path} does not exist')
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        files = _storage_files(path)
        remedy = (
            f'its recording was not closed; read {files[0].name} itself or run '
            f'`ros2 bag reindex {path}`'
            if files
            else 'it is not a bag folder'
        )
        raise BagError(f'{path} has no metadata.yaml: {remedy}')
    if path.is_file() and path.suffix not in _STORAGE_SUFFIXES:
        raise BagError(f'{path} is no bag: give a bag folder or an .mcap, .db3 or .bag file')


def _storage_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(item for item in path.iterdir() if item.is_file())
    return [item for item in files if _STORAGE_SUFFIXES.keys() & set(item.suffixes)]


def _storage_name(files: list[Path]) -> str:
    suffixes = [suffix for file in files for suffix in file.suffixes]
    return next((_STORAGE_SUFFIXES[item] for item in suffixes if item in _STORAGE_SUFFIXES), '?')


def _one_line(error: Exception) -> str:
    text = ' '.join(str(error).split())
    return text or type(error).__name__

"""Copying a bag into another storage, from ROS 1 too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from gemdepth_ros.bags.qos import LATCHED, RELIABLE
from gemdepth_ros.bags.reader import BagReader, is_latched
from gemdepth_ros.bags.typestore import message_store
from gemdepth_ros.bags.writer import BagWriter, Storage
from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rosbags.interfaces import Connection, Qos
    from rosbags.typesys.store import Typestore

# Types that ROS 2 knows under another name.
_RENAMED = {'tf/msg/tfMessage': 'tf2_msgs/msg/TFMessage'}
_HEADER = 'std_msgs/msg/Header'


def convert_bag(
    source: Path,
    target: Path,
    storage: Storage,
    *,
    compress: bool = False,
    overwrite: bool = False,
    on_message: Callable[[], None] | None = None,
) -> int:
    """Copy every message of a bag into a new ROS 2 bag, without decoding ROS 2 messages.

    Messages keep their bytes and recording times, topics keep their types and qualities of
    service. A ROS 1 message keeps its content; its type becomes the ROS 2 type of the same
    name where both lie alike in memory, and keeps its own definition otherwise.

    Args:
        source: a bag that `BagReader` reads.
        target: folder of the new bag.
        storage: its storage.
        compress: compress it by zstd.
        overwrite: replace a bag at ``target``.
        on_message: called after each message.

    Returns:
        The number of messages.

    Raises:
        BagError: the source cannot be read or the target cannot be written.
    """
    if target.resolve() in (source.resolve(), *source.resolve().parents):
        raise BagError(f'{source} cannot be converted into itself; choose another name')
    count = 0
    with BagReader(source) as reader:
        store = _target_store(reader)
        types = _target_types(reader.connections)
        with BagWriter(
            target, storage, compress=compress, overwrite=overwrite, store=store
        ) as writer:
            for topic, (message_type, qos) in types.items():
                writer.add_topic(topic, message_type, qos)
            for connection, stamp_ns, data in reader.serialized_messages():
                topic = connection.topic
                cdr = store.ros1_to_cdr(data, types[topic][0]) if reader.is_ros1 else data
                writer.write_serialized(topic, cdr, stamp_ns)
                count += 1
                if on_message is not None:
                    on_message()
    return count


def _target_types(connections: list[Connection]) -> dict[str, tuple[str, Qos]]:
    """Return type and offered quality of service of each topic."""
    types: dict[str, tuple[str, Qos]] = {}
    for connection in connections:
        message_type = _RENAMED.get(connection.msgtype, connection.msgtype)
        known_type, qos = types.get(connection.topic, (message_type, RELIABLE))
        if known_type != message_type:
            raise BagError(
                f'topic {connection.topic} holds both {known_type} and {message_type}; '
                'such a bag cannot be converted'
            )
        profiles = getattr(connection.ext, 'offered_qos_profiles', None)
        if is_latched(connection):
            qos = LATCHED
        elif profiles and connection.topic not in types:
            qos = profiles[0]
        types[connection.topic] = (message_type, qos)
    return types


def _target_store(reader: BagReader) -> Typestore:
    """Return a store with the types of the reader's topics as the new bag shall define them."""
    target = get_typestore(Stores.EMPTY)
    for connection in reader.connections:
        own = reader.store_of(connection)
        name = _RENAMED.get(connection.msgtype, connection.msgtype)
        if not reader.is_ros1:
            definition = own.generate_msgdef(name, ros_version=2)[0]
        elif _lie_alike(own, connection.msgtype, message_store(), name):
            definition = message_store().generate_msgdef(name, ros_version=2)[0]
        else:
            definition = own.generate_msgdef(connection.msgtype, ros_version=2)[0]
        types = get_types_from_msg(definition, name)
        # ROS 1's header has a sequence number, which the conversion of bytes leaves out.
        if _HEADER in types:
            types[_HEADER] = message_store().fielddefs[_HEADER]
        target.register(types)
    return target


def _lie_alike(first: Typestore, first_type: str, second: Typestore, second_type: str) -> bool:
    """Return whether two types have the same fields in memory, whatever the fields' names."""
    if second_type not in second.fielddefs:
        return False
    return bool(_layout(first, first_type) == _layout(second, second_type))


def _layout(store: Typestore, message_type: str) -> Any:
    if message_type == _HEADER:
        return _HEADER
    return [_field_layout(store, field) for _, field in store.fielddefs[message_type][1]]


def _field_layout(store: Typestore, field: Any) -> Any:
    kind, content = field
    if kind == Nodetype.NAME:
        return _layout(store, content)
    if kind == Nodetype.BASE:
        return content
    element, size = content
    return kind, _field_layout(store, element), size

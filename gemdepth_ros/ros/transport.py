"""Count the images that were published but never arrived."""

from __future__ import annotations

from collections.abc import Callable


class TransportCounter:
    """Derive losses from the publisher's sequence numbers.

    DDS numbers what a publisher writes 1, 2, 3 ...; a gap is a sample that was lost on the way or
    overwritten in the subscription's keep-last history. Numbers belong to one publisher and the
    message does not say which: a gap counts only while the topic has one publisher, the same one
    as before. Counting begins at the first message of a publisher, because what it wrote before
    it was discovered was not meant for this subscription.
    """

    def __init__(self, publishers: Callable[[], frozenset[bytes]]) -> None:
        """Count for one topic.

        Args:
            publishers: the identities of the topic's publishers, asked for at a gap only.
        """
        self._publishers = publishers
        self._known: frozenset[bytes] | None = None
        self._last: int | None = None

    def lost_before(self, sequence: int | None) -> int:
        """Return how many messages are missing before the one with this number.

        Args:
            sequence: the publisher's number, or None where the middleware gives none.
        """
        last, self._last = self._last, sequence
        if sequence is None:
            return 0
        if last is None or sequence <= last:  # first of all, or a new publisher began at 1
            self._known = self._publishers()
            return 0
        missing = sequence - last - 1
        if missing == 0:
            return 0
        known, self._known = self._known, self._publishers()
        return missing if known == self._known and len(self._known) == 1 else 0

"""Count the images that were published but never arrived."""

from __future__ import annotations

import time
from collections.abc import Callable

Publishers = frozenset[bytes]

SETTLE_S = 2.0  # discovery of the publishers that are there already takes no longer
LATE_START = 64  # images that a camera may publish before it is discovered


class TransportCounter:
    """Derive losses from the publisher's sequence numbers.

    DDS numbers what a publisher writes 1, 2, 3 ...; a gap is a sample that was lost on the way or
    overwritten in the subscription's keep-last history. Numbers belong to one publisher and the
    message does not say which: a gap counts only while the topic has one publisher, the same one
    as before.

    What a publisher wrote before its first message here is counted only if the publisher began
    while this counter was watching: those images were missed while the two discovered each other.
    A camera that has been running for hours has lost nothing.
    """

    def __init__(
        self, publishers: Callable[[], Publishers], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Count for one topic.

        Args:
            publishers: the identities of the topic's publishers.
            clock: steady time [s].
        """
        self._publishers = publishers
        self._clock = clock
        self._settled_s = clock() + SETTLE_S
        self._early: set[bytes] = set()
        self._known: Publishers = frozenset()
        self._last: int | None = None

    def watch(self) -> None:
        """Look at the publishers; call it at once and then every half second or so."""
        if self._clock() <= self._settled_s:
            self._early |= self._publishers()

    def lost_before(self, sequence: int | None) -> int:
        """Return how many messages are missing before the one with this number.

        Args:
            sequence: the publisher's number, or None where the middleware gives none.
        """
        last, self._last = self._last, sequence
        if sequence is None or (last is not None and sequence == last + 1):
            return 0
        known, self._known = self._known, self._publishers()
        if len(self._known) != 1:
            return 0
        if last is None or sequence <= last:  # the first of a publisher
            return self._missed_while_discovering(sequence)
        return sequence - last - 1 if known == self._known else 0

    def _missed_while_discovering(self, sequence: int) -> int:
        self.watch()  # a publisher may be heard before the next regular look
        began_before = self._known <= self._early
        return 0 if began_before or sequence > LATE_START else sequence - 1

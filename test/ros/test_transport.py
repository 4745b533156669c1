"""Losses are counted exactly, and never invented."""

from __future__ import annotations

from gemdepth_ros.ros.transport import LATE_START, SETTLE_S, TransportCounter

A, B = frozenset({b'a'}), frozenset({b'b'})


class Topic:
    """A topic whose publishers and time are set by the test."""

    def __init__(self, publishers=A):
        self.publishers, self.time_s = publishers, 0.0
        self.counter = TransportCounter(lambda: self.publishers, lambda: self.time_s)
        self.counter.watch()

    def losses(self, *sequences):
        return [self.counter.lost_before(s) for s in sequences]

    def after_a_while(self):
        self.time_s += SETTLE_S + 0.1
        self.counter.watch()
        return self


def test_gaps_of_one_publisher_are_losses():
    assert Topic().losses(5, 6, 8, 11, 12) == [0, 0, 1, 2, 0]


def test_a_publisher_that_ran_before_is_counted_from_its_first_message():
    assert Topic().losses(1_000_000, 1_000_001) == [0, 0]
    assert Topic().losses(3, 4) == [0, 0]


def test_a_publisher_that_began_while_watching_is_counted_from_one():
    topic = Topic(frozenset()).after_a_while()
    topic.publishers = A
    assert topic.losses(3, 4, 6) == [2, 0, 1]


def test_a_publisher_found_while_discovery_settles_may_have_run_before():
    topic = Topic(frozenset())
    topic.time_s = 0.4
    topic.publishers = A
    assert topic.losses(3, 4) == [0, 0]


def test_a_publisher_found_late_with_a_high_number_had_run_before():
    topic = Topic(frozenset()).after_a_while()
    topic.publishers = A
    assert topic.losses(LATE_START + 1, LATE_START + 2) == [0, 0]


def test_a_new_player_starts_anew():
    topic = Topic().after_a_while()
    assert topic.losses(77, 78) == [0, 0]
    topic.publishers = B
    assert topic.losses(2, 3, 5) == [1, 0, 1]


def test_a_repeated_number_is_no_loss():
    assert Topic().losses(5, 5, 6) == [0, 0, 0]


def test_another_publisher_with_higher_numbers_is_no_loss():
    topic = Topic()
    assert topic.losses(10, 11) == [0, 0]
    topic.publishers = B
    assert topic.losses(5000, 5002) == [0, 1]


def test_two_publishers_at_once_are_not_counted():
    assert Topic(A | B).losses(10, 500, 11, 501, 12) == [0] * 5


def test_without_numbers_nothing_is_counted():
    assert Topic().losses(None, None, 5, None, 9) == [0] * 5

"""Losses are counted exactly, and never invented."""

from __future__ import annotations

from gemdepth_ros.ros.transport import TransportCounter

A, B = frozenset({b'a'}), frozenset({b'b'})


def losses(sequences, publishers=A):
    sets = iter(publishers) if isinstance(publishers, list) else None
    counter = TransportCounter(lambda: next(sets) if sets else publishers)
    return [counter.lost_before(s) for s in sequences]


def test_gaps_of_one_publisher_are_losses():
    assert losses([5, 6, 8, 11, 12]) == [0, 0, 1, 2, 0]


def test_a_publisher_that_ran_before_is_counted_from_its_first_message():
    assert losses([1_000_000, 1_000_001]) == [0, 0]


def test_a_new_player_starts_anew():
    assert losses([77, 78, 1, 2, 4]) == [0, 0, 0, 0, 1]


def test_a_repeated_number_is_no_loss():
    assert losses([5, 5, 6]) == [0, 0, 0]


def test_another_publisher_with_higher_numbers_is_no_loss():
    assert losses([10, 11, 5000, 5002], [A, B, B]) == [0, 0, 0, 1]


def test_two_publishers_at_once_are_not_counted():
    assert losses([10, 500, 11, 501, 12], A | B) == [0, 0, 0, 0, 0]


def test_without_numbers_nothing_is_counted():
    assert losses([None, None, 5, None, 9]) == [0] * 5

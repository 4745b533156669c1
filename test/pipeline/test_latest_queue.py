"""Every item is handed out or counted, in order, and the newest one wins."""

from __future__ import annotations

import threading
import time

import pytest

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.pipeline.latest_queue import LatestQueue


def test_newest_replaces_oldest_and_drop_is_counted():
    queue = LatestQueue()
    assert [queue.put(item) for item in 'abc'] == [0, 1, 1]
    assert len(queue) == 1
    assert queue.get(0) == ('c', 2)
    assert queue.get(0) is None


def test_losses_before_the_queue_are_reported_even_when_their_item_is_evicted():
    queue = LatestQueue()
    queue.put('a', lost_before=3)
    queue.put('b', lost_before=2)
    assert queue.get(0) == ('b', 3 + 2 + 1)


def test_capacity_keeps_that_many_in_order():
    queue = LatestQueue(capacity=2)
    for item in range(4):
        queue.put(item)
    assert queue.get(0) == (2, 2)
    assert queue.get(0) == (3, 0)


def test_capacity_below_one_is_refused_with_its_value():
    with pytest.raises(ConfigError, match='got 0'):
        LatestQueue(0)


def test_close_wakes_the_consumer_discards_and_refuses():
    queue = LatestQueue()
    results = []
    consumer = threading.Thread(target=lambda: results.append(queue.get(30)))
    consumer.start()
    time.sleep(0.05)
    started = time.monotonic()
    assert queue.close() == 0
    consumer.join(5)
    assert results == [None]
    assert time.monotonic() - started < 1
    assert queue.put('late') == 1
    assert len(queue) == 0


def test_close_tells_how_many_were_discarded():
    queue = LatestQueue(capacity=2)
    queue.put(1)
    queue.put(2)
    assert queue.close() == 2
    assert queue.get(0) is None


def test_under_load_every_item_is_seen_or_counted_in_order():
    count = 20_000
    queue = LatestQueue()
    seen, dropped_at_get = [], 0
    dropped_at_put = 0

    def consume():
        nonlocal dropped_at_get
        while not seen or seen[-1] != count - 1:
            taken = queue.get(5)
            assert taken is not None
            seen.append(taken[0])
            dropped_at_get += taken[1]

    consumer = threading.Thread(target=consume)
    consumer.start()
    for item in range(count):
        dropped_at_put += queue.put(item)
    consumer.join(20)
    assert not consumer.is_alive()
    assert seen == sorted(seen)
    assert len(seen) + dropped_at_get == count
    assert dropped_at_put == dropped_at_get

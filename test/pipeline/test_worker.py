"""One thread, clean stops, and no exception that nobody hears of."""

from __future__ import annotations

import gc
import threading
import time
import traceback
import weakref

from gemdepth_ros.pipeline.latest_queue import LatestQueue
from gemdepth_ros.pipeline.worker import Worker


def running(work, failures=None):
    queue = LatestQueue()
    worker = Worker(queue, work, (failures if failures is not None else []).append)
    worker.start()
    return queue, worker


def wait_for(condition, timeout_s=15):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_items_are_worked_on_one_thread_with_their_drops():
    got = []
    queue, worker = running(lambda *item: got.append((*item, threading.current_thread().name)))
    for item in range(3):
        queue.put(item, lost_before=item)
        wait_for(lambda count=item + 1: len(got) == count)
    worker.request_stop()
    assert worker.join(5)
    assert got == [(0, 0, 'worker'), (1, 1, 'worker'), (2, 2, 'worker')]
    assert worker.failure is None


def test_first_failure_is_stored_and_reported_once_and_ends_the_thread():
    failures = []

    def work(item, _dropped):
        raise ZeroDivisionError(item)

    queue, worker = running(work, failures)
    queue.put('a')
    assert worker.join(5)
    queue.put('b')
    assert [str(error) for error in failures] == ['a']
    assert worker.failure is failures[0]


class Network:
    pass


def test_a_failure_does_not_hold_what_was_worked_with():
    """Frames of a traceback hold a network; the failure is told in full before they are left."""
    network, told = Network(), []
    alive = weakref.ref(network)

    def step(network):
        raise KeyError('deep')

    def work(network, _dropped):
        try:
            step(network)
        except KeyError as error:
            raise ZeroDivisionError('high') from error

    queue = LatestQueue()
    worker = Worker(queue, work, lambda error: told.extend(traceback.format_exception(error)))
    gc.collect()
    gc.disable()
    try:
        worker.start()
        queue.put(network)
        del network
        assert worker.join(5)
        assert alive() is None
    finally:
        gc.enable()
    text = ''.join(told)
    assert all(words in text for words in ('in step', 'in work', 'deep', 'high'))
    assert isinstance(worker.failure, ZeroDivisionError)
    assert isinstance(worker.failure.__cause__, KeyError)


def test_stop_waits_for_the_item_in_work_and_discards_the_waiting_one():
    release, done = threading.Event(), []

    def work(item, _dropped):
        release.wait(10)
        done.append((item, worker.stopping))

    queue, worker = running(work)
    queue.put('in work')
    wait_for(lambda: len(queue) == 0)
    queue.put('waiting')
    assert worker.request_stop() == 1
    assert not worker.join(0.05)
    release.set()
    assert worker.join(5)
    assert done == [('in work', True)]


def test_idle_worker_stops_at_once():
    _, worker = running(lambda *_: None)
    started = time.monotonic()
    worker.request_stop()
    assert worker.join(5)
    assert time.monotonic() - started < 1


def test_actions_run_on_the_worker_thread_before_the_next_item():
    names, order = [], []
    queue, worker = running(lambda item, _dropped: order.append(item))
    worker.submit(lambda: (names.append(threading.current_thread().name), order.append('action')))
    wait_for(lambda: order == ['action'])
    queue.put('item')
    wait_for(lambda: order == ['action', 'item'])
    worker.request_stop()
    assert worker.join(5)
    assert names == ['worker']


def test_what_is_to_run_at_the_end_runs_after_the_item_in_work_or_now():
    release, order = threading.Event(), []

    def work(_item, _dropped):
        release.wait(10)
        order.append('work')

    queue, worker = running(work)
    queue.put(0)
    wait_for(lambda: len(queue) == 0)
    worker.request_stop()
    worker.when_ended(lambda: order.append('close'))
    assert order == []
    release.set()
    assert worker.join(5)
    assert order == ['work', 'close']
    worker.when_ended(lambda: order.append('now'))
    assert order[-1] == 'now'


def test_a_worker_that_never_started_can_be_stopped():
    worker = Worker(LatestQueue(), lambda *_: None, lambda _: None)
    closed = []
    worker.request_stop()
    assert worker.join(0.1)
    worker.when_ended(lambda: closed.append(True))
    assert closed

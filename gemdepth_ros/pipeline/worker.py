"""The one thread that owns the device and does the work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from gemdepth_ros.pipeline.latest_queue import LatestQueue

T = TypeVar('T')
POLL_S = 0.1  # how soon an idle worker sees a submitted action


class Worker(Generic[T]):
    """Take items from a queue and work on them, on a thread of its own.

    An exception that ``work`` lets out ends the thread: it is reported through ``on_failure`` on
    the worker's thread, then stored in ``failure`` without its traceback. Exceptions are never
    lost.
    """

    def __init__(
        self,
        queue: LatestQueue[T],
        work: Callable[[T, int], None],
        on_failure: Callable[[Exception], None],
        name: str = 'worker',
    ) -> None:
        """Prepare the worker; ``start`` runs it.

        Args:
            queue: where items come from; ``stop`` closes it.
            work: called with (item, items dropped before it).
            on_failure: told once, with what ``work`` or an action raised; its traceback is there
                only until this returns.
            name: of the thread, for debuggers.
        """
        self.failure: Exception | None = None
        self._queue = queue
        self._work = work
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._actions: deque[Callable[[], None]] = deque()
        self._at_exit: deque[Callable[[], None]] = deque()
        self._exit_lock = threading.Lock()
        self._ended = False
        # Daemon: a process that is told to end must not wait for a network that takes minutes.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs, be it only to finish its last item."""
        return self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called: a result that is still in work is no longer wanted."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start the thread. Once only."""
        self._thread.start()

    def submit(self, action: Callable[[], None]) -> None:
        """Run ``action`` on the worker's thread, before the next item."""
        self._actions.append(action)

    def request_stop(self) -> int:
        """Close the queue and ask the thread to end; return how many items were discarded."""
        self._stopping.set()
        return self._queue.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; return whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self.alive

    def when_ended(self, action: Callable[[], None]) -> None:
        """Run ``action`` now if the thread has ended or never began, else at its very end.

        What the work uses is released this way: never under a frame that is still in work.
        """
        with self._exit_lock:
            later = self._thread.ident is not None and not self._ended
            if later:
                self._at_exit.append(action)
        if not later:
            action()

    def _run(self) -> None:
        try:
            while not self.stopping:
                while self._actions:
                    self._actions.popleft()()
                taken = self._queue.get(POLL_S)
                if taken is not None:
                    self._work(*taken)
        except Exception as error:  # noqa: BLE001 -- stored and reported, whatever it is
            self.failure = error
            self._on_failure(error)
            _forget_frames(error)
        finally:
            with self._exit_lock:
                self._ended = True
            for action in self._at_exit:
                action()


def _forget_frames(error: BaseException) -> None:
    """Drop the tracebacks of an exception and of those behind it.

    Their frames hold what was worked with, a network's memory among it, for as long as somebody
    holds the exception; and one of them holds the worker, which holds the exception.
    """
    waiting, seen = [error], {id(error)}
    while waiting:
        found = waiting.pop()
        found.__traceback__ = None
        for behind in (found.__cause__, found.__context__):
            if behind is not None and id(behind) not in seen:
                seen.add(id(behind))
                waiting.append(behind)

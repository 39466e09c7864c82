"""Threads that nothing waits for: a system call that never returns must not keep the process from ending."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

_Job: TypeAlias = Callable[[], None]

MOST_THREADS = 32
IDLE_SECONDS, MOST_IDLE = 5.0, 2
"""So long a thread waits for its next job, and so many at once: to start one for each job costs more than most jobs do."""


class DaemonExecutor(ThreadPoolExecutor):
    """Runs what it is given in daemon threads, which end when there was nothing to do for a while.

    A ThreadPoolExecutor by name only: an event loop takes no other kind as its own.
    """

    def __init__(self, *, most_threads: int = MOST_THREADS, name: str = "worker") -> None:
        super().__init__(max_workers=1)  # of its own threads, which the interpreter waits for, none is ever started
        self._most_threads = most_threads
        self._name = name
        self._lock = threading.Lock()
        self._at_work = 0
        self._idle: list[SimpleQueue[_Job]] = []
        """Of the threads that wait for a job, the one that has waited longest first."""
        self._jobs: deque[_Job] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See Executor; raises RuntimeError where the system gives no thread and none of its own is at work."""
        future: Future[Any] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is the caller's, in the other thread
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            if self._idle:
                # The one that has waited least: the others end after a while.
                self._idle.pop().put(job)
            elif self._at_work >= self._most_threads or not self._started(job):
                self._jobs.append(job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """See Executor; it never waits."""
        del wait
        super().shutdown(wait=False, cancel_futures=cancel_futures)

    def _started(self, job: _Job) -> bool:
        """Start a thread for `job`; False where the system gives none, and one of ours will take it."""
        try:
            threading.Thread(target=self._work, args=(job,), name=self._name, daemon=True).start()
        except RuntimeError:
            if not self._at_work:
                raise
            return False
        self._at_work += 1
        return True

    def _work(self, first: _Job) -> None:
        own: SimpleQueue[_Job] = SimpleQueue()
        job: _Job | None = first
        del first
        while job is not None:
            job()
            # It may hold much, and the next one may come late.
            del job
            job = self._next(own)

    def _next(self, own: SimpleQueue[_Job]) -> _Job | None:
        """The next job of the thread whose queue is `own`; None where none came for long, and the thread ends."""
        with self._lock:
            if self._jobs:
                return self._jobs.popleft()
            if len(self._idle) >= MOST_IDLE:
                self._at_work -= 1
                return None
            self._idle.append(own)
        try:
            return own.get(timeout=IDLE_SECONDS)
        except Empty:
            with self._lock:
                if own in self._idle:
                    self._idle.remove(own)
                    self._at_work -= 1
                    return None
            # It was given one at the last moment.
            return own.get()

"""Threads that nothing waits for: a system call that never returns must not keep the process from ending."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

MOST_THREADS = 32


class DaemonExecutor(ThreadPoolExecutor):
    """Runs what it is given in daemon threads, which end when there is nothing to do.

    A ThreadPoolExecutor by name only: an event loop takes no other kind as its own.
    """

    def __init__(self, *, most_threads: int = MOST_THREADS, name: str = "worker") -> None:
        super().__init__(max_workers=1)  # of its own threads, which the interpreter waits for, none is ever started
        self._most_threads = most_threads
        self._name = name
        self._lock = threading.Lock()
        self._at_work = 0
        self._jobs: deque[Callable[[], None]] = deque()

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
            if self._at_work >= self._most_threads or not self._started(job):
                self._jobs.append(job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """See Executor; it never waits."""
        del wait
        super().shutdown(wait=False, cancel_futures=cancel_futures)

    def _started(self, job: Callable[[], None]) -> bool:
        """Start a thread for `job`; False where the system gives none, and one of ours will take it."""
        try:
            threading.Thread(target=self._work, args=(job,), name=self._name, daemon=True).start()
        except RuntimeError:
            if not self._at_work:
                raise
            return False
        self._at_work += 1
        return True

    def _work(self, job: Callable[[], None]) -> None:
        while True:
            job()
            with self._lock:
                if not self._jobs:
                    self._at_work -= 1
                    return
                job = self._jobs.popleft()

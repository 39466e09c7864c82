"""Threads that nothing waits for: few, used again, and gone when there is nothing to do."""

from __future__ import annotations

import threading

import pytest

from stands.waiting import wait_until
from tg_video_streamer import daemon_executor
from tg_video_streamer.daemon_executor import MOST_IDLE, DaemonExecutor


def _threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_jobs_in_a_row_share_a_thread() -> None:
    """Jobs that come one after the other do not start a thread each; an error is the caller's and ends no thread."""
    executor = DaemonExecutor(name="in a row")
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 / 0).result(60)
    seen = {executor.submit(threading.get_ident).result(60) for _ in range(200)}
    # A thread may still be finishing a job whose answer is there, for long on a busy machine.
    assert len(seen) < 100


def test_jobs_at_once_have_a_thread_each_up_to_the_limit() -> None:
    """Jobs at the same time run side by side, up to the limit; the others wait for a free thread."""
    executor = DaemonExecutor(most_threads=3, name="at once")
    barrier = threading.Barrier(3)
    jobs = [executor.submit(barrier.wait, 60) for _ in range(9)]
    assert sorted(job.result(60) for job in jobs) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    wait_until(lambda: _threads("at once") == MOST_IDLE, what="no more threads than are kept")


def test_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no job comes for a while the threads end, and the next job gets a new one."""
    monkeypatch.setattr(daemon_executor, "IDLE_SECONDS", 0.02)
    executor = DaemonExecutor(name="idle")
    for _ in range(3):
        assert executor.submit(lambda: "done").result(60) == "done"
        wait_until(lambda: _threads("idle") == 0, what="no thread")

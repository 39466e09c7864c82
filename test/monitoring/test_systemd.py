"""What systemd is notified of: read from a real notify socket, in virtual steps of the program."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tg_video_streamer.monitoring.systemd import ProgressReport, ServiceManager


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(str(tmp_path / "notify"))
        inbox.settimeout(0)
        yield inbox


def _received(inbox: socket.socket) -> list[str]:
    """All lines that have come so far."""
    lines = []
    while True:
        try:
            lines += inbox.recv(4096).decode().splitlines()
        except BlockingIOError:
            return lines


def test_ready_and_each_sign_of_life_need_progress(inbox: socket.socket) -> None:
    """No frame, no word; ready with the first frame; nothing for a look that found no further one."""
    length = 0.0
    manager = ServiceManager(inbox.getsockname(), watchdog_seconds=30)
    report = ProgressReport(manager, program_seconds=lambda: length, status=lambda: "on air: a\nb")
    report.check()
    assert _received(inbox) == []
    length = 0.04
    report.check()
    assert _received(inbox) == ["READY=1", "WATCHDOG=1", "STATUS=on air: a b"]
    report.check()
    assert _received(inbox) == []
    length = 0.08
    report.check()
    assert _received(inbox) == ["WATCHDOG=1"]


def test_a_reload_and_the_end_are_told(inbox: socket.socket) -> None:
    """In the words of sd_notify(3)."""
    manager = ServiceManager(inbox.getsockname())
    manager.reloading()
    manager.reloaded()
    manager.stopping()
    received = _received(inbox)
    assert [received[0], received[2], received[3]] == ["RELOADING=1", "READY=1", "STOPPING=1"]
    assert received[1].startswith("MONOTONIC_USEC=")


@pytest.mark.parametrize(
    ("environment", "present", "seconds"),
    [
        ({}, False, 0),
        ({"NOTIFY_SOCKET": "/run/x"}, True, 0),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "30000000"}, True, 30),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, True, 30),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, True, 0),
        ({"NOTIFY_SOCKET": "relative", "WATCHDOG_USEC": "soon"}, False, 0),
    ],
)
def test_the_environment_says_whom_to_tell(environment: dict[str, str], present: bool, seconds: float) -> None:  # noqa: FBT001 - a table
    """A watchdog that is meant for another process is none of ours."""
    manager = ServiceManager.of(environment)
    assert (manager.present, manager.watchdog_seconds) == (present, seconds)


async def test_without_a_service_manager_nothing_is_asked() -> None:
    """In a terminal the report does nothing; with a socket that is gone it continues."""
    asked: list[str] = []

    def status() -> str:
        asked.append("status")
        return ""

    length = iter(range(1, 1000))
    for manager in (ServiceManager(), ServiceManager("/nowhere/notify", watchdog_seconds=0.02)):
        report = ProgressReport(manager, program_seconds=lambda: float(next(length)), status=status)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await report.run()
        assert bool(asked) is manager.present

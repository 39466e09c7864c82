"""Notifies systemd (sd_notify) that the service is ready, alive, reloading or stopping, and what is on air.

Only the program's progress feeds the watchdog: where the program has not grown since the last check, or where the event
loop hangs, nothing is sent, and systemd restarts the service after WatchdogSec=.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Self

import structlog

log = structlog.get_logger(__name__)

CHECK_SECONDS = 1.0
_STATUS_EVERY = 5
"""In checks: each status wakes every listener of systemd."""


class ServiceManager:
    """The service manager's notification socket; without one every message is dropped."""

    def __init__(self, address: str = "", *, watchdog_seconds: float = 0.0) -> None:
        """`address`: a path, or an abstract name behind `@`; empty for none. `watchdog_seconds`: 0 for no watchdog."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds
        self._failing = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """As NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say (sd_notify(3), sd_watchdog_enabled(3))."""
        address = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        seconds = int(microseconds) / 1e6 if ours and microseconds.isdecimal() else 0.0
        return cls(address if address.startswith(("/", "@")) else "", watchdog_seconds=seconds)

    @property
    def present(self) -> bool:
        """Whether there is a service manager."""
        return bool(self._address)

    def notify(self, *lines: str) -> None:
        """Send one message of `NAME=value` lines; never blocks, and a message that is not taken hinders nothing."""
        if not self._address:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines).encode("utf-8", "replace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as way:
                way.sendto(message, self._address)
        except OSError as error:
            if not self._failing:
                log.warning("the service manager takes no message", error=error.strerror)
            self._failing = True
        else:
            self._failing = False

    def reloading(self) -> None:
        """The settings are being read again; `reloaded` is to follow."""
        self.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """The settings were read."""
        self.notify("READY=1")

    def stopping(self) -> None:
        """The service is stopping."""
        self.notify("STOPPING=1", "STATUS=leaving the air")


class ProgressReport:
    """Turns the program's progress into messages: ready with the first, a sign of life with each further one."""

    def __init__(
        self, manager: ServiceManager, *, program_seconds: Callable[[], float], status: Callable[[], str]
    ) -> None:
        """`program_seconds` is the length of the program so far, counted in frames that were published.

        `status` is one line on what is on air.
        """
        self._manager = manager
        self._program_seconds = program_seconds
        self._status = status
        self._seen = 0.0
        self._ready = False
        self._checks = 0

    async def run(self) -> None:
        """Check until cancelled, often enough for the watchdog."""
        if not self._manager.present:
            await asyncio.Event().wait()
        watchdog = self._manager.watchdog_seconds
        pause = min(CHECK_SECONDS, watchdog / 4) if watchdog else CHECK_SECONDS
        while True:
            self.check()
            await asyncio.sleep(pause if self._ready else 0.05)

    def check(self) -> None:
        """Notify what has changed since the last check."""
        length = self._program_seconds()
        advanced = length > self._seen
        self._seen = length
        lines = []
        if advanced:
            if not self._ready:
                lines.append("READY=1")
                self._ready = True
            lines.append("WATCHDOG=1")
        if self._ready and self._checks % _STATUS_EVERY == 0:
            lines.append(f"STATUS={self._status()}")
        self._checks += self._ready
        if lines:
            self._manager.notify(*lines)

"""Runs the service in this process: signals, exit code, and the time before and after its parts run."""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

import structlog

from tg_video_streamer.app.build import build
from tg_video_streamer.app.startup import prepare
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.daemon_executor import DaemonExecutor
from tg_video_streamer.doctor.check import find_problems
from tg_video_streamer.doctor.files import file_lines
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.logs import configure_logs, log_uncaught
from tg_video_streamer.monitoring.systemd import ServiceManager
from tg_video_streamer.settings.settings import LoadedSettings, secret_values

if TYPE_CHECKING:
    from tg_video_streamer.app.fleet import FleetTerm

_M_ARENA_MAX = -8
"""malloc.h of glibc; see mallopt(3)."""

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

STOP_SECONDS = 2.0
"""How long the end may take before it is forced."""


def run_service(loaded: LoadedSettings, *, demo: bool, table: bool, exit_on_expired: bool = False) -> int:
    """Go on air until SIGINT or SIGTERM; the exit code. With `demo` the built-in clips play, whatever PLAYLIST says.

    With `exit_on_expired` it ends with 1 once a Telegram session is needed and none is left.
    """
    share_one_arena()
    settings = loaded.settings
    configure_logs(settings.log_format, secrets=secret_values(settings))
    log_uncaught()
    # systemd ends a hang with SIGABRT: the log then says where it hung, without a value of any variable.
    faulthandler.enable()
    for warning in loaded.warnings:
        log.warning(warning)
    return _run(_serve(loaded, demo=demo, table=table, exit_on_expired=exit_on_expired))


def check(loaded: LoadedSettings, *, playlist: bool = True) -> list[Message]:
    """Try what can be tried without going on air; a message for each problem."""
    configure_logs(loaded.settings.log_format, secrets=secret_values(loaded.settings))
    return _run(find_problems(loaded.settings, playlist=playlist))


def tracks(loaded: LoadedSettings) -> list[Message]:
    """What is to choose in the playlist's files: languages of some, and a frame rate for most of them."""
    return _run(file_lines(loaded.settings))


def _run(work: Coroutine[None, None, Result]) -> Result:
    """Run `work`; an error that the operator can mend is taken out of its exception groups, so that it is one line."""

    async def main() -> Result:
        # The end of the process would wait for the threads of asyncio's own executor, however long a disk hangs.
        asyncio.get_running_loop().set_default_executor(DaemonExecutor())
        return await work

    try:
        return asyncio.run(main())
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, StreamerError):
            raise error from group
        raise


async def _serve(loaded: LoadedSettings, *, demo: bool, table: bool, exit_on_expired: bool) -> int:
    stop = asyncio.Event()
    session_gone = asyncio.Event()

    def expired() -> None:
        if exit_on_expired:
            session_gone.set()
            stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Before there is anything to reload, SIGHUP must not end what systemd has started.
    if ServiceManager.of(os.environ).present:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    with ClaimedFolder(loaded.settings.state_dir) as folder:
        async with asyncio.TaskGroup() as background:
            service = background.create_task(_play(loaded, folder, stop, expired, demo=demo, table=table))
            waiting = background.create_task(stop.wait())
            await asyncio.wait((service, waiting), return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set() and not service.done():
                # What leaves the air in order ends by itself; what is still being prepared does not.
                _, late = await asyncio.wait((service,), timeout=STOP_SECONDS)
                for task in late:
                    task.cancel()
            waiting.cancel()
    return 1 if session_gone.is_set() else 0


async def _play(
    loaded: LoadedSettings,
    folder: ClaimedFolder,
    stop: asyncio.Event,
    expired: Callable[[], None],
    *,
    demo: bool,
    table: bool,
) -> None:
    async with asyncio.TaskGroup() as background:
        prepared = await prepare(loaded.settings, background, demo=demo)

        in_force = loaded

        async def serve(term: FleetTerm | None = None) -> None:
            nonlocal in_force
            service = build(in_force, prepared, folder, expired=expired, fleet=term)
            await service.run(stop, table=table)
            # A host of a fleet goes on with what was reloaded.
            in_force = replace(in_force, settings=service.context.reload.settings)

        if loaded.settings.fleet:
            # Who has one host imports nothing of a fleet.
            await import_module("tg_video_streamer.app.fleet").run_terms(loaded.settings, stop, serve)
        elif not stop.is_set():
            await serve()
        prepared.cancel()


def share_one_arena() -> bool:
    """Use one arena for all threads that start from now on; False without glibc, or where the operator has chosen."""
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_M_ARENA_MAX, 1))

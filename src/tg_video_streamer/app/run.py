"""The composition root: starts the parts in the order in which they need each other, and stops them in reverse."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from functools import partial
from importlib import import_module
from typing import TypeVar

import structlog

from tg_video_streamer.app.build import build
from tg_video_streamer.app.keep_running import keep_running
from tg_video_streamer.app.malloc import share_one_arena
from tg_video_streamer.app.service import Parts
from tg_video_streamer.app.startup import prepare
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.control.socket.server import serve as serve_control
from tg_video_streamer.control.status_text import status_line
from tg_video_streamer.doctor.check import find_problems
from tg_video_streamer.errors import LibraryError, ListenFailed, StreamerError
from tg_video_streamer.library.library import Library
from tg_video_streamer.logs import configure_logs, log_uncaught
from tg_video_streamer.monitoring.systemd import ProgressReport, ServiceManager
from tg_video_streamer.settings.settings import LoadedSettings, secret_values

log = structlog.get_logger(__name__)

Start = Callable[[str, Coroutine[None, None, None]], None]

Result = TypeVar("Result")

STOP_SECONDS = 2.0
"""How long the end may take before it is forced."""
LAST_PACKETS_SECONDS = 0.5
"""How long the outputs together may take to send the end of the program."""
FIRST_ITEM_SECONDS = 1.0
"""How long the program waits for its first item before it begins with the slate."""


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
    return _told(_serve(loaded, demo=demo, table=table, exit_on_expired=exit_on_expired))


def check(loaded: LoadedSettings, *, playlist: bool = True) -> list[str]:
    """Try what can be tried without going on air; one line a problem, none: all is well."""
    configure_logs(loaded.settings.log_format, secrets=secret_values(loaded.settings))
    return _told(find_problems(loaded.settings, playlist=playlist))


def _told(work: Coroutine[None, None, Result]) -> Result:
    """Run `work`; an error that is the operator's to mend comes out of its groups, so that it is told in one line."""
    try:
        return asyncio.run(work)
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
        if not stop.is_set():
            await _run(build(loaded, prepared, folder, expired=expired), stop, table=table)
        prepared.cancel()


async def _run(parts: Parts, stop: asyncio.Event, *, table: bool) -> None:
    async with AsyncExitStack() as started, asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []

        def start(name: str, work: Coroutine[None, None, None]) -> None:
            running.append(tasks.create_task(work, name=name))

        parts.as_run.start()
        started.callback(parts.as_run.stop)
        if parts.library is not None:
            await _open(parts.library)
            started.callback(parts.library.close)
        await parts.scheduler.open()
        start("listing", parts.listing.run())
        await _prime(parts, start)
        if parts.filler is not None:
            start("filler", parts.filler.run())
        parts.playout.start()
        for handler in parts.outputs:
            handler.start()
        if parts.telegram is not None:
            start("telegram", keep_running("telegram", parts.telegram.run, parts.clock))
        start("place", parts.place.run())
        start(
            "control",
            keep_running("control", partial(serve_control, parts.folder.listener, parts.station), parts.clock),
        )
        manager = _tell_service_manager(parts, start)
        await parts.metrics.start()
        _start_beside(parts, start)
        address = await _start_web(parts, start)
        if table:
            start("terminal", keep_running("terminal", _view(parts, address), parts.clock))
        await stop.wait()
        log.info("stopping")
        manager.stopping()
        # The program first: without its sources it would show the slate for its last moment.
        await asyncio.to_thread(_leave_the_air, parts)
        for task in running:
            task.cancel()


def _start_beside(parts: Parts, start: Start) -> None:
    """What the program can do without: each begins again where it fails."""
    beside = {
        "scheduler": parts.scheduler.run,
        "metrics": parts.metrics.run,
        "notify": parts.notifier.run,
        "yt-dlp": parts.ytdlp.run,
        "heartbeat": parts.heartbeat.run,
        "history": parts.recorder.run,
    }
    if parts.live is not None:
        beside["live takeover"] = parts.live.run
    if parts.chat is not None:
        beside["chat"] = parts.chat.run
    if parts.preparer is not None:
        beside["preparer"] = parts.preparer.run
    for name, run in beside.items():
        start(name, keep_running(name, run, parts.clock))


def _tell_service_manager(parts: Parts, start: Start) -> ServiceManager:
    """Have whoever started the service told how it stands, and hear SIGHUP from there."""
    manager = ServiceManager.of(os.environ)
    report = ProgressReport(
        manager,
        program_seconds=lambda: parts.playout.program_seconds,
        status=lambda: status_line(parts.station.status()),
    )
    start("service notify", keep_running("service notify", report.run, parts.clock))
    if manager.present:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, partial(_reload, parts, manager))
    return manager


def _reload(parts: Parts, manager: ServiceManager) -> None:
    """What SIGHUP asks for: as the command `reload`, with the answer in the log."""
    manager.reloading()
    try:
        log.info("reloaded", answer=parts.station.reload())
    except StreamerError as error:
        log.warning("not reloaded", why=str(error))
    finally:
        manager.reloaded()


async def _open(library: Library) -> None:
    """Nothing is kept where it cannot be opened: its `problem` says so, and the program needs none."""
    try:
        await asyncio.to_thread(library.open)
    except LibraryError as error:
        log.error("there is no library", why=str(error))  # noqa: TRY400 - an error of the operator's to mend


async def _prime(parts: Parts, start: Start) -> None:
    """Let the director begin, with the playlist where that can be read in time, and wait a moment for its first item."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_ITEM_SECONDS):
            await parts.listing.loaded.wait()
            start("director", parts.director.run())
            await parts.director.first_item.wait()
    if not parts.listing.loaded.is_set():
        start("director", parts.director.run())


async def _start_web(parts: Parts, start: Start) -> str:
    """Serve the page; its address. Imported in a thread, once the program is on air: it takes a quarter of a second."""
    await asyncio.to_thread(import_module, "tg_video_streamer.app.web")
    from tg_video_streamer.app import web as web_parts  # noqa: PLC0415 - imported above, in a thread

    try:
        web = web_parts.web(parts)
    except ListenFailed as error:
        log.warning("no page", error=str(error))
        return "none"
    start("web", keep_running("web", web.serve, parts.clock))
    log.info("preview and status", address=web.listener.url)
    return web.listener.url


def _view(parts: Parts, address: str) -> Callable[[], Coroutine[None, None, None]]:
    from tg_video_streamer.terminal.view import TerminalView  # noqa: PLC0415 - rich, only where there is a terminal

    station = parts.station
    return lambda: TerminalView(
        station.status, preview_address=address, history=station.history, clock=parts.clock
    ).run()


def _leave_the_air(parts: Parts) -> None:
    parts.playout.stop()
    parts.fanout.finish()
    deadline = parts.clock.monotonic() + LAST_PACKETS_SECONDS
    for handler in parts.outputs:
        handler.finish(max(0.0, deadline - parts.clock.monotonic()))
    parts.fanout.close()

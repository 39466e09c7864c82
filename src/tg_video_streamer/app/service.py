"""The running service: starts its parts in order, and stops them in reverse."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.control import Control
from tg_video_streamer.app.keep_running import PAUSES, PROGRAM_PAUSES, Anew, Endless, Keep, MakePart, Part
from tg_video_streamer.app.live import LiveService
from tg_video_streamer.app.telegram import TelegramService
from tg_video_streamer.app.telegram_source import TelegramSourceService
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.asrun.sharing import AsRunSharing
from tg_video_streamer.automation.program import Program
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.control.socket.server import serve as serve_control
from tg_video_streamer.control.status_text import StatusText
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import DiskHangs, LibraryError, ListenFailed, StreamerError
from tg_video_streamer.library.library import Library
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.monitoring.metrics_server import MetricsServer
from tg_video_streamer.monitoring.systemd import ProgressReport, ServiceManager
from tg_video_streamer.monitoring.webhooks.sender import Webhooks
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.spool.spool import Spool

if TYPE_CHECKING:
    from tg_video_streamer.app.fleet import FleetTerm

log = structlog.get_logger(__name__)

LAST_PACKETS_SECONDS = 0.5
"""How long the outputs together may take to send the end of the program."""
CANCEL_AGAIN_SECONDS = 10.0
"""Longer than any part takes to save what it has."""
FIRST_ITEM_SECONDS = 1.0
"""How long the program waits for its first item before it begins with the slate."""


class _Tasks:
    """The tasks of a running service; those that are still running are cancelled in reverse."""

    def __init__(self, group: asyncio.TaskGroup, stack: AsyncExitStack, keep: Keep) -> None:
        self._group = group
        self._stack = stack
        self._keep = keep

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start what keeps parts running."""
        self._stack.callback(_cancel, self._group.create_task(work))

    def closes(self, listener: socket.socket) -> None:
        """Close a listener once the part that answers at it has been ended."""
        self._stack.callback(listener.close)

    def keep(self, name: str, make: MakePart, pauses: Backoff = PAUSES) -> None:
        """Start a part, which is made anew where it fails."""
        self.start(self._keep(name, make, pauses))

    def keep_program(self, name: str, part: Part) -> None:
        """Start a part that decides what plays; its `run` begins from nothing but what the program knows."""
        self.keep(name, lambda: part, PROGRAM_PAUSES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """All parts, made and not started."""

    context: BuildContext
    folder: ClaimedFolder
    fleet: FleetTerm | None
    """None for a channel of one host."""
    as_run: AsRunLog
    library: Library | None
    """None where nothing is cached."""
    as_run_sharing: AsRunSharing | None
    """None for a channel of one host."""
    shared_library: MakePart | None
    """None where hosts share none."""
    spool: Spool | None
    """None where nothing is downloaded ahead of need."""
    program: Program
    audience: MakePart | None
    """None where viewers are never known."""
    live: Anew[LiveService] | None
    """None where no live stream may come in."""
    telegram: TelegramService | None
    """None where OUTPUTS has no `telegram`."""
    telegram_source: TelegramSourceService
    outputs: tuple[OutputHandler, ...]
    control: Control
    chat: MakePart | None
    """None where the settings ask for nothing in the chat."""
    metrics: Anew[MetricsServer]
    notifier: Notifier
    webhooks: Webhooks
    heartbeat: MakePart
    ytdlp: MakePart
    keep: Keep

    async def run(self, stop: asyncio.Event, *, table: bool) -> None:
        """Be on air until `stop`, or until another host is; `table` shows the live view in the terminal.

        A host of a fleet stands by until it has the lease: it is asked and seen, and sends nothing.
        """
        async with AsyncExitStack() as opened, asyncio.TaskGroup() as group, AsyncExitStack() as started:
            tasks = _Tasks(group, started, self.keep)
            self.as_run.start()
            opened.callback(self.as_run.stop)
            await self._open_library(opened)
            if self.spool is not None:
                tasks.keep_program("spool", self.spool)
            await self.program.scheduler.open()
            tasks.keep_program("playlist", self.program.playlist)
            if self._stands_by:
                ends = self.fleet.keeper.held if self.fleet is not None else stop
            else:
                ends = self.fleet.over if self.fleet is not None else stop
                await self._start_program(tasks, started)
            manager = await self._start_services(tasks, table=table)
            await _first(stop.wait(), ends.wait())
            log.info("stopping")
            if stop.is_set():
                manager.stopping()

    @property
    def _stands_by(self) -> bool:
        return self.fleet is not None and self.fleet.stands_by

    def _alive_seconds(self) -> float:
        """What grows while the service works: the program, or on a standby the time."""
        return self.context.clock.monotonic() if self._stands_by else self.program.playout.program_seconds

    async def _start_program(self, tasks: _Tasks, started: AsyncExitStack) -> None:
        """Go on air; what is pushed on `started` leaves it."""
        if self.fleet is not None:
            started.push_async_callback(self.fleet.release)
            # What was changed in the last second belongs to what the next host gets.
            started.push_async_callback(self._save_program)
        await self._prime(tasks)
        tasks.keep_program("backup", self.program.backup)
        if self.program.filler is not None:
            tasks.keep_program("filler", self.program.filler)
        if self.telegram is not None:
            tasks.start(self.telegram.run(self.keep))
        if self.telegram_source.own:
            tasks.keep("telegram session", lambda: self.telegram_source)
        self._go_on_air()
        started.push_async_callback(asyncio.to_thread, self._leave_the_air)
        tasks.keep_program("position", self.program.position_saver)
        tasks.keep_program("program state", self.program.state)
        tasks.keep_program("scheduler", self.program.scheduler)
        if self.chat is not None:
            tasks.keep("chat", self.chat)

    async def _save_program(self) -> None:
        await self.program.position_saver.save(START_SECONDS)
        await self.program.state.save(START_SECONDS)
        await asyncio.to_thread(self.as_run.settle, LAST_PACKETS_SECONDS)
        if self.as_run_sharing is not None:
            with suppress(StreamerError, OSError):
                await self.as_run_sharing.exchange()

    async def _start_services(self, tasks: _Tasks, *, table: bool) -> ServiceManager:
        """What shows and steers the program."""
        manager = self._start_control(tasks)
        await self.metrics.current.start()
        self._start_side_services(tasks)
        page_url = await self._start_web(tasks)
        if table:
            tasks.keep("terminal", lambda: Endless(partial(self._view, page_url)))
        return manager

    async def _open_library(self, opened: AsyncExitStack) -> None:
        """A library that cannot be opened caches nothing and says so in its `problem`; the program needs none."""
        if self.library is None:
            return
        opened.push_async_callback(self._close_library)
        try:
            await DISKS.run_within(START_SECONDS, self.library.folder, self.library.open)
        except (LibraryError, DiskHangs) as error:
            log.error("there is no library", why=str(error))  # noqa: TRY400 - an error of the operator's to mend

    async def _close_library(self) -> None:
        if self.library is not None:
            with suppress(DiskHangs):
                await DISKS.run_within(START_SECONDS, self.library.folder, self.library.close)

    async def _prime(self, tasks: _Tasks) -> None:
        """Start the director, once the playlist is read if that is in time, and wait a moment for its first item."""
        playlist, director, begun = self.program.playlist, self.program.director, False
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ITEM_SECONDS):
                await playlist.loaded.wait()
                await self.program.file_check.check()
                begun = True
                tasks.keep_program("director", director)
                await director.first_item.wait()
        if not begun:
            tasks.keep_program("director", director)
        tasks.keep_program("files", self.program.file_check)

    def _go_on_air(self) -> None:
        self.program.playout.start()
        for handler in self.outputs:
            handler.start()

    def _leave_the_air(self) -> None:
        """The program ends before its sources do: without them it would show the slate for its last moment."""
        clock, fanout = self.context.clock, self.context.fanout
        self.program.playout.stop()
        fanout.finish()
        deadline = clock.monotonic() + LAST_PACKETS_SECONDS
        for handler in self.outputs:
            handler.finish(max(0.0, deadline - clock.monotonic()))
        fanout.close()

    def _start_control(self, tasks: _Tasks) -> ServiceManager:
        """Answer the control socket, and report to systemd, which may send SIGHUP."""
        commands = self.control.commands
        tasks.keep("control", lambda: Endless(partial(serve_control, self.folder.listener, commands)))
        manager = ServiceManager.of(os.environ)
        report = partial(
            ProgressReport,
            manager,
            program_seconds=self._alive_seconds,
            status=lambda: StatusText(self.context.translator).line(commands.status()),
        )
        tasks.keep("systemd", report, PROGRAM_PAUSES)
        if manager.present:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload, manager)
        return manager

    def _reload(self, manager: ServiceManager) -> None:
        """What SIGHUP asks for: as the command `reload`, with the answer in the log."""
        manager.reloading()
        try:
            log.info("reloaded", answer=self.control.commands.reload())
        except StreamerError as error:
            log.warning("not reloaded", why=str(error))
        finally:
            manager.reloaded()

    def _start_side_services(self, tasks: _Tasks) -> None:
        """What the program can do without."""
        optional: dict[str, MakePart | None] = {
            "metrics": self.metrics,
            "notify": lambda: self.notifier,
            "yt-dlp": self.ytdlp,
            "webhooks": lambda: self.webhooks,
            "heartbeat": self.heartbeat,
            "audience": self.audience,
            "history": lambda: self.control.history,
            "live": self.live,
            "preparer": self.program.preparer,
            "spooler": self.program.spooler,
            "shared library": self.shared_library,
        }
        if (sharing := self.as_run_sharing) is not None:
            optional["as-run sharing"] = lambda: sharing
        for name, make in optional.items():
            if make is not None:
                tasks.keep(name, make)

    async def _start_web(self, tasks: _Tasks) -> str:
        """Serve the page; its URL. Imported in a thread once the program is on air: that takes a quarter of a second."""
        module = await asyncio.to_thread(import_module, "tg_video_streamer.app.web")
        try:
            web = module.make_web(
                self.context, self.control.commands, self.telegram, self.live, self.program, self.control.looks
            )
        except ListenFailed as error:
            log.warning("no page", error=str(error))
            return "none"
        tasks.closes(web.listener.socket)
        tasks.keep("web", lambda: web)
        log.info("preview and status", address=web.listener.url)
        return str(web.listener.url)

    async def _view(self, page_url: str) -> None:
        from tg_video_streamer.terminal.view import TerminalView  # noqa: PLC0415 - rich, only for a terminal

        commands = self.control.commands
        view = TerminalView(
            commands.status, preview_address=page_url, history=commands.history, clock=self.context.clock
        )
        await view.run()


def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel it, and again while it does not end: libraries lose a cancellation in asyncio.wait_for before Python 3.12."""
    if not task.done():
        task.cancel()
        asyncio.get_running_loop().call_later(CANCEL_AGAIN_SECONDS, _cancel, task)


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of them is over; the others are given up."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

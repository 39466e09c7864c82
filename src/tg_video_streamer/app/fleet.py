"""This host's part in a fleet: term after term it stands by, and then has the channel; imported only where FLEET is set."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from tg_video_streamer.app.feeds import Feeds
from tg_video_streamer.app.fleet_facts import fleet_facts
from tg_video_streamer.app.shared_encodes import SharedEncodes
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.asrun.sharing import AsRunSharing
from tg_video_streamer.control.commands import CommandRequest, Commands, make_request
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.socket.protocol import failure, parse_reply, success
from tg_video_streamer.control.status import FleetStatus, HostStatus, WorkerStatus
from tg_video_streamer.errors import ControlError
from tg_video_streamer.fleet.address import fleet_address
from tg_video_streamer.fleet.as_run_stream import AsRunStream
from tg_video_streamer.fleet.cipher import Cipher
from tg_video_streamer.fleet.connection import ANSWER_SECONDS, FleetConnection, answer_within
from tg_video_streamer.fleet.guard import LeaseGuard, running_seconds
from tg_video_streamer.fleet.hosts import (
    ON_AIR,
    STANDBY,
    Difference,
    HostReport,
    HostReports,
    changed_subject,
    command_subject,
    differences,
    move_subject,
)
from tg_video_streamer.fleet.jobs import WORKERS_SUBJECT, WorkerReport
from tg_video_streamer.fleet.lease import HOLD_SECONDS, Lease, LeaseEnd, LeaseState
from tg_video_streamer.fleet.lease_bucket import NatsLeaseBucket
from tg_video_streamer.fleet.lease_keeper import LeaseKeeper
from tg_video_streamer.fleet.replicated_state import ReplicatedState
from tg_video_streamer.locales.message import Message
from tg_video_streamer.settings.settings import Settings

log = structlog.get_logger(__name__)


_COMMAND_SECONDS = 6.0
"""A command waits longer for the disk of the playlist than this host waits for NATS."""
_LOOK_SECONDS = 10.0
_SHOWN_DIFFERENCES = 5

Serve = Callable[["FleetTerm"], Awaitable[None]]
"""Runs the service: as a standby where the term has no lease, until it has; otherwise on air, until the term is over."""


async def run_terms(settings: Settings, stop: asyncio.Event, serve: Serve) -> None:
    """Stand by and be on air in turn until `stop`; each time with parts that begin from what STATE_DIR has."""
    takeovers = 0
    while not stop.is_set():
        async with asyncio.TaskGroup() as tasks:
            term = FleetTerm(settings, takeovers=takeovers)
            running = tasks.create_task(term.run())
            await serve(term)
            if not stop.is_set():
                takeovers += 1
                await term.state.restore()
                copying = tasks.create_task(term.state.keep_copying())
                await serve(term)
                copying.cancel()
            running.cancel()


class FleetTerm:
    """One term of one channel on this host: standby, then perhaps holder, then over."""

    def __init__(self, settings: Settings, *, takeovers: int) -> None:
        """To be made in the event loop. `takeovers`: how often this process had the channel before."""
        self._settings = settings
        self.host = host_name(settings)
        self.channel = settings.channel
        address = fleet_address(settings.fleet, settings.fleet_credentials.get_secret_value(), settings.fleet_ca)
        self.connection = FleetConnection(address, host=self.host)
        self.guard = LeaseGuard()
        self.keeper = LeaseKeeper(
            Lease(
                host=self.host,
                process=uuid4().hex,
                place=_place(settings.state_dir),
                rank=settings.fleet_priority,
                now=running_seconds(),
            ),
            NatsLeaseBucket(self.connection, self.channel),
            guard=self.guard,
            now=running_seconds,
            stays_when_isolated=settings.fleet_isolated == "stay",
            renewed=self._renewed,
        )
        self.over = asyncio.Event()
        """Set where this host shall leave the air: the lease is gone, or it is moved."""
        self._next_host = ""
        self._takeovers = takeovers
        self._renewal_seconds = 0.0
        self._encodes: SharedEncodes | None = None
        self._commands: Commands | None = None
        self._hosts: tuple[HostReport, ...] = ()
        self._workers: tuple[WorkerStatus, ...] = ()
        self._facts: dict[str, str] = {}
        self._state: Callable[[], str] = lambda: ""
        self._reports = HostReports(self.connection)
        secret = settings.session_string.get_secret_value()
        self.state = ReplicatedState(
            self.connection,
            self.channel,
            settings.state_dir,
            lambda: self.keeper.lease.epoch,
            cipher=Cipher(secret) if secret else None,
        )

    def tells(self, state: Callable[[], str], commands: Commands) -> None:
        """`state`: the channel's, for the other hosts, whose commands `commands` carry out while this host has the channel."""
        self._state, self._commands = state, commands

    async def run(self) -> None:
        """Until cancelled; the lease is over before that."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.connection.run())
            tasks.create_task(self._listen())
            await self.connection.connected.wait()
            tasks.create_task(self._reports.keep_saying(self._report))
            tasks.create_task(self._reports.keep_reading(self._heard))
            tasks.create_task(self._look_around())
            await self.keeper.run()
            self.over.set()
            # The connection is needed until the lease has been given away.
            await asyncio.Event().wait()

    @property
    def stands_by(self) -> bool:
        """This host never had the lease in this term."""
        return not self.keeper.held.is_set()

    async def release(self) -> None:
        """Give the lease away, once the last slice was sent, and say so."""
        if self.guard.may_send():
            await self.state.copy()
        await self.keeper.release(self._next_host)
        if self.keeper.lease.end is LeaseEnd.RELEASED and self.connection.client.is_connected:
            with suppress(NatsError, TimeoutError):
                async with answer_within(ANSWER_SECONDS):
                    await self.connection.client.publish(changed_subject(self.channel))
                    await self.connection.client.flush()

    def shared_library(self, feeds: Feeds) -> SharedEncodes | None:
        """What this channel has of store and farm; None without FLEET_STORE, or where nothing is cached."""
        if not self._settings.fleet_store or feeds.library is None:
            return None
        self._encodes = SharedEncodes(self._settings, feeds, feeds.library, self.connection)
        return self._encodes

    def as_run_sharing(self, own: AsRunLog, path: Path) -> AsRunSharing:
        """What makes the as-run logs of all hosts one."""
        return AsRunSharing(own, path, AsRunStream(self.connection, self.channel))

    def status(self) -> FleetStatus:
        """What is known of the lease."""
        lease = self.keeper.lease
        holder = lease.seen.holder if lease.seen is not None else None
        return FleetStatus(
            channel=self.channel,
            host=self.host,
            lease=lease.state,
            holder=holder.host if holder is not None and not holder.released else "",
            connected=self.connection.client.is_connected,
            takeovers=self._takeovers + (not self.stands_by),
            renewal_seconds=self._renewal_seconds,
            farm_jobs=self._encodes.jobs() if self._encodes is not None else {},
            hosts=tuple(map(_host_status, self._hosts)),
            workers=self._workers,
            lease_seconds=max(0.0, running_seconds() - self._lease_seen_at()),
        )

    def warnings(self) -> list[Message]:
        """What the operator should know."""
        if not self.connection.client.is_connected:
            return [Message.of("fleet.no_connection")]
        return [_difference(one) for one in differences(self._hosts, self.channel)[:_SHOWN_DIFFERENCES]]

    async def forward(self, request: CommandRequest, by: str) -> Any:
        """See Commands."""
        words = {"command": request.command.name, **request.arguments}
        question = json.dumps({"request": words, "by": by, "host": self.host}).encode()
        try:
            async with answer_within(_COMMAND_SECONDS):
                answer = await self.connection.client.request(
                    command_subject(self.channel), question, timeout=_COMMAND_SECONDS
                )
        except (NatsError, TimeoutError) as error:
            raise ControlError.of("refused.standby", host=self.status().holder or "?") from error
        return parse_reply(answer.data)

    def _renewed(self, seconds: float) -> None:
        self._renewal_seconds = seconds

    def _report(self) -> HostReport:
        held = self.keeper.lease.state is LeaseState.HELD
        return HostReport(
            channel=self.channel,
            host=self.host,
            role=ON_AIR if held else STANDBY,
            state=self._state(),
            version=installed_version("tg-video-streamer"),
            priority=self._settings.fleet_priority,
            behind_seconds=self._behind_seconds(),
            facts=self._facts,
        )

    def _behind_seconds(self) -> float:
        copied_at = self.state.copied_at
        return round(time.monotonic() - copied_at, 1) if copied_at is not None else 0.0

    def _lease_seen_at(self) -> float:
        lease = self.keeper.lease
        return lease.deadline - HOLD_SECONDS if lease.state is LeaseState.HELD else lease.changed_at

    def _heard(self, reports: tuple[HostReport, ...]) -> None:
        self._hosts = reports

    async def _look_around(self) -> None:
        """Find out what should be the same on all hosts, and which workers there are."""
        while True:
            self._facts = await fleet_facts(self._settings)
            with suppress(NatsError, TimeoutError, ValueError):
                answers = await self.connection.ask_all(WORKERS_SUBJECT)
                found = sorted(map(WorkerReport.decode, answers), key=lambda one: one.worker)
                self._workers = tuple(
                    WorkerStatus(worker=one.worker, places=one.places, version=one.version, jobs=one.jobs)
                    for one in found
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _listen(self) -> None:
        await self.connection.connected.wait()
        client = self.connection.client
        await client.subscribe(changed_subject(self.channel), cb=self._changed)
        await client.subscribe(move_subject(self.channel), cb=self._move)
        await client.subscribe(command_subject(self.channel), cb=self._command)

    async def _command(self, message: Msg) -> None:
        """A command that was given to another host; only the holder answers."""
        if self.keeper.lease.state is not LeaseState.HELD or self.over.is_set() or self._commands is None:
            return
        try:
            asked = json.loads(message.data)
            request = make_request(asked["request"].pop("command"), asked["request"])
            caller = Caller(origin=Origin.FLEET, name=f"{asked['by']} on {asked['host']}")
            answer = success(await execute(self._commands, request, caller))
        except ControlError as error:
            answer = failure(error)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("a command of another host cannot be read", why=str(error))
            return
        with suppress(NatsError):
            await message.respond(answer)

    async def _changed(self, _message: Msg) -> None:
        self.keeper.look()

    async def _move(self, message: Msg) -> None:
        """A holder leaves the air for the host that is named; everybody else says nothing."""
        if self.keeper.lease.state is not LeaseState.HELD or self.over.is_set():
            return
        self._next_host = message.data.decode(errors="replace")
        log.info("the channel moves", host=self._next_host)
        try:
            await message.respond(b"moving")
        except NatsError as error:
            log.warning("the question was not answered", error=str(error))
        self.over.set()


def _host_status(report: HostReport) -> HostStatus:
    return HostStatus(
        channel=report.channel,
        host=report.host,
        role=report.role,
        state=report.state,
        version=report.version,
        priority=report.priority,
        behind_seconds=report.behind_seconds,
    )


def _difference(one: Difference) -> Message:
    facts = ", ".join(f"{host} {fact}" for host, fact in sorted(one.facts.items()))
    return Message.of("fleet.differs", name=one.name, facts=facts)


def host_name(settings: Settings) -> str:
    """HOST_NAME, or the host's own name as far as it may be part of a subject."""
    return settings.host_name or socket.gethostname().partition(".")[0]


def _place(folder: Path) -> str:
    """This STATE_DIR of this host since it was started: only one process at a time has it."""
    found = folder.stat()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{found.st_dev}:{found.st_ino}"

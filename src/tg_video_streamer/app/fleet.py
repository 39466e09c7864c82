"""This host's part in a fleet: term after term it stands by, and then has the channel; imported only where FLEET is set."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from importlib.metadata import version as installed_version
from pathlib import Path
from uuid import uuid4

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from tg_video_streamer.app.feeds import Feeds
from tg_video_streamer.app.shared_encodes import SharedEncodes
from tg_video_streamer.control.status import FleetStatus
from tg_video_streamer.fleet.address import fleet_address
from tg_video_streamer.fleet.connection import FleetConnection
from tg_video_streamer.fleet.guard import LeaseGuard, running_seconds
from tg_video_streamer.fleet.hosts import ON_AIR, STANDBY, HostReport, HostReports, changed_subject, move_subject
from tg_video_streamer.fleet.lease import Lease, LeaseEnd, LeaseState
from tg_video_streamer.fleet.lease_bucket import NatsLeaseBucket
from tg_video_streamer.fleet.lease_keeper import LeaseKeeper
from tg_video_streamer.fleet.replicated_state import ReplicatedState
from tg_video_streamer.locales.message import Message
from tg_video_streamer.settings.settings import Settings

log = structlog.get_logger(__name__)


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
        self._state: Callable[[], str] = lambda: ""
        self._reports = HostReports(self.connection)
        self.state = ReplicatedState(self.connection, self.channel, settings.state_dir, lambda: self.keeper.lease.epoch)

    def tells(self, state: Callable[[], str]) -> None:
        """`state`: the channel's, for the other hosts."""
        self._state = state

    async def run(self) -> None:
        """Until cancelled; the lease is over before that."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.connection.run())
            tasks.create_task(self._listen())
            await self.connection.connected.wait()
            tasks.create_task(self._reports.keep_saying(self._report))
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
            await self.connection.client.publish(changed_subject(self.channel))
            await self.connection.client.flush(timeout=1)

    def shared_library(self, feeds: Feeds) -> SharedEncodes | None:
        """What this channel has of store and farm; None without FLEET_STORE, or where nothing is cached."""
        if not self._settings.fleet_store or feeds.library is None:
            return None
        self._encodes = SharedEncodes(self._settings, feeds, feeds.library, self.connection)
        return self._encodes

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
        )

    def warnings(self) -> list[Message]:
        """What the operator should know."""
        return [] if self.connection.client.is_connected else [Message.of("fleet.no_connection")]

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
        )

    async def _listen(self) -> None:
        await self.connection.connected.wait()
        client = self.connection.client
        await client.subscribe(changed_subject(self.channel), cb=self._changed)
        await client.subscribe(move_subject(self.channel), cb=self._move)

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


def host_name(settings: Settings) -> str:
    """HOST_NAME, or the host's own name as far as it may be part of a subject."""
    return settings.host_name or socket.gethostname().partition(".")[0]


def _place(folder: Path) -> str:
    """This STATE_DIR of this host since it was started: only one process at a time has it."""
    found = folder.stat()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{found.st_dev}:{found.st_ino}"

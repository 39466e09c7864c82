"""What the commands of a fleet do: they ask NATS, so they need no service on this host."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace
from pathlib import Path

import typer
from nats.errors import Error as NatsError

from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.run import load
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.errors import ConfigError, FleetError, FleetUnreachable
from tg_video_streamer.fleet.address import fleet_address
from tg_video_streamer.fleet.connection import ANSWER_SECONDS, FleetConnection, connected
from tg_video_streamer.fleet.hosts import ON_AIR, STANDBY, HostReport, HostReports, differences, move_subject
from tg_video_streamer.fleet.jobs import WORKERS_SUBJECT, WorkerReport
from tg_video_streamer.fleet.lease_bucket import NatsLeaseBucket

_MOVE_SECONDS = 15.0
"""A takeover after a host's death takes less: if nobody has the channel then, something else is wrong."""


def show(env_file: Path | None, *, as_json: bool) -> int:
    """Print the reports of all hosts."""

    async def ask() -> tuple[HostReport, ...]:
        async with _connection(env_file) as connection:
            reports = await HostReports(connection).all()
            # What a host said last may be older than the lease.
            holders = {one: await _holder(NatsLeaseBucket(connection, one)) for one in {one.channel for one in reports}}
            return tuple(replace(one, role=ON_AIR if holders[one.channel] == one.host else STANDBY) for one in reports)

    reports = asyncio.run(ask())
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in reports], indent=2))
        return 0
    for one in reports:
        role = words.text(f"fleet.role.{one.role}")
        typer.echo(words.text("fleet.line", channel=one.channel, host=one.host, role=role, version=one.version))
    if not reports:
        typer.echo(words.text("fleet.no_report"))
    return 0


def move(env_file: Path | None, channel: str, host: str) -> int:
    """Ask the holder to leave for `host`, and wait until that is on air."""

    async def ask() -> None:
        async with _connection(env_file) as connection:
            await _move(connection, channel, host)

    asyncio.run(ask())
    typer.echo(words.text("fleet.moved", channel=channel, host=host))
    return 0


def sync(env_file: Path | None, *, as_json: bool) -> int:
    """Print what differs between the hosts of the channel."""
    channel = load(env_file, demo=False).settings.channel

    async def ask() -> tuple[HostReport, ...]:
        async with _connection(env_file) as connection:
            return await HostReports(connection).all()

    reports = [one for one in asyncio.run(ask()) if one.channel == channel]
    found = differences(reports, channel)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            facts = ", ".join(f"{host.host} {one.facts.get(host.host, '-')}" for host in reports)
            typer.echo(f"{one.name}  {facts}")
        if not found:
            typer.echo(words.text("fleet.in_sync" if reports else "fleet.no_report"))
    return 1 if found else 0


def workers(env_file: Path | None, *, as_json: bool) -> int:
    """Print what the workers say that answer now."""

    async def ask() -> list[WorkerReport]:
        async with _connection(env_file) as connection:
            try:
                return [WorkerReport.decode(one) for one in await connection.ask_all(WORKERS_SUBJECT)]
            except (NatsError, TimeoutError) as error:
                raise FleetUnreachable.of("fleet.unreachable", detail=str(error)) from error

    found = sorted(asyncio.run(ask()), key=lambda one: one.worker)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
        return 0
    for one in found:
        busy, version = len(one.jobs), one.version
        typer.echo(words.text("fleet.worker", worker=one.worker, busy=busy, places=one.places, version=version))
        for job in one.jobs:
            typer.echo(f"  {printable(job)}")
    if not found:
        typer.echo(words.text("fleet.no_worker"))
    return 0


async def _move(connection: FleetConnection, channel: str, host: str) -> None:
    lease = NatsLeaseBucket(connection, channel)
    if await _holder(lease) == host:
        return
    if (channel, host) not in {(one.channel, one.host) for one in await HostReports(connection).all()}:
        raise FleetError.of("fleet.no_such_host", host=host, channel=channel)
    try:
        await connection.client.request(move_subject(channel), host.encode(), timeout=2 * ANSWER_SECONDS)
    except NatsError as error:
        raise FleetError.of("fleet.no_holder", channel=channel) from error
    try:
        async with asyncio.timeout(_MOVE_SECONDS):
            while True:
                if await _holder(lease) == host:
                    return
                await asyncio.sleep(ANSWER_SECONDS / 4)
    except TimeoutError as error:
        raise FleetError.of("fleet.not_moved", channel=channel, host=host) from error


async def _holder(lease: NatsLeaseBucket) -> str:
    """The host that has the lease; empty where none does."""
    holder = (await lease.read()).holder
    return holder.host if holder is not None and not holder.released else ""


def _connection(env_file: Path | None) -> AbstractAsyncContextManager[FleetConnection]:
    settings = load(env_file, demo=False).settings
    if not settings.fleet:
        raise ConfigError(["FLEET: is not set, so this channel has one host"])
    address = fleet_address(settings.fleet, settings.fleet_credentials.get_secret_value(), settings.fleet_ca)
    return connected(address, host=f"{socket.gethostname()} (command)")

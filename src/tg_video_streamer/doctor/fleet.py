"""Checks whether the hosts of a fleet can agree: whether NATS answers and keeps things, and who stands by."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tg_video_streamer.doctor.finding import Finding, doubt, failure, well
from tg_video_streamer.errors import FleetError, StoreUnusable
from tg_video_streamer.fleet.address import fleet_address, store_address
from tg_video_streamer.fleet.connection import connected
from tg_video_streamer.fleet.hosts import HostReport, HostReports
from tg_video_streamer.fleet.store import EncodeStore
from tg_video_streamer.settings.settings import Settings


async def fleet_findings(settings: Settings) -> list[Finding]:
    """Asks NATS as the service does, and changes nothing."""
    address = fleet_address(settings.fleet, settings.fleet_credentials.get_secret_value(), settings.fleet_ca)
    try:
        async with connected(address, host=f"{socket.gethostname()} (doctor)") as connection:
            found = [_hosts(settings, await HostReports(connection).all())]
    except FleetError as error:
        found = [failure("fleet", error)]
    if not settings.fleet_store:
        return found
    try:
        return [*found, well("store", "doctor.store", count=await _stored(settings))]
    except StoreUnusable as error:
        return [*found, failure("store", error)]


async def fleet_errors(settings: Settings) -> list[FleetError]:
    """What of NATS and the store cannot be used now."""
    address = fleet_address(settings.fleet, settings.fleet_credentials.get_secret_value(), settings.fleet_ca)
    found: list[FleetError] = []
    try:
        async with connected(address, host=f"{socket.gethostname()} (check)") as connection:
            await HostReports(connection).all()
    except FleetError as error:
        found.append(error)
    try:
        if settings.fleet_store:
            await _stored(settings)
    except StoreUnusable as error:
        found.append(error)
    return found


async def _stored(settings: Settings) -> int:
    """How many encodes the store has. Raises StoreUnusable."""
    address = store_address(
        settings.fleet_store,
        credentials=settings.fleet_store_credentials.get_secret_value(),
        endpoint=settings.fleet_store_endpoint,
    )
    return len(await EncodeStore(address).encodes())


def _hosts(settings: Settings, reports: Sequence[HostReport]) -> Finding:
    hosts = [one.host for one in reports if one.channel == settings.channel]
    if len(hosts) < 2:
        return doubt("fleet", "doctor.fleet_alone", channel=settings.channel, count=len(hosts))
    return well("fleet", "doctor.fleet", channel=settings.channel, hosts=", ".join(hosts))

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
            reports = await HostReports(connection).all()
    except FleetError as error:
        return [failure("fleet", error), *await store_findings(settings)]
    return [_hosts(settings, reports), *await store_findings(settings)]


async def store_findings(settings: Settings) -> list[Finding]:
    """Lists the store, where there is one."""
    if not settings.fleet_store:
        return []
    address = store_address(
        settings.fleet_store,
        credentials=settings.fleet_store_credentials.get_secret_value(),
        endpoint=settings.fleet_store_endpoint,
    )
    try:
        return [well("store", "doctor.store", count=len(await EncodeStore(address).encodes()))]
    except StoreUnusable as error:
        return [failure("store", error)]


def _hosts(settings: Settings, reports: Sequence[HostReport]) -> Finding:
    hosts = [one.host for one in reports if one.channel == settings.channel]
    if len(hosts) < 2:
        return doubt("fleet", "doctor.fleet_alone", channel=settings.channel, count=len(hosts))
    return well("fleet", "doctor.fleet", channel=settings.channel, hosts=", ".join(hosts))

"""Many leases on three NATS servers: what they cost, and how late a takeover is when a host with all of them dies."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import psutil
from bench.report import Table

from stands.nats_server import NatsCluster
from tg_video_streamer.fleet.address import fleet_address
from tg_video_streamer.fleet.connection import FleetConnection
from tg_video_streamer.fleet.guard import LeaseGuard, running_seconds
from tg_video_streamer.fleet.lease import Lease
from tg_video_streamer.fleet.lease_bucket import NatsLeaseBucket
from tg_video_streamer.fleet.lease_keeper import LeaseKeeper

_A_CONNECTION = 50
"""Leases; each channel of a real host has a connection of its own."""


class _Host:
    """All channels of one host, in this process."""

    def __init__(self, url: str, name: str, channels: int, *, rank: int) -> None:
        self.renewals: list[float] = []
        self.held_at: dict[int, float] = {}
        self._connections = [
            FleetConnection(fleet_address(url, "", None), host=f"{name}-{number}")
            for number in range(-(-channels // _A_CONNECTION))
        ]
        self._keepers = [
            LeaseKeeper(
                Lease(host=name, process=f"{name}/{number}", place=name, rank=rank, now=running_seconds()),
                NatsLeaseBucket(self._connections[number // _A_CONNECTION], f"c{number}"),
                guard=LeaseGuard(),
                now=running_seconds,
                renewed=self.renewals.append,
            )
            for number in range(channels)
        ]

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for connection in self._connections:
                tasks.create_task(connection.run())
            for connection in self._connections:
                await connection.connected.wait()
            for number, keeper in enumerate(self._keepers):
                tasks.create_task(keeper.run())
                tasks.create_task(self._note(number, keeper))
                # As channels that were started one after the other.
                await asyncio.sleep(1 / len(self._keepers))

    async def _note(self, number: int, keeper: LeaseKeeper) -> None:
        await keeper.held.wait()
        self.held_at[number] = time.monotonic()

    async def all_held(self) -> None:
        """Until it has every lease."""
        for keeper in self._keepers:
            await keeper.held.wait()


def measure(folder: Path, *, quick: bool) -> Table:
    """One host has all leases, another one waits for them; then the first one dies."""
    rows = [
        _measure(folder / str(channels), channels, 10 if quick else 60)
        for channels in ((100,) if quick else (100, 1000))
    ]
    return Table(
        question="Many leases",
        columns=(
            "leases",
            "renewals a second",
            "a renewal, median",
            "the slowest of 100",
            "processor of three NATS servers, in cores",
            "of both hosts, in cores",
            "takeover, median",
            "the slowest of 100",
        ),
        rows=tuple(rows),
        notes=(
            "Three NATS servers and both hosts on this machine; the hosts share one Python process, so its one core is the limit.",
            "A takeover is counted from the end of the first host; it takes at least 5 s, since a lease is taken 6 s after its last change.",
        ),
    )


def _measure(folder: Path, channels: int, seconds: int) -> tuple[str, ...]:
    folder.mkdir()
    with NatsCluster(folder) as cluster:
        return asyncio.run(_play(cluster, channels, seconds))


async def _play(cluster: NatsCluster, channels: int, seconds: int) -> tuple[str, ...]:
    servers = [psutil.Process(one.pid) for one in cluster.servers]
    first = _Host(cluster.url, "a", channels, rank=1)
    second = _Host(cluster.url, "b", channels, rank=1)
    holding = asyncio.ensure_future(first.run())
    await first.all_held()
    waiting = asyncio.ensure_future(second.run())
    await asyncio.sleep(5)
    first.renewals.clear()
    began, ours, theirs = time.monotonic(), _cpu(psutil.Process()), sum(map(_cpu, servers))
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    renewals = sorted(first.renewals)
    ours, theirs = _cpu(psutil.Process()) - ours, sum(map(_cpu, servers)) - theirs
    died = time.monotonic()
    holding.cancel()
    await second.all_held()
    waits = sorted(at - died for at in second.held_at.values())
    waiting.cancel()
    await asyncio.wait((holding, waiting))
    return (
        str(channels),
        f"{len(renewals) / took:.0f}",
        f"{1000 * statistics.median(renewals):.0f} ms",
        f"{1000 * _slowest(renewals):.0f} ms",
        f"{theirs / took:.2f}",
        f"{ours / took:.2f}",
        f"{statistics.median(waits):.2f} s",
        f"{_slowest(waits):.2f} s",
    )


def _slowest(ordered: list[float]) -> float:
    """Of a hundred: the 99th percentile."""
    return ordered[int(len(ordered) * 0.99)]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)

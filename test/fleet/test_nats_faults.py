"""The lease over real NATS servers that die, freeze, lose their majority or their disk: one sender at most, and one again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from stands.nats_server import NatsCluster, NatsServer
from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.fleet.address import fleet_address
from tg_video_streamer.fleet.connection import FleetConnection
from tg_video_streamer.fleet.guard import LeaseGuard, running_seconds
from tg_video_streamer.fleet.lease import Lease
from tg_video_streamer.fleet.lease_bucket import NatsLeaseBucket
from tg_video_streamer.fleet.lease_keeper import LeaseKeeper

LOOK_SECONDS = 0.01


class Host:
    """One host, in this process: term after term over a connection of its own."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.connection = FleetConnection(fleet_address(url, "", None), host=name)
        self.guard = LeaseGuard()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.connection.run())
            await self.connection.connected.wait()
            for term in range(1000):
                self.guard = LeaseGuard()
                lease = Lease(
                    host=self.name, process=f"{self.name}/{term}", place=self.name, rank=1, now=running_seconds()
                )
                bucket = NatsLeaseBucket(self.connection, "tv")
                await LeaseKeeper(lease, bucket, guard=self.guard, now=running_seconds).run()


class Watch:
    """Looks all the time who may send."""

    def __init__(self, hosts: list[Host]) -> None:
        self.hosts = hosts
        self.both = 0

    def sender(self) -> str:
        """Who may send now; empty for nobody."""
        return next((host.name for host in self.hosts if host.guard.may_send()), "")

    async def run(self) -> None:
        """Count the moments at which two may."""
        while True:
            self.both += sum(host.guard.may_send() for host in self.hosts) > 1
            await asyncio.sleep(LOOK_SECONDS)

    async def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for it."""
        try:
            async with asyncio.timeout(60):
                while not true():  # noqa: ASYNC110 - a number that every thread may read has no event
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise AssertionError(f"after a minute still not: {what}") from None


@asynccontextmanager
async def two_hosts(url: str) -> AsyncIterator[Watch]:
    """Two hosts, one of which has the lease; at the end, never two of them had it."""
    hosts = [Host(url, "a"), Host(url, "b")]
    watch = Watch(hosts)
    async with asyncio.TaskGroup() as tasks:
        running = [*(tasks.create_task(one.run()) for one in hosts), tasks.create_task(watch.run())]
        await watch.until(lambda: watch.sender() != "", "a holder")
        try:
            yield watch
        finally:
            assert watch.both == 0, "two hosts could send at once"
        for task in running:
            task.cancel()


async def _holder_again(host: Host) -> str:
    """Who stands in the bucket that was lost."""
    bucket = NatsLeaseBucket(host.connection, "tv")
    async with asyncio.timeout(60):
        while True:
            with suppress(FleetUnreachable):
                if (holder := (await bucket.read()).holder) is not None and not holder.is_vacancy:
                    return holder.host
            await asyncio.sleep(LOOK_SECONDS)


async def test_one_server_that_comes_back_without_its_disk_ends_nothing(tmp_path: Path) -> None:
    """NATS returns at once with an empty disk: the holder fills the bucket again and sends on; only without NATS it leaves."""
    with NatsServer(tmp_path / "nats") as server:
        async with two_hosts(server.url) as watch:
            holder = watch.sender()
            server.forget()
            await asyncio.to_thread(server.start)
            assert await _holder_again(watch.hosts[0]) == holder
            assert watch.sender() == holder
            server.forget()
            await watch.until(lambda: watch.sender() == "", "the holder leaves")
            server.start()
            await watch.until(lambda: watch.sender() != "", "a holder again")


async def test_a_cluster_loses_a_server_and_its_majority(tmp_path: Path) -> None:
    """One dead server of three ends nothing for good; without a majority nobody sends, and with it again one host does."""
    with NatsCluster(tmp_path) as cluster:
        async with two_hosts(cluster.url) as watch:
            first, second, _ = cluster.servers
            first.stop()
            await asyncio.to_thread(first.start)
            await watch.until(lambda: watch.sender() != "", "a holder with one server away")
            first.freeze()
            second.freeze()
            await watch.until(lambda: watch.sender() == "", "nobody without a majority")
            first.thaw()
            second.thaw()
            await watch.until(lambda: watch.sender() != "", "a holder with a majority")


@pytest.mark.long
async def test_a_hundred_faults_of_nats_in_random_order(tmp_path: Path) -> None:
    """A hundred kills and freezes of three servers, one at a time: never two senders, and always one again."""
    chance = random.Random(7)  # noqa: S311 - which fault comes next is no secret
    with NatsCluster(tmp_path) as cluster:
        async with two_hosts(cluster.url) as watch:
            for number in range(100):
                server = chance.choice(cluster.servers)
                kind = chance.choice(("kill", "freeze"))
                if kind == "freeze":
                    server.freeze()
                    await asyncio.sleep(chance.uniform(0.1, 8))
                    server.thaw()
                else:
                    server.stop()
                    await asyncio.sleep(chance.uniform(0.1, 8))
                    await asyncio.to_thread(server.start)
                await watch.until(lambda: watch.sender() != "", f"a holder after fault {number}, {kind}")

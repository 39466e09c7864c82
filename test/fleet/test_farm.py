"""The farm over a real NATS: jobs that are done, fail, stall, are lost with their worker, or outlast NATS; none is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from stands.cached import HEADERS, encode, item, library
from stands.nats_server import NatsServer
from stands.virtual_time import AheadClock
from tg_video_streamer.errors import FleetUnreachable, JobFailed, WorkerStalled
from tg_video_streamer.fleet import worker as worker_module
from tg_video_streamer.fleet.address import fleet_address, store_address
from tg_video_streamer.fleet.connection import FleetConnection, connected
from tg_video_streamer.fleet.farm import LOST_SECONDS, Farm
from tg_video_streamer.fleet.jobs import (
    MOST_DELIVERIES,
    WORKERS_SUBJECT,
    EncodeJob,
    FileSeen,
    JobReport,
    JobReports,
    JobState,
    WorkerReport,
)
from tg_video_streamer.fleet.shared_library import SharedLibrary
from tg_video_streamer.fleet.store import EncodeStore, KnownSource
from tg_video_streamer.fleet.worker import Encoded, FarmWorker, Progressed
from tg_video_streamer.library.files import media_path, sidecar_path
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Media

SETTINGS = {"video_size": "480p"}


class Encoder:
    """What a worker encodes with: real encodes of made-up packets, in a library of its own."""

    def __init__(self, folder: Path, store: EncodeStore) -> None:
        self.library = library(folder)
        self.store = store
        self.begun: list[str] = []
        self.before: Callable[[int], Awaitable[None]] = _nothing

    async def encode(self, job: EncodeJob, progressed: Progressed) -> Encoded:
        """See `worker.Encode`."""
        self.begun.append(job.id)
        await self.before(len(self.begun))
        progressed(1.0, 5.0)
        one = job.program_item()
        found = self.library.remembered(one)
        made = encode(self.library, one) if found is None else found.encode
        self.library.answered(one, one.locator, title=one.title, duration_seconds=None)
        sidecar = sidecar_path(self.library.folder, made.key).read_bytes()
        await self.store.put(made.key, sidecar, media_path(self.library.folder, made.key))
        await self.store.put_source(one.key, KnownSource(source_id=one.locator, title=one.title, duration_seconds=None))
        return Encoded(key=made.key, source_id=one.locator, title=one.title, duration_seconds=None)


class Stand:
    """One NATS, one store, one channel, and workers."""

    def __init__(self, folder: Path, server: NatsServer, connection: FleetConnection) -> None:
        self.folder, self.server, self.connection = folder, server, connection
        self.clock = AheadClock()
        self.library = library(folder / "channel")
        self.shared = SharedLibrary(
            self.store(),
            self.library,
            resolve=_no_file,
            logo=str,
            max_bytes=1 << 40,
            elected=_no,
            clock=self.clock,
        )
        self.farm = Farm(
            connection,
            self.shared,
            settings=lambda: SETTINGS,
            headers=(HEADERS.video, HEADERS.audio),
            logo=str,
            clock=self.clock,
        )

    def store(self) -> EncodeStore:
        """The store that all share."""
        return EncodeStore(store_address((self.folder / "store").as_uri(), credentials="", endpoint=""))

    @asynccontextmanager
    async def worker(self, name: str, *, places: int = 1, waits: bool = True) -> AsyncIterator[Encoder]:
        """A worker that runs while the block lasts; its end is as sudden as a kill. `waits`: until it answers."""
        encoder = Encoder(self.folder / name, self.store())
        connection = FleetConnection(fleet_address(self.server.url, "", None), host=name)
        worker = FarmWorker(connection, name, places=places, encode=encoder.encode, sees=_sees, logo="")
        running = asyncio.ensure_future(worker.run())
        try:
            async with asyncio.timeout(30):
                while waits and not await self.farm.offers(item("a question")):  # noqa: ASYNC110 - a worker that is ready answers
                    await asyncio.sleep(0.01)
            yield encoder
        finally:
            running.cancel()
            await asyncio.wait((running,))

    def job(self, one: Item) -> EncodeJob:
        """The job of an item."""
        return EncodeJob.of(one, settings=SETTINGS, headers=(HEADERS.video, HEADERS.audio), logo="")

    async def until(self, one: Item, *states: JobState) -> JobReport:
        """Wait until the job is in one of these states."""
        reports = JobReports(self.connection)
        async with asyncio.timeout(60):
            while True:
                # NATS may just come back.
                with suppress(FleetUnreachable):
                    report = await reports.read(self.job(one).id)
                    if report is not None and report.state in states:
                        return report
                await asyncio.sleep(0.02)


async def _nothing(_attempt: int) -> None:
    return


async def _no() -> bool:
    return False


async def _sees(file: FileSeen) -> bool:
    return file.path.startswith("/seen/")


async def _no_file(_item: Item) -> Media:
    raise AssertionError("only local files are looked at")


@pytest.fixture(autouse=True)
def _quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses, and a folder for the store."""
    monkeypatch.setattr(worker_module, "_AGAIN_SECONDS", 0.01)
    (tmp_path / "store").mkdir()


@asynccontextmanager
async def farm_stand(folder: Path) -> AsyncIterator[Stand]:
    """A running NATS and a channel."""
    with NatsServer(folder / "nats") as server:
        async with connected(fleet_address(server.url, "", None), host="channel") as connection:
            yield Stand(folder, server, connection)


async def test_a_worker_encodes_what_the_channel_plays(tmp_path: Path) -> None:
    """The item is handed over once, however often it is asked for, and then is in the channel's library."""
    async with farm_stand(tmp_path) as stand:
        film = item("film")
        assert not await stand.farm.take(film, 0), "there is no worker"
        async with stand.worker("one") as encoder:
            stand.clock.ahead += 60
            assert await stand.farm.take(film, 0)
            assert await stand.farm.take(film, 0)
            done = await stand.until(film, JobState.DONE)
            assert await stand.farm.take(film, 0)
            assert stand.library.remembered(film) is not None
            assert [found.key for found in stand.library.encodes()] == [done.key]
            assert (len(encoder.begun), stand.farm.handed) == (1, 1)


async def test_what_cannot_be_encoded_is_told_and_not_tried_again(tmp_path: Path) -> None:
    """A failure of the item itself is reported with its reason, and the channel is left to encode it by itself."""
    async with farm_stand(tmp_path) as stand:
        film = item("film")

        async def fail(_attempt: int) -> None:
            raise JobFailed.of("job.failed", why="a reason")

        async with stand.worker("one") as encoder:
            encoder.before = fail
            assert await stand.farm.take(film, 0)
            assert "a reason" in (await stand.until(film, JobState.FAILED)).why
            assert not await stand.farm.take(film, 0)
            assert len(encoder.begun) == 1


async def test_an_encode_that_stalls_is_tried_five_times_and_then_reported(tmp_path: Path) -> None:
    """A job comes again after each kill; the fifth is the last. One that works at last is done."""
    async with farm_stand(tmp_path) as stand:
        bad, good = item("bad"), item("good")

        async def stall(_attempt: int) -> None:
            raise WorkerStalled.of("job.stalled", seconds=30)

        async def stall_twice(attempt: int) -> None:
            if attempt <= MOST_DELIVERIES + 2:
                await stall(attempt)

        async with stand.worker("one") as encoder:
            encoder.before = stall
            assert await stand.farm.take(bad, 0)
            assert (await stand.until(bad, JobState.FAILED)).why
            assert len(encoder.begun) == MOST_DELIVERIES
            encoder.before = stall_twice
            assert await stand.farm.take(good, 0)
            await stand.until(good, JobState.DONE)
            assert len(encoder.begun) == MOST_DELIVERIES + 3


async def test_the_job_of_a_dead_worker_goes_to_another_one(tmp_path: Path) -> None:
    """A minute without a word, and the job is given to somebody else; the dead one does not do it again when it is back."""
    async with farm_stand(tmp_path) as stand:
        film = item("film")

        async def hang(_attempt: int) -> None:
            await asyncio.Event().wait()

        async with stand.worker("one") as encoder:
            encoder.before = hang
            assert await stand.farm.take(film, 0)
            await stand.until(film, JobState.RUNNING)
            assert await stand.farm.take(film, 0)
            (told,) = [WorkerReport.decode(one) for one in await stand.connection.ask_all(WORKERS_SUBJECT)]
            assert (told.worker, told.places, told.jobs) == ("one", 1, ("film 0 s",))
        async with stand.worker("two"):
            assert await stand.farm.take(film, 0)
            stand.clock.ahead += LOST_SECONDS
            assert await stand.farm.take(film, 0)
            assert (await stand.until(film, JobState.DONE)).worker == "two"
            assert await stand.farm.take(film, 0)
            assert len(stand.library.encodes()) == 1


async def test_a_worker_that_loses_nats_gives_in_later(tmp_path: Path) -> None:
    """NATS is gone while an item is encoded: the encode goes on, and is told once NATS is back."""
    async with farm_stand(tmp_path) as stand:
        film = item("film")
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def wait(_attempt: int) -> None:
            begun.set()
            await go_on.wait()

        async with stand.worker("one") as encoder:
            encoder.before = wait
            assert await stand.farm.take(film, 0)
            await begun.wait()
            stand.server.stop()
            go_on.set()
            assert not await stand.farm.take(item("other"), 0), "without NATS the channel encodes by itself"
            await asyncio.to_thread(stand.server.start)
            await stand.until(film, JobState.DONE)
            assert len(encoder.begun) == 1


async def test_only_who_sees_the_same_file_gets_it(tmp_path: Path) -> None:
    """A local file that no worker has stays here; so does one that is not there at all."""
    async with farm_stand(tmp_path) as stand:
        here = tmp_path / "film.mkv"
        here.write_bytes(b"x")
        async with stand.worker("one") as encoder:
            for path in (str(here), str(tmp_path / "missing.mkv")):
                assert not await stand.farm.take(Item(LocatorKind.FILE, path), 0)
            assert encoder.begun == []


async def test_next_on_air_comes_first(tmp_path: Path) -> None:
    """A worker with one place takes an item of the next three before those that were handed over earlier."""
    async with farm_stand(tmp_path) as stand:
        order: list[str] = []
        go_on = asyncio.Event()

        async with stand.worker("one", places=1) as encoder:

            async def wait(_attempt: int) -> None:
                await go_on.wait()

            encoder.before = wait
            assert await stand.farm.take(item("first"), 9)
            await stand.until(item("first"), JobState.RUNNING)
            # With its place taken the worker offers none: these two were offered before it knew.
            for name, place in (("far", 9), ("near", 0)):
                await stand.farm.give(item(name), stand.job(item(name)), place, "one")
            go_on.set()
            for name in ("far", "near"):
                await stand.until(item(name), JobState.DONE)
            order = encoder.begun
        assert order == [stand.job(item(name)).id for name in ("first", "near", "far")]


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_fifty_kills_lose_no_job(tmp_path: Path) -> None:
    """Workers and NATS die in random order while thirty items are encoded: each is in the channel's library in the end, whole."""
    chance = random.Random(5)  # noqa: S311 - which fault comes next is no secret
    films = [item(f"film {number}") for number in range(30)]

    async def slowly(_attempt: int) -> None:
        await asyncio.sleep(chance.uniform(0.05, 1.5))

    async with farm_stand(tmp_path) as stand, AsyncExitStack() as stack:
        running: dict[str, AsyncExitStack] = {}

        async def start(name: str) -> None:
            running[name] = await stack.enter_async_context(AsyncExitStack())
            encoder = await running[name].enter_async_context(stand.worker(name, places=2, waits=False))
            encoder.before = slowly

        for name in ("one", "two", "three"):
            await start(name)
        faults, missing = 0, list(films)
        while missing or faults < 50:
            if faults < 50:
                faults += 1
                if chance.random() < 0.2:
                    stand.server.stop()
                    await asyncio.sleep(chance.uniform(0.1, 1.0))
                    await asyncio.to_thread(stand.server.start)
                else:
                    name = chance.choice(list(running))
                    await running.pop(name).aclose()
                    await start(name)
            # A minute without a word has passed for what a dead worker had.
            stand.clock.ahead += chance.choice((0.0, LOST_SECONDS + 1))
            for place, one in enumerate(missing):
                await stand.farm.take(one, place)
            await asyncio.sleep(0.3)
            missing = [one for one in missing if stand.library.remembered(one) is None]
        verified = stand.library.verify()
        assert (verified.whole, verified.damaged) == (len(films), ())


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"item": 1}', b"\xff", b'{"state": "?"}'])
def test_what_is_no_job_is_refused(value: bytes) -> None:
    """Whatever stands in stream or bucket is a job, a report, or a clear error."""
    with pytest.raises(ValueError, match=r".*"):
        EncodeJob.decode(value)
    with pytest.raises(ValueError, match=r".*"):
        JobReport.decode(value)

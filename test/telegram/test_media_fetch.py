"""Files of Telegram's messages are fetched through real Telethon: whole, in order, across everything that may happen."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stands.telegram_account import QUICK, connected
from stands.telegram_dc.server import Fault, TelegramStand
from stands.telegram_dc.world import HOME_DC, OTHER_DC, FileKind, RpcFailed, StoredFile
from stands.waiting import wait_until
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import ResolveError, SessionEnded, SessionNeeded, SourceGone
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.resolve.media import Download, Media
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.media.chats import SourceChats
from tg_video_streamer.telegram.media.fetch import PART_BYTES, PARTS_AT_ONCE, TelegramFetch
from tg_video_streamer.telegram.media.resolver import TelegramResolver

SIZE = 7 * PART_BYTES + 12_345


@pytest.fixture
def stand() -> Iterator[TelegramStand]:
    """A Telegram of the test's own."""
    with TelegramStand() as running:
        yield running


def random_file(**values: Any) -> StoredFile:
    """A video of bytes that no other has."""
    return StoredFile(data=os.urandom(SIZE), name="film.mp4", seconds=60.0, **values)


class Endings(list[SessionEnded]):
    """How sessions ended; `came` is set with the first."""

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()

    def append(self, ending: SessionEnded) -> None:
        """A session ended."""
        super().append(ending)
        self.came.set()


@dataclass(kw_only=True)
class Fetching:
    """A fetch into a file, with the accounts that the service would have."""

    stand: TelegramStand
    target: Path
    chats: SourceChats
    accounts: list[Account] = field(default_factory=list)
    reports: list[tuple[int, int | None]] = field(default_factory=list)
    endings: Endings = field(default_factory=Endings)
    patience_seconds: float = 60.0

    @property
    def account(self) -> Account | None:
        """The last one that was logged in; None once its session ended."""
        return self.accounts[-1] if self.accounts else None

    async def download(self, message_id: int) -> Download:
        """How the message of the test channel is downloaded."""
        item = parse_line(f"https://t.me/testchan/{message_id}", base="/", allowed=AllowedFolders.of(()))
        resolver = TelegramResolver(chats=self.chats, clock=SystemClock())
        assert self.account is not None
        found = await resolver.resolve(self.account, item)
        assert isinstance(found, Media)
        assert found.inputs[0].download is not None
        return found.inputs[0].download

    async def fetch(self, download: Download) -> None:
        """One attempt."""
        fetch = TelegramFetch(
            lambda: self.account,
            chats=self.chats,
            clock=SystemClock(),
            patience_seconds=self.patience_seconds,
            pauses=QUICK,
        )
        await fetch(download, self.target, proxy="", progress=lambda *report: self.reports.append(report))

    def assert_whole(self, file: StoredFile) -> None:
        """The bytes are those of the file, and what was reported grew without a step back."""
        assert self.target.read_bytes() == file.data
        done = [one for one, _ in self.reports]
        assert done == sorted(done)
        assert self.reports[-1] == (len(file.data), len(file.data))


@asynccontextmanager
async def fetching(stand: TelegramStand, folder: Path) -> AsyncIterator[Fetching]:
    """A fetch with an account that is logged in."""
    found = Fetching(stand=stand, target=folder / "part", chats=SourceChats(TelegramState(folder)))
    async with connected(stand, endings=found.endings) as account:
        found.accounts.append(account)
        yield found


def at_part(stand: TelegramStand, number: int, action: Callable[[], None]) -> None:
    """Do something once, in the server's thread, when the part with that number is asked for."""

    def on_part(_file: StoredFile, offset: int) -> None:
        if offset == number * PART_BYTES:
            stand.world.on_part = None
            action()

    stand.world.on_part = on_part


@pytest.mark.parametrize("dc", [HOME_DC, OTHER_DC])
async def test_a_file_is_fetched_from_its_data_center(stand: TelegramStand, tmp_path: Path, dc: int) -> None:
    """A file comes whole from the account's own data center and from another, several parts at once, on its own connection."""
    file = random_file(dc=dc)
    message = stand.post(file)
    async with fetching(stand, tmp_path) as fetch:
        before = stand.connections
        await fetch.fetch(await fetch.download(message.id))
        fetch.assert_whole(file)
        assert stand.connections == before + 1
    asked = [request.offset for request in stand.asked("upload.getFile")]
    assert sorted(asked) == list(range(0, SIZE, PART_BYTES))


async def test_parts_are_asked_for_ahead_and_written_in_order(stand: TelegramStand, tmp_path: Path) -> None:
    """While one part does not come, the next ones are asked for and none is written; a cancelled download is continued."""
    file = random_file()
    message = stand.post(file)
    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)
        stand.inject("upload.getFile", None, Fault.SILENT)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(fetch.fetch(download))
            await asyncio.to_thread(
                wait_until, lambda: len(stand.asked("upload.getFile")) == PARTS_AT_ONCE + 1, what="parts ahead"
            )
            running.cancel()
        assert fetch.target.read_bytes() == file.data[:PART_BYTES]
        assert fetch.reports == [(0, SIZE), (PART_BYTES, SIZE)]
        await fetch.fetch(download)
        fetch.assert_whole(file)


async def test_a_photo_is_fetched(stand: TelegramStand, tmp_path: Path) -> None:
    """A photo is a file as well."""
    file = random_file(kind=FileKind.PHOTO, dc=OTHER_DC)
    message = stand.post(file)
    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)
        assert (download.suffix, download.size_bytes) == ("jpg", SIZE)
        await fetch.fetch(download)
        fetch.assert_whole(file)


async def test_a_download_continues_at_the_byte(stand: TelegramStand, tmp_path: Path) -> None:
    """What is in the file stays, down to the byte at which a killed process stopped, and only the rest is asked for."""
    file = random_file()
    message = stand.post(file)
    held = 3 * PART_BYTES + 777
    async with fetching(stand, tmp_path) as fetch:
        fetch.target.write_bytes(file.data[:held])
        await fetch.fetch(await fetch.download(message.id))
        fetch.assert_whole(file)
        assert fetch.reports[0] == (held, SIZE)
    assert min(request.offset for request in stand.asked("upload.getFile")) == 3 * PART_BYTES


async def test_an_expired_reference_is_renewed(stand: TelegramStand, tmp_path: Path) -> None:
    """Where file references expire in the middle, the message is asked again and the download continues."""
    file = random_file()
    message = stand.post(file)

    def expire() -> None:
        file.reference = os.urandom(8)
        raise RpcFailed(400, "FILE_REFERENCE_EXPIRED")

    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)
        at_part(stand, 4, expire)
        await fetch.fetch(download)
        fetch.assert_whole(file)
    assert len(stand.asked("channels.getMessages")) == 3


async def test_a_file_that_moved_is_followed(stand: TelegramStand, tmp_path: Path) -> None:
    """Where Telegram sends the client on to another data center, the download follows."""
    file = random_file()
    message = stand.post(file)
    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)
        stand.inject("upload.getFile", *[(303, f"FILE_MIGRATE_{OTHER_DC}")] * 4)
        stand.do(lambda: setattr(file, "dc", OTHER_DC))
        await fetch.fetch(download)
        fetch.assert_whole(file)


@pytest.mark.parametrize("word", ["FLOOD_WAIT_2", "FLOOD_PREMIUM_WAIT_2"])
async def test_a_flood_wait_is_obeyed(stand: TelegramStand, tmp_path: Path, word: str) -> None:
    """No part is asked for before the time that Telegram names is over, and then the download continues."""
    file = random_file()
    message = stand.post(file)
    times: list[float] = []

    def wait() -> None:
        times.append(stand.world.now())
        stand.world.on_part = lambda _file, _offset: times.append(stand.world.now())
        raise RpcFailed(420, word)

    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)
        at_part(stand, 4, wait)
        await fetch.fetch(download)
        fetch.assert_whole(file)
    # The other parts that were asked for at once were on their way already.
    assert sum(one < times[0] + 2 for one in times[1:]) < PARTS_AT_ONCE
    assert max(times) >= times[0] + 2


async def test_a_long_flood_wait_is_named(stand: TelegramStand, tmp_path: Path) -> None:
    """A longer wait than an attempt takes ends it with the time, keeps the part, and later attempts ask for nothing."""
    file = random_file()
    message = stand.post(file)

    def wait() -> None:
        raise RpcFailed(420, "FLOOD_WAIT_3600")

    async with fetching(stand, tmp_path) as found:
        download = await found.download(message.id)
        at_part(stand, 4, wait)
        fetch = TelegramFetch(lambda: found.account, chats=found.chats, clock=SystemClock(), pauses=QUICK)
        for _ in range(2):
            with pytest.raises(ResolveError, match=r"wait (3600|359\d) s") as raised:
                await fetch(download, found.target, proxy="", progress=lambda *_: None)
            assert not raised.value.permanent
            asked = len(stand.asked("upload.getFile"))
        assert len(stand.asked("upload.getFile")) == asked
        assert file.data.startswith(found.target.read_bytes())


async def test_a_cdn_is_refused(stand: TelegramStand, tmp_path: Path) -> None:
    """A file that only a CDN hands out ends with an error that says so."""
    message = stand.post(random_file(cdn=True))
    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)
        with pytest.raises(ResolveError, match="CDN") as raised:
            await fetch.fetch(download)
        assert raised.value.remedy


@pytest.mark.parametrize("dc", [HOME_DC, OTHER_DC])
async def test_a_lost_connection_costs_no_byte(stand: TelegramStand, tmp_path: Path, dc: int) -> None:
    """Where Telegram hangs up in the middle, the download continues where it was."""
    file = random_file(dc=dc)
    message = stand.post(file)
    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)
        stand.inject("upload.getFile", Fault.DROP)
        await fetch.fetch(download)
        fetch.assert_whole(file)
        assert fetch.account is not None
        assert fetch.account.online


@pytest.mark.parametrize("dc", [HOME_DC, OTHER_DC])
async def test_a_session_that_ends_pauses_the_download(stand: TelegramStand, tmp_path: Path, dc: int) -> None:
    """A session that is revoked in the middle pauses the download, which continues with the session after it."""
    file = random_file(dc=dc)
    message = stand.post(file)
    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)

        def revoke() -> None:
            for key in stand.world.keys.values():
                key.revoked = (401, "SESSION_REVOKED")
            raise RpcFailed(401, "SESSION_REVOKED")

        at_part(stand, 4, revoke)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(fetch.fetch(download))
            await asyncio.wait_for(fetch.endings.came.wait(), 30)
            fetch.accounts.clear()
            held = fetch.target.stat().st_size
            assert not running.done()
            async with connected(stand) as fresh:
                fetch.accounts.append(fresh)
                await running
        fetch.assert_whole(file)
        assert 0 < held < SIZE


async def test_a_session_that_stays_away_ends_the_attempt(stand: TelegramStand, tmp_path: Path) -> None:
    """Without a session an attempt ends after a while with what to do; what was fetched stays."""
    message = stand.post(random_file())
    async with fetching(stand, tmp_path) as fetch:
        download = await fetch.download(message.id)
        fetch.accounts.clear()
        fetch.patience_seconds = 0.3
        with pytest.raises(SessionNeeded, match="session") as raised:
            await fetch.fetch(download)
        assert not raised.value.permanent
        assert "SESSION_STRING" in raised.value.remedy


async def test_a_deleted_message_is_gone(stand: TelegramStand, tmp_path: Path) -> None:
    """A message that was deleted since it was resolved is gone; one with another file is resolved again."""
    message, other = stand.post(random_file()), stand.post(random_file())
    async with fetching(stand, tmp_path) as fetch:
        download, replaced = await fetch.download(message.id), await fetch.download(other.id)
        stand.delete(message)
        stand.do(lambda: setattr(other, "file", random_file()))
        with pytest.raises(SourceGone, match="deleted"):
            await fetch.fetch(download)
        with pytest.raises(ResolveError, match="another file") as raised:
            await fetch.fetch(replaced)
        assert not isinstance(raised.value, SourceGone)

"""Telegram's links in playlist lines are resolved through real Telethon: messages, albums, whole chats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stands.telegram_account import connected
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CHANNEL_ID, GROUP_ID, READ_ONLY_ID, SMALL_GROUP_ID, FileKind, StoredFile
from stands.virtual_time import AheadClock
from tg_video_streamer.errors import ResolveError, SourceGone
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.resolve.media import Expansion, Fetcher, Media
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.media.chats import SourceChats
from tg_video_streamer.telegram.media.history import PAGE
from tg_video_streamer.telegram.media.resolver import TelegramResolver

DAY = 86_400.0


def line(text: str) -> Item:
    """The item of a playlist line."""
    return parse_line(text, base="/", allowed=AllowedFolders.of(()))


def video(name: str = "film.mp4") -> StoredFile:
    """A small video."""
    return StoredFile(data=b"0123456789", name=name, seconds=12.5)


class Resolving:
    """A resolver with an account that is logged in."""

    def __init__(self, stand: TelegramStand, account: Account, folder: Path) -> None:
        self.stand = stand
        self.clock = AheadClock()
        self._account = account
        self._resolver = TelegramResolver(chats=SourceChats(TelegramState(folder)), clock=self.clock)

    async def media(self, text: str) -> Media:
        """What a line plays."""
        found = await self._resolver.resolve(self._account, line(text))
        assert isinstance(found, Media)
        return found

    async def children(self, text: str) -> list[Item]:
        """What a line holds."""
        found = await self._resolver.resolve(self._account, line(text))
        assert isinstance(found, Expansion)
        return list(found.children)

    async def titles(self, text: str) -> list[str]:
        """The titles of what a line holds."""
        return [child.title for child in await self.children(text)]


@pytest.fixture
def stand() -> Iterator[TelegramStand]:
    """A Telegram of the test's own."""
    with TelegramStand() as running:
        yield running


@asynccontextmanager
async def resolving(stand: TelegramStand, folder: Path) -> AsyncIterator[Resolving]:
    """A resolver in front of it."""
    async with connected(stand) as account:
        yield Resolving(stand, account, folder)


@pytest.mark.parametrize(
    ("file", "caption", "title", "suffix", "seconds"),
    [
        (video(), "", "film", "mp4", 12.5),
        (video(), "\n The film \nand more", "The film", "mp4", 12.5),
        (StoredFile(data=b"1", kind=FileKind.VIDEO_NOTE, seconds=3.0), "", "testchan 2", "mp4", 3.0),
        (
            StoredFile(data=b"1", kind=FileKind.AUDIO, mime="audio/mpeg", title="Song", performer="Band", seconds=9),
            "",
            "Band - Song",
            "mp3",
            9.0,
        ),
        (StoredFile(data=b"1", kind=FileKind.VOICE, mime="audio/ogg", seconds=4), "hello", "hello", "ogg", 4.0),
        (StoredFile(data=b"1", kind=FileKind.ANIMATION, name="dance.mp4", seconds=2.0), "", "dance", "mp4", 2.0),
        (StoredFile(data=b"1", kind=FileKind.PHOTO), "a picture", "a picture", "jpg", None),
        (
            StoredFile(data=b"1", kind=FileKind.DOCUMENT, mime="application/octet-stream", name="rip.mkv"),
            "",
            "rip",
            "mkv",
            None,
        ),
    ],
    ids=["video", "caption", "video note", "audio", "voice", "animation", "photo", "file"],
)
async def test_each_kind_of_media(
    stand: TelegramStand, tmp_path: Path, file: StoredFile, caption: str, title: str, suffix: str, seconds: float | None
) -> None:
    """Each kind of media has its title, suffix, length and exact size, and the same source id each time."""
    async with resolving(stand, tmp_path) as telegram:
        message = stand.post(file, caption)
        found = await telegram.media(f"https://t.me/TestChan/{message.id}")
        assert (found.title, found.duration_seconds) == (title, seconds)
        assert found.source_id == f"telegram {CHANNEL_ID} {message.id} {file.id}"
        (one,) = found.inputs
        assert (one.is_file, one.location) == (False, "")
        assert one.download is not None
        assert (one.download.fetcher, one.download.suffix, one.download.size_bytes) == (
            Fetcher.TELEGRAM,
            suffix,
            len(file.data),
        )
        stand.expire_references()
        by_id = f"https://t.me/c/{CHANNEL_ID}/{message.id}"
        assert (await telegram.media(by_id)).source_id == found.source_id


async def test_what_is_no_media(stand: TelegramStand, tmp_path: Path) -> None:
    """Texts, stickers and other files are no source, and the error says so; a deleted message is gone."""
    async with resolving(stand, tmp_path) as telegram:
        sticker = stand.post(StoredFile(data=b"1", kind=FileKind.STICKER, mime="video/webm"))
        archive = stand.post(StoredFile(data=b"1", kind=FileKind.DOCUMENT, mime="application/zip", name="a.zip"))
        text = stand.say("hello", None)
        for message in (sticker, archive, text):
            with pytest.raises(SourceGone, match="no video, sound or picture"):
                await telegram.media(f"https://t.me/testchan/{message.id}")
        stand.delete(text)
        with pytest.raises(SourceGone, match="deleted"):
            await telegram.media(f"https://t.me/testchan/{text.id}")


async def test_an_album_is_its_parts(stand: TelegramStand, tmp_path: Path) -> None:
    """A link to any message of an album is its parts in order; a link to one of them alone is that one."""
    async with resolving(stand, tmp_path) as telegram:
        stand.post(video("before.mp4"))
        parts = [stand.post(video(f"{n}.mp4"), "The set" if n == 0 else "", album=77) for n in range(3)]
        stand.post(video("after.mp4"), album=78)
        found = await telegram.children(f"https://t.me/testchan/{parts[1].id} | volume=0.5")
        assert [child.locator for child in found] == [f"https://t.me/testchan/{part.id}?single" for part in parts]
        assert [child.title for child in found] == ["The set", "1", "2"]
        assert {child.volume for child in found} == {0.5}
        assert (await telegram.media(found[2].locator)).title == "2"


@pytest.mark.parametrize("text", ["https://t.me/testchan", "tg-chat:@TestChan", f"https://t.me/c/{CHANNEL_ID}"])
async def test_a_whole_chat(stand: TelegramStand, tmp_path: Path, text: str) -> None:
    """A chat is all its media, the oldest first, by whichever link it is named."""
    async with resolving(stand, tmp_path) as telegram:
        for name in "abc":
            stand.post(video(f"{name}.mp4"))
            stand.say("a text", None)
        assert await telegram.titles(text) == ["a", "b", "c"]


async def test_a_small_group_is_a_chat(stand: TelegramStand, tmp_path: Path) -> None:
    """A basic group, which has no links, is named by its id."""
    async with resolving(stand, tmp_path) as telegram:
        message = stand.post(video("a.mp4"), chat_id=SMALL_GROUP_ID)
        (child,) = await telegram.children(f"tg-chat:-{SMALL_GROUP_ID}")
        assert (child.title, child.locator) == ("a", f"tg-chat:-{SMALL_GROUP_ID}/{message.id}")
        assert (await telegram.media(child.locator)).title == "a"


async def test_order_since_and_match(stand: TelegramStand, tmp_path: Path) -> None:
    """`order=`, `since=` and `match=` choose and order; an album stays together and is chosen by its one caption."""
    async with resolving(stand, tmp_path) as telegram:
        stand.post(video("old.mp4"), "Concert of the past", age_seconds=400 * DAY)
        stand.post(video("1.mp4"), "Evening CONCERT", album=5)
        stand.post(video("2.mp4"), album=5)
        stand.post(video("news.mp4"), "News")
        stand.post(video("concert.mkv"))
        recent = "2026-01-01"
        assert await telegram.titles("tg-chat:testchan | order=newest") == [
            "concert",
            "News",
            "Evening CONCERT",
            "2",
            "Concert of the past",
        ]
        assert await telegram.titles(f"tg-chat:testchan | since={recent} | match=concert") == [
            "Evening CONCERT",
            "2",
            "concert",
        ]
        assert await telegram.titles("tg-chat:testchan | match=Evening concert") == ["Evening CONCERT", "2"]
        shuffled = await telegram.titles("tg-chat:testchan | order=shuffle")
        stand.post(video("late.mp4"))
        later = await telegram.titles("tg-chat:testchan | order=shuffle")
        assert sorted(later) == sorted([*shuffled, "late"])
        assert [title for title in later if title != "late"] == shuffled
        (child, *_) = await telegram.children("tg-chat:testchan | order=newest | match=news | end=5")
        assert (child.order, child.match, child.end_seconds) == ("oldest", "", 5.0)


async def test_a_long_chat_is_read_once(stand: TelegramStand, tmp_path: Path) -> None:
    """A chat of several pages is whole; later readings ask only for what is new, until all is read again."""
    async with resolving(stand, tmp_path) as telegram:
        for number in range(2 * PAGE + 50):
            stand.post(video(f"{number}.mp4"))
        assert len(await telegram.titles("tg-chat:testchan")) == 2 * PAGE + 50
        asked = len(stand.asked("messages.getHistory"))
        stand.post(video("new.mp4"))
        assert (await telegram.titles("tg-chat:testchan"))[-1] == "new"
        assert len(stand.asked("messages.getHistory")) == asked + 1
        assert len(stand.asked("contacts.resolveUsername")) == 1
        first = stand.chat().messages[min(stand.chat().messages)]
        stand.delete(first)
        telegram.clock.ahead += 3600
        assert (await telegram.titles("tg-chat:testchan"))[0] == "1"


async def test_an_empty_chat_fills(stand: TelegramStand, tmp_path: Path) -> None:
    """A chat without media has none, and its first post is found."""
    async with resolving(stand, tmp_path) as telegram:
        assert await telegram.titles("tg-chat:testchan") == []
        stand.post(video("first.mp4"))
        assert await telegram.titles("tg-chat:testchan") == ["first"]


async def test_a_flood_wait_in_a_long_chat(stand: TelegramStand, tmp_path: Path) -> None:
    """Where Telegram asks for a pause in a long chat, what was read plays, and the rest follows."""
    async with resolving(stand, tmp_path) as telegram:
        for number in range(PAGE + 50):
            stand.post(video(f"{number}.mp4"))

        stand.inject("messages.getHistory", None, (420, "FLOOD_WAIT_2"))
        assert len(await telegram.titles("tg-chat:testchan")) == PAGE
        async with asyncio.timeout(60):
            while len(await telegram.titles("tg-chat:testchan")) < PAGE + 50:  # noqa: ASYNC110 - the end of a wait is no event
                await asyncio.sleep(0.2)


async def test_chats_out_of_reach(stand: TelegramStand, tmp_path: Path) -> None:
    """A name that nobody has is gone; a chat that the account is not in waits for the account."""
    async with resolving(stand, tmp_path) as telegram:
        with pytest.raises(SourceGone, match="no chat nosuchchat"):
            await telegram.media("https://t.me/nosuchchat/5")
        with pytest.raises(ResolveError, match="not in the chat") as raised:
            await telegram.media("https://t.me/c/999888777/5")
        assert not isinstance(raised.value, SourceGone)
        assert "add the account" in raised.value.remedy


async def test_a_chat_that_telegram_renumbered_is_found_again(stand: TelegramStand, tmp_path: Path) -> None:
    """A saved chat that Telegram no longer knows is looked up again."""
    async with resolving(stand, tmp_path) as telegram:
        message = stand.post(video(), chat_id=READ_ONLY_ID)
        await telegram.media(f"https://t.me/onlyread/{message.id}")
        stand.do(lambda: setattr(stand.chat(READ_ONLY_ID), "access_hash", 4711))
        assert (await telegram.media(f"https://t.me/onlyread/{message.id}")).title == "film"


async def test_a_private_group_by_its_id(stand: TelegramStand, tmp_path: Path) -> None:
    """A group without a name is found in the account's list of chats."""
    async with resolving(stand, tmp_path) as telegram:
        message = stand.post(video(), chat_id=GROUP_ID)
        found = await telegram.media(f"https://t.me/c/{GROUP_ID}/{message.id}")
        assert found.source_id.startswith(f"telegram {GROUP_ID} ")

"""Telegram as a source waits for the session that the service has, and says what is missing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stands.telegram_account import QUICK
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CHANNEL_ID, StoredFile
from tg_video_streamer.app.session import session_keeper
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import SessionNeeded
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.resolve.media import Expansion, Media
from tg_video_streamer.settings.settings import load_settings
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.media.source import TelegramSource
from tg_video_streamer.telegram.session.keeper import SessionKeeper


@pytest.fixture
def stand() -> Iterator[TelegramStand]:
    """A Telegram of the test's own."""
    with TelegramStand() as running:
        yield running


@asynccontextmanager
async def source_of(stand: TelegramStand, folder: Path, session: str) -> AsyncIterator[tuple[TelegramSource, Path]]:
    """A source with a running keeper, and its settings file."""
    file = folder / ".env"
    values = stand.settings(session) | {"PLAYLIST": str(folder / "list.txt"), "OUTPUTS": f"file:{folder}/a.mp4"}
    file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    store = TelegramState(folder)
    keeper: SessionKeeper = session_keeper(
        load_settings(file, {}),
        store,
        notify=lambda *_arguments, **_values: None,
        publish=lambda _event: None,
        expired=lambda: None,
        clock=SystemClock(),
        connection_pauses=QUICK,
        cycle_seconds=60.0,
    )
    source = TelegramSource(keeper, store, clock=SystemClock())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keeper.run())
        yield source, file
        running.cancel()


async def test_the_first_item_waits_for_the_login(stand: TelegramStand, tmp_path: Path) -> None:
    """An item that is asked for while the service logs in is found, and its file comes."""
    message = stand.post(StoredFile(data=b"0123456789", name="film.mp4"))
    item = parse_line(f"https://t.me/testchan/{message.id}", base="/", allowed=AllowedFolders.of(()))
    async with source_of(stand, tmp_path, stand.session_string()) as (source, _):
        found = await source.resolve(item)
        assert isinstance(found, Media)
        (one,) = found.inputs
        assert one.download is not None
        await source.fetch(one.download, tmp_path / "file", proxy="", progress=lambda *_: None)
    assert (tmp_path / "file").read_bytes() == b"0123456789"


async def test_without_a_session_the_reason_comes_at_once(stand: TelegramStand, tmp_path: Path) -> None:
    """Without a session an item fails for now, with what to do; it is not gone."""
    item = parse_line("https://t.me/testchan/2", base="/", allowed=AllowedFolders.of(()))
    async with source_of(stand, tmp_path, "") as (source, _):
        async with asyncio.timeout(10):
            with pytest.raises(SessionNeeded, match="session") as raised:
                await source.resolve(item)
        assert not raised.value.permanent
        assert "session login" in raised.value.remedy


async def test_a_post_in_a_chat_is_reported(stand: TelegramStand, tmp_path: Path) -> None:
    """A file that is posted in a chat that plays is reported with the key of its item; texts and other chats are not."""
    item = parse_line("tg-chat:testchan | order=newest", base="/", allowed=AllowedFolders.of(()))
    reported: asyncio.Queue[str] = asyncio.Queue()
    async with source_of(stand, tmp_path, stand.session_string()) as (source, _):
        source.on_outdated(reported.put_nowait)
        assert isinstance(await source.resolve(item), Expansion)
        stand.say("a text", None)
        stand.post(StoredFile(data=b"1", name="film.mp4"), chat_id=CHANNEL_ID)
        assert await asyncio.wait_for(reported.get(), 20) == item.key
        assert reported.empty()


def test_a_source_costs_no_import(tmp_path: Path) -> None:
    """A channel without Telegram items does not load Telethon."""
    code = "import sys; import tg_video_streamer.app.build; assert 'telethon' not in sys.modules"

    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)

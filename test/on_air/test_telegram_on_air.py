"""Media posted in Telegram on air: a real service, the loopback Telegram, judged by the recorded stream."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stands.channel import on_air
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import OTHER_DC, READ_ONLY_ID, RpcFailed, StoredFile
from stands.waiting import wait_until
from tg_video_streamer.telegram.media.fetch import PART_BYTES


@pytest.fixture
def stand() -> Iterator[TelegramStand]:
    """A Telegram of the test's own."""
    with TelegramStand() as running:
        yield running


def _settings(stand: TelegramStand, session: str = "") -> dict[str, Any]:
    return stand.settings(session) | {"SPOOL_MAX_GB": "1"}


def test_a_message_and_a_chat_play(stand: TelegramStand, media: Path, tmp_path: Path) -> None:
    """A message in another data center and all media of a chat are on air whole, and so is what is posted meanwhile."""
    single = stand.post(StoredFile(data=(media / "one.mp4").read_bytes(), name="one.mp4", dc=OTHER_DC, seconds=4.0))
    for name in ("two", "three"):
        file = StoredFile(data=(media / f"{name}.mp4").read_bytes(), name=f"{name}.mp4", seconds=4.0)
        stand.post(file, f"Clip {name}", chat_id=READ_ONLY_ID)
    lines = [f"https://t.me/testchan/{single.id}", "https://t.me/onlyread"]
    with on_air(tmp_path, media, lines=lines, wait=False, **_settings(stand, stand.session_string())) as channel:
        channel.service.wait_for(lambda status: status["now"], what="an item on air")
        channel.wait_now("Clip two")
        late = StoredFile(data=(media / "four.mp4").read_bytes(), name="four.mp4", seconds=4.0)
        stand.post(late, "Clip four", chat_id=READ_ONLY_ID)
        channel.wait_now("Clip four", timeout=120)
        channel.wait_recorded(channel.mark() + 6)
        aired = channel.aired()
    assert aired.faults == []
    assert {1, 2, 3, 4} <= set(aired.items)
    whole = [one for one in aired.stretches[:-1] if one.item_id is not None]
    assert {(one.numbers[0], one.numbers[-1]) for one in whole} == {(0, 99)}


def test_a_session_that_ends_in_a_download_is_healed(stand: TelegramStand, media: Path, tmp_path: Path) -> None:
    """A session that is revoked in the middle of a download pauses it; with another one it continues, and the item plays."""
    data = (media / "one.mp4").read_bytes()
    # Bytes after the last box, which players skip, make it several parts long.
    data += struct.pack(">I4s", 6 * PART_BYTES, b"free") + bytes(6 * PART_BYTES - 8)
    message = stand.post(StoredFile(data=data, name="one.mp4", seconds=4.0, dc=OTHER_DC), "From Telegram")

    def revoke(_file: StoredFile, offset: int) -> None:
        if offset == 3 * PART_BYTES:
            stand.world.on_part = None
            for key in stand.world.keys.values():
                key.revoked = (401, "SESSION_REVOKED")
            raise RpcFailed(401, "SESSION_REVOKED")

    stand.world.on_part = revoke
    lines = [f"https://t.me/testchan/{message.id}"]
    session = stand.session_string()
    with on_air(tmp_path, media, lines=lines, wait=False, **_settings(stand, session)) as channel:
        channel.service.wait_for(lambda status: status["degraded"], what="the end of the session")
        before = len(stand.asked("upload.getFile"))
        settings = channel.service.env_file.read_text()
        channel.service.env_file.write_text(settings.replace(session, stand.session_string()))
        channel.wait_now("From Telegram")
        channel.wait_recorded(channel.mark() + 5)
        assert 1 in channel.aired().items
    again = [request.offset for request in stand.asked("upload.getFile")[before:]]
    assert again
    assert min(again) > 0
    assert stand.world.on_part is None


@pytest.mark.long
def test_without_a_session_the_item_waits(stand: TelegramStand, media: Path, tmp_path: Path) -> None:
    """Without a session the rest of the playlist plays and the reason is named; with one the item is on air soon."""
    file = StoredFile(data=(media / "one.mp4").read_bytes(), name="one.mp4", seconds=4.0)
    message = stand.post(file, "From Telegram")
    lines = [f"https://t.me/testchan/{message.id}", media / "two.mp4"]
    with on_air(tmp_path, media, lines=lines, **_settings(stand)) as channel:
        channel.wait_now("two")
        wait_until(lambda: "SESSION_STRING" in channel.service.log, what="what to do")
        assert channel.service.status()["degraded"]
        settings = channel.service.env_file.read_text()
        session = stand.session_string()
        channel.service.env_file.write_text(settings.replace("SESSION_STRING=\n", f"SESSION_STRING={session}\n"))
        channel.wait_now("From Telegram", timeout=150)
        channel.wait_recorded(channel.mark() + 5)
        assert 1 in channel.aired().items
        status = channel.service.status()
        assert (status["degraded"], status["session_state"]) == (False, "valid")

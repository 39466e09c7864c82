"""A service on air is steered from its chat: a real service, the loopback Telegram, what is on air afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from stands.numbered import Plan, make_clip
from stands.service import running
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CHANNEL_ID
from stands.waiting import wait_until


@pytest.mark.long
def test_a_service_is_steered_from_its_chat(tmp_path: Path) -> None:
    """`/skip` in the chat cuts to the next item, the pinned guide says so, and a link into the host is refused."""
    for number, name in enumerate(("first", "second")):
        make_clip(tmp_path / f"{name}.mp4", Plan(item_id=number, frames=1500))
    playlist = tmp_path / "playlist.txt"
    playlist.write_text("first.mp4 | title=The first\nsecond.mp4 | title=The second\n")
    with TelegramStand() as stand:
        settings = stand.settings(stand.session_string()) | {
            "PLAYLIST": str(playlist),
            "OUTPUTS": "telegram",
            "CHAT_ID": "@testchan",
            "CHAT_COMMANDS": "1",
            "CHAT_GUIDE": "1",
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
            "FFMPEG_ARGS": "-preset ultrafast",
        }
        with running(tmp_path / "service", settings) as service:
            service.wait_for(lambda status: status["now"], what="an item on air")
            wait_until(lambda: stand.chat().pinned, what="the pinned guide")
            assert "The first" in stand.chat().messages[stand.chat().pinned].text
            before = service.status()["streams_played"]
            refused = stand.say(f"/add http://127.0.0.1:{stand.port}/", None)
            wait_until(lambda: stand.answers(refused, CHANNEL_ID), what="an answer")
            assert "private network" in stand.answers(refused, CHANNEL_ID)[0]
            asked = stand.say("/skip", None)
            wait_until(lambda: stand.answers(asked, CHANNEL_ID), what="an answer")
            assert stand.answers(asked, CHANNEL_ID)[0].startswith("skipped The ")
            service.wait_for(lambda status: status["streams_played"] > before, what="the next item")
            assert "way=chat" in service.log
            assert service.stop() == 0

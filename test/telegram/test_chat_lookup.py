"""A chat is found by every form of CHAT_ID, over as many pages of the account's list as there are, and then saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from stands.telegram_account import connected
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CHANNEL_ID, USER_ID, Role
from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.telegram.chat.list_chats import streamable_chats
from tg_video_streamer.telegram.chat.lookup import find_chat
from tg_video_streamer.telegram.chat.reference import parse_chat_reference
from tg_video_streamer.telegram.client.state_file import TelegramState


async def test_found_on_a_later_page_and_kept(tmp_path: Path) -> None:
    """With one chat a page each of them is found by its number, asked for once, and all are listed."""
    with TelegramStand() as stand:
        stand.do(lambda: setattr(stand.world, "dialogs_at_most", 1))
        mine = [chat for chat in stand.world.chats.values() if USER_ID in chat.roles]
        assert len(mine) > 2
        async with connected(stand) as account:
            for chat in mine:
                if chat.small:
                    continue
                reference = parse_chat_reference(f"-100{chat.id:010}")
                store = TelegramState(tmp_path / str(chat.id))
                (tmp_path / str(chat.id)).mkdir()
                found = await find_chat(account, reference, store)
                assert (found.id, found.access_hash, found.small) == (chat.id, chat.access_hash, False)
                asked = len(stand.world.requests)
                assert await find_chat(account, reference, store) == found
                assert len(stand.world.requests) == asked
            listed = {one.title for one in await streamable_chats(account)}
        assert listed == {chat.title for chat in mine if chat.roles[USER_ID] in {Role.CREATOR, Role.CALL_ADMIN}}


async def test_no_such_chat(tmp_path: Path) -> None:
    """A number that is in no list ends after its last page, with what to do."""
    with TelegramStand() as stand:
        stand.do(lambda: setattr(stand.world, "dialogs_at_most", 1))
        async with connected(stand) as account:
            with pytest.raises(TelegramRefused) as refused:
                await find_chat(account, parse_chat_reference("-1009999999999"), TelegramState(tmp_path))
    assert "no channel or group" in refused.value.what
    assert "correct CHAT_ID" in refused.value.remedy


async def test_found_by_name_and_link(tmp_path: Path) -> None:
    """A name and its link lead to the same chat."""
    with TelegramStand() as stand:
        async with connected(stand) as account:
            for text in ("@testchan", "https://t.me/testchan"):
                assert (await find_chat(account, parse_chat_reference(text), TelegramState(tmp_path))).id == CHANNEL_ID

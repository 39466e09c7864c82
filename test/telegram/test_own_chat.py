"""The chat of CHAT_ID: entered once, followed where a small group becomes a supergroup, forgotten on every path."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stands.group_call_sfu import SfuProcess
from stands.live_channel import LiveChannel
from stands.program import Clip
from stands.small_channel import SmallChannel
from stands.telegram_account import connected
from stands.telegram_dc.server import Fault, StreamState, TelegramStand
from stands.telegram_dc.world import INVITE_HASH, INVITE_ONLY_ID, SMALL_GROUP_ID, USER_ID
from tg_video_streamer.app.chat import ChatService
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.chat.guide import ChatGuide
from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.telegram.chat.own_chat import OwnChat
from tg_video_streamer.telegram.chat.reference import Chat, parse_chat_reference
from tg_video_streamer.telegram.client.state_file import TelegramState

SUPERGROUP_ID = 8001


@pytest.fixture
def channel(tmp_path: Path, house_clip: Clip) -> Iterator[LiveChannel]:
    """A channel of the small group, whose live stream has the key that the server takes."""
    with LiveChannel(tmp_path, house_clip) as made:
        small = made.stand.chat(SMALL_GROUP_ID)
        made.stand.do(lambda: setattr(small, "rtmp", made.stand.chat().rtmp))
        made.stand.do(lambda: setattr(made.stand.world, "stream", StreamState.ADVANCING))
        yield made


@pytest.mark.parametrize(
    ("transport", "word"), [("rtmp", "PEER_ID_INVALID"), ("call", "CHAT_ID_INVALID"), ("rtmp", "")]
)
def test_a_group_that_became_a_supergroup_is_followed(channel: LiveChannel, transport: str, word: str) -> None:
    """Output and guide continue in the supergroup, which is saved and told once, also over a restart."""
    stand = channel.stand
    stand.do(lambda: setattr(stand.world, "migrated_word", word))
    with SfuProcess() as sfu:
        stand.do(lambda: setattr(stand.world, "answer_join", sfu.answer))
        channel.write_env(stand.session_string(), TELEGRAM_TRANSPORT=transport, CHAT_ID=str(-SMALL_GROUP_ID))
        channel.start()
        channel.until_on_air()
        running = channel.run(_guide(channel))
        channel.until(lambda: stand.chat(SMALL_GROUP_ID).messages, "the guide in the small group")
        stand.migrate(SMALL_GROUP_ID, SUPERGROUP_ID, announce=not word)
        moved = "the group became a supergroup, which is followed"
        channel.until(lambda: stand.chat(SUPERGROUP_ID).call is not None, "a call in the supergroup", timeout=90)
        channel.until_on_air()
        channel.until(lambda: stand.chat(SUPERGROUP_ID).messages, "the guide in the supergroup")
        channel.loop.call_soon_threadsafe(running.cancel)
        (line,) = channel.logged(moved)
        assert f"put -100000000{SUPERGROUP_ID} in CHAT_ID" in line["why"]
        state = json.loads((channel.folder / "state" / "telegram.json").read_text())
        assert (state["chat"]["id"], state["chat"]["small"]) == (SUPERGROUP_ID, False)
        channel.stop()
        channel.start()
        channel.until_on_air()
        assert len(channel.logged(moved)) == 1


async def _guide(channel: LiveChannel) -> asyncio.Task[None]:
    guide = ChatGuide(
        status=SmallChannel().status,
        clock=SystemClock(),
        words=Translator(),
        load=lambda: channel.parts.store.get("guide"),
        save=lambda record: channel.parts.store.put("guide", record),
    )
    service = ChatService(telegram=channel.parts, commands=None, guide=guide)
    return asyncio.get_running_loop().create_task(service.run())


async def test_two_parts_enter_at_once(tmp_path: Path) -> None:
    """Two parts that ask for the chat of an invitation at once join it once, and both get it."""
    with TelegramStand() as stand:
        stand.do(lambda: stand.chat(INVITE_ONLY_ID).roles.pop(USER_ID))
        own = OwnChat(parse_chat_reference(f"https://t.me/+{INVITE_HASH}"), TelegramState(tmp_path))
        async with connected(stand) as account:
            first, second = await asyncio.gather(own.find(account), own.find(account))
        assert first == second
        assert first.id == INVITE_ONLY_ID
        assert len(stand.asked("messages.importChatInvite")) == 1


async def test_a_lost_answer_to_an_invitation(tmp_path: Path) -> None:
    """An invitation that was accepted although its answer was lost leads to the chat."""
    with TelegramStand() as stand:
        stand.do(lambda: stand.chat(INVITE_ONLY_ID).roles.pop(USER_ID))
        stand.inject("messages.importChatInvite", Fault.LOST)
        own = OwnChat(parse_chat_reference(f"https://t.me/+{INVITE_HASH}"), TelegramState(tmp_path))
        async with connected(stand) as account:
            assert (await own.find(account)).id == INVITE_ONLY_ID


async def test_a_stale_chat_is_looked_up_once(tmp_path: Path) -> None:
    """A refusal of the saved number costs one look-up and one more try; a second part does not undo what it found."""
    store = TelegramState(tmp_path)
    told: list[Message] = []
    with TelegramStand() as stand:
        own = OwnChat(parse_chat_reference("@testchan"), store, moved=told.append)
        async with connected(stand) as account:
            stale = await own.find(account)
            stand.do(lambda: setattr(stand.chat(), "access_hash", 99))
            tried: list[int] = []

            async def work(chat: Chat) -> int:
                tried.append(chat.access_hash)
                if chat.access_hash != 99:
                    raise TelegramRefused("no", word="CHANNEL_INVALID")
                return chat.id

            assert await own.ask(account, work) == stale.id
            assert tried == [55, 99]
            assert own.lost(stale, TelegramRefused("no", word="CHANNEL_INVALID"))
            assert store.get("chat")["access_hash"] == 99
            assert len(stand.asked("contacts.resolveUsername")) == 2
    assert told == []

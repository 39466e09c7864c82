"""Commands in the chat, against the loopback Telegram: who is obeyed, how often, with which answers; and the pinned guide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.small_channel import SmallChannel
from stands.telegram_account import connected
from stands.telegram_dc.server import Fault, TelegramStand
from stands.telegram_dc.world import CHANNEL_NAME, GROUP_ID, SMALL_GROUP_ID, USER_ID, Message, Role, StoredFile
from stands.virtual_time import AheadClock, SetClock
from stands.waiting import wait_until
from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.control.chat.commands import IN_ALL, PER_SENDER, ChatCommands, ChatLimits
from tg_video_streamer.control.chat.guide import EDIT_SECONDS, ChatGuide
from tg_video_streamer.control.chat.wording import (
    ChatCommand,
    answer_text,
    file_line,
    link_of,
    read_command,
    request_of,
)
from tg_video_streamer.control.commands import COMMANDS, make_request, run_command
from tg_video_streamer.control.status_text import StatusText
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.resolve.public_addresses import refuse_private
from tg_video_streamer.telegram.chat.chat_client import ChatClient, enter
from tg_video_streamer.telegram.chat.own_chat import OwnChat
from tg_video_streamer.telegram.chat.reference import parse_chat_reference
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.state_file import TelegramState

ADMIN, STRANGER = 777100, 777200
OPERATORS = range(777300, 777320)


@pytest.fixture(scope="module")
def telegram() -> Iterator[TelegramStand]:
    """One for all tests of the module."""
    with TelegramStand() as stand:
        yield stand


@pytest.fixture
def stand(telegram: TelegramStand) -> Iterator[TelegramStand]:
    """A group with an admin and a stranger in it, in which nothing was written."""
    for chat in telegram.world.chats.values():
        chat.messages.clear()
        chat.pinned = 0
        chat.roles.pop(ADMIN, None)
    telegram.do(lambda: telegram.chat(GROUP_ID).roles.update({USER_ID: Role.CREATOR, ADMIN: Role.ADMIN}))
    telegram.do(lambda: telegram.chat(GROUP_ID).roles.update({STRANGER: Role.MEMBER}))
    telegram.do(telegram.world.requests.clear)
    yield telegram
    telegram.do(telegram.world.injected.clear)


@dataclass(kw_only=True)
class _InChat:
    stand: TelegramStand
    channel: SmallChannel
    account: Account
    room: ChatClient
    chat_id: int
    operators: Iterator[int] = field(default_factory=lambda: cycle(OPERATORS))

    async def answered(self, text: str, sender: int | None = ADMIN, *, reply_to: Message | None = None) -> list[str]:
        """What is answered to `text`, once a later command of an admin was."""
        to = reply_to.id if reply_to is not None else None
        message = await asyncio.to_thread(self.stand.say, text, sender, chat_id=self.chat_id, reply_to=to)
        await self.until_obeyed()
        return self.stand.answers(message, self.chat_id)

    async def until_obeyed(self) -> None:
        """Everything that was written so far was seen to: commands are obeyed one after the other."""
        # Each time another operator, since each may write so often only.
        last = await asyncio.to_thread(self.stand.say, "/status", next(self.operators), chat_id=self.chat_id)
        await asyncio.to_thread(wait_until, lambda: self.stand.answers(last, self.chat_id), what="an answer")


@asynccontextmanager
async def _in_chat(
    stand: TelegramStand,
    folder: Path,
    chat: str = str(-1_000_000_000_000 - GROUP_ID),
    *,
    chat_id: int = GROUP_ID,
    **options: Any,
) -> AsyncIterator[_InChat]:
    channel = SmallChannel()
    clock: Clock = options.pop("clock", SystemClock())
    commands = ChatCommands(
        commands=channel,
        words=Translator(),
        clock=clock,
        limits=ChatLimits(clock),
        operators=map(str, OPERATORS),
        reachable=lambda link: refuse_private([link]),
        **options,
    )
    async with connected(stand) as account, asyncio.TaskGroup() as tasks:
        room = await enter(account, OwnChat(parse_chat_reference(chat), TelegramState(folder)))
        room.follow(lambda message: commands.on_message(room, message))
        running = tasks.create_task(commands.run())
        yield _InChat(stand=stand, channel=channel, account=account, room=room, chat_id=chat_id)
        running.cancel()


async def test_who_is_obeyed(stand: TelegramStand, tmp_path: Path) -> None:
    """Admins, operators, the account itself and unnamed admins are obeyed; strangers and other texts are left alone."""
    async with _in_chat(stand, tmp_path) as chat:
        assert await chat.answered("/pause") == ["paused"]
        assert chat.channel.paused
        assert await chat.answered("/resume", STRANGER) == []
        assert chat.channel.paused
        assert await chat.answered("/resume", None) == ["resumed"]
        assert await chat.answered("/slate on", OPERATORS[-1]) == ["the slate is on"]
        assert await chat.answered("/slate off", USER_ID) == ["the slate is off"]
        assert await chat.answered("/skip@some_bot") == []
        assert await chat.answered("please /skip") == []
        assert await chat.answered("/unknown") == []
        assert await chat.answered("/now", STRANGER) == []


async def test_everybody_may_ask_where_that_is_allowed(stand: TelegramStand, tmp_path: Path) -> None:
    """With CHAT_PUBLIC a stranger learns what is on and what comes next, and changes nothing."""
    async with _in_chat(stand, tmp_path, public=True) as chat:
        (now,) = await chat.answered("/now", STRANGER)
        assert now.startswith("Big Buck Bunny")
        (coming,) = await chat.answered("/next", STRANGER)
        assert coming.splitlines()[1].startswith("2. Sintel")
        assert await chat.answered("/queue", STRANGER) == []
        assert await chat.answered("/skip", STRANGER) == []


async def test_a_dismissed_admin_is_obeyed_for_a_minute_at_most(stand: TelegramStand, tmp_path: Path) -> None:
    """Who administers is asked again after a minute."""
    clock = AheadClock()
    async with _in_chat(stand, tmp_path, clock=clock) as chat:
        assert await chat.answered("/pause") == ["paused"]
        stand.do(lambda: stand.chat(GROUP_ID).roles.update({ADMIN: Role.MEMBER}))
        clock.ahead += 59
        assert await chat.answered("/resume") == ["resumed"]
        clock.ahead += 20
        assert await chat.answered("/pause") == []


async def test_links_from_the_chat(stand: TelegramStand, tmp_path: Path) -> None:
    """A link may not lead into the host's own network, and a path is no link; the error is the answer."""
    async with _in_chat(stand, tmp_path) as chat:
        for link in ("http://127.0.0.1/", "http://[::1]:9090/metrics", "http://localhost/x"):
            (answer,) = await chat.answered(f"/add {link}")
            assert "private network" in answer
            assert link not in answer
        (answer,) = await chat.answered("/add /etc/passwd")
        assert "not a link" in answer
        (answer,) = await chat.answered("/add http://1.1.1.1/a|title=x")
        assert "not a link" in answer
        assert await chat.answered("/add http://1.1.1.1/video") == ["queued http://1.1.1.1/video | public=1"]
        assert [item.title for item in chat.channel.queue] == ["http://1.1.1.1/video | public=1"]


async def test_a_flood_is_not_answered(stand: TelegramStand, tmp_path: Path) -> None:
    """Of fifty commands of one sender a few are obeyed, and what came while the service was away is left alone."""
    async with _in_chat(stand, tmp_path, clock=AheadClock()) as chat:
        old = await asyncio.to_thread(stand.say, "/skip", ADMIN, chat_id=GROUP_ID, age_seconds=120)
        said: list[Message] = [await asyncio.to_thread(stand.say, "/now", ADMIN, chat_id=GROUP_ID) for _ in range(50)]
        await chat.until_obeyed()
        answered = [message for message in said if stand.answers(message, GROUP_ID)]
        assert answered == said[:PER_SENDER]
        assert len(answered) < IN_ALL
        assert not stand.answers(old, GROUP_ID)


async def test_telegram_asks_to_wait(stand: TelegramStand, tmp_path: Path) -> None:
    """After FLOOD_WAIT commands are obeyed, but nothing is written until the time is over; then they are answered again."""
    clock = AheadClock()
    async with _in_chat(stand, tmp_path, clock=clock) as chat:
        stand.flood("messages.sendMessage", 3600)
        # Commands are obeyed one after the other: when one has its effect, those before it were answered or not.
        for command, paused in (("/pause", True), ("/resume", False), ("/pause", True)):
            await asyncio.to_thread(stand.say, command, ADMIN, chat_id=GROUP_ID)
            await asyncio.to_thread(wait_until, lambda paused=paused: chat.channel.paused is paused, what=command)
        assert len(stand.asked("messages.sendMessage")) == 1
        clock.ahead += 3601
        # The account and Telethon remember the wait too, by the system's clock.
        chat.account._waits._waits.clear()
        chat.account._client._flood_waited_requests.clear()  # type: ignore[union-attr]
        await chat.until_obeyed()


@pytest.mark.parametrize(("name", "chat_id"), [(f"@{CHANNEL_NAME}", None), (str(-SMALL_GROUP_ID), SMALL_GROUP_ID)])
async def test_other_kinds_of_chats(stand: TelegramStand, tmp_path: Path, name: str, chat_id: int | None) -> None:
    """A channel's posts, which only admins write, and a small group's messages are obeyed as well."""
    where = chat_id or stand.chat().id
    async with _in_chat(stand, tmp_path, name, chat_id=where) as chat:
        sender = None if chat_id is None else USER_ID
        message = await asyncio.to_thread(stand.say, "/pause", sender, chat_id=where)
        await asyncio.to_thread(wait_until, lambda: stand.answers(message, where), what="an answer")
        assert chat.channel.paused


def chat_guide(channel: SmallChannel, clock: SetClock, store: TelegramState) -> ChatGuide:
    """A guide of the channel that is stored as the service stores it."""
    return ChatGuide(
        words=Translator(),
        status=channel.status,
        clock=clock,
        load=lambda: store.get("guide"),
        save=lambda record: store.put("guide", record),
    )


async def test_the_guide_is_one_pinned_message(stand: TelegramStand, tmp_path: Path) -> None:
    """The guide is pinned once, edited as items change, found after a restart, and written again where it was deleted."""
    store, clock, channel = TelegramState(tmp_path), SetClock(), SmallChannel()
    async with connected(stand) as account:
        room = await enter(account, OwnChat(parse_chat_reference(f"@{CHANNEL_NAME}"), store))

        def made() -> ChatGuide:
            guide = chat_guide(channel, clock, store)
            guide.room = room
            return guide

        guide = made()
        await guide.update()
        (message,) = stand.chat().messages.values()
        assert stand.chat().pinned == message.id
        assert message.text.startswith("On air: Big Buck Bunny")
        channel.items.append(channel.items.pop(0))
        await guide.update()
        assert message.edits == 0
        clock.now += EDIT_SECONDS
        await guide.update()
        assert message.text.startswith("On air: سلام دنیا")
        channel.items.append(channel.items.pop(0))
        await made().update()
        assert message.text.startswith("On air: Sintel")
        del stand.chat().messages[message.id]
        channel.items.append(channel.items.pop(0))
        await made().update()
        (again,) = stand.chat().messages.values()
        assert stand.chat().pinned == again.id != message.id


async def test_a_lost_answer_posts_no_second_guide(stand: TelegramStand, tmp_path: Path) -> None:
    """Where the answer to the guide's message is lost, and where the service ended before it, there is still one message."""
    store, clock, channel = TelegramState(tmp_path), SetClock(), SmallChannel()
    async with connected(stand) as account:
        room = await enter(account, OwnChat(parse_chat_reference(f"@{CHANNEL_NAME}"), store))
        guide = chat_guide(channel, clock, store)
        guide.room = room
        stand.inject("messages.sendMessage", Fault.LOST)
        await guide.update()
        (message,) = stand.chat().messages.values()
        assert stand.chat().pinned == message.id
        assert store.get("guide")["message_id"] == message.id
        # Ended after Telegram had the message, and before its number was saved; the program has moved on since.
        request, *_ = stand.asked("messages.sendMessage")
        store.put("guide", {"chat_id": room.chat_id, "random_id": request.random_id, "text": message.text})
        channel.items.append(channel.items.pop(0))
        guide = chat_guide(channel, clock, store)
        guide.room = room
        await guide.update()
        clock.now += EDIT_SECONDS
        await guide.update()
        assert list(stand.chat().messages.values()) == [message]
        assert message.text.startswith("On air: سلام دنیا")


async def test_a_guide_that_may_not_be_pinned(stand: TelegramStand, tmp_path: Path) -> None:
    """Without the right to pin the guide is kept up to date unpinned."""
    store, clock, channel = TelegramState(tmp_path), SetClock(), SmallChannel()
    stand.do(lambda: stand.chat(GROUP_ID).roles.update({USER_ID: Role.ADMIN}))
    async with connected(stand) as account:
        guide = chat_guide(channel, clock, store)
        guide.room = await enter(account, OwnChat(parse_chat_reference(str(-1_000_000_000_000 - GROUP_ID)), store))
        await guide.update()
        channel.items.append(channel.items.pop(0))
        clock.now += EDIT_SECONDS
        await guide.update()
    (message,) = stand.chat(GROUP_ID).messages.values()
    assert (message.edits, stand.chat(GROUP_ID).pinned) == (1, 0)


async def test_a_file_in_the_chat_is_added_by_a_reply(stand: TelegramStand, tmp_path: Path) -> None:
    """`/add` as a reply to a message with a file queues it, for those who may; other messages are refused."""
    async with _in_chat(stand, tmp_path) as room:
        text = await asyncio.to_thread(stand.say, "hello", ADMIN, chat_id=GROUP_ID)
        film = StoredFile(data=b"film", name="film.mp4")
        file = await asyncio.to_thread(stand.post, film, "Film | volume=4\nof the year", chat_id=GROUP_ID)
        part = await asyncio.to_thread(stand.post, StoredFile(data=b"1", name="1.mp4"), chat_id=GROUP_ID, album=9)
        who, link = next(room.operators), f"https://t.me/c/{GROUP_ID}/"
        queued = f"queued {link}{file.id} | title=Film volume=4 | public=1"
        assert await room.answered("/add", who, reply_to=file) == [queued]
        queued = f"queued {link}{part.id}?single | title=1 | public=1"
        assert await room.answered("/add", who, reply_to=part) == [queued]
        assert await room.answered("/add", STRANGER, reply_to=file) == []
        (refused,) = await room.answered("/add", who, reply_to=text)
        assert refused.startswith("that message has no video")
        (refused,) = await room.answered("/add", who)
        assert "reply /add to a file" in refused
        queued = "queued http://1.1.1.1/video | public=1"
        assert await room.answered("/add http://1.1.1.1/video", who, reply_to=file) == [queued]


async def test_a_file_in_a_small_group_has_a_link(stand: TelegramStand, tmp_path: Path) -> None:
    """A basic group has no links at Telegram; a playlist line names its file all the same."""
    file = stand.post(StoredFile(data=b"film", name="film.mp4"), chat_id=SMALL_GROUP_ID)
    async with connected(stand) as account:
        room = await enter(account, OwnChat(parse_chat_reference(str(-SMALL_GROUP_ID)), TelegramState(tmp_path)))
        assert await room.file_of(file.id) == (f"tg-chat:-{SMALL_GROUP_ID}/{file.id}", "film")
        assert await room.file_of(file.id + 1) == ("", "")


@given(st.text())
def test_any_text_is_a_command_or_none(text: str) -> None:
    """Whatever is written is a command that the table of commands has, or is refused, or is ignored."""
    for written in (text, f"/{text}", f"/add {text}", f"/slate {text}", f"/seek {text}"):
        command = read_command(written)
        if command is None:
            continue
        try:
            request = request_of(command)
        except ControlError:
            continue
        assert COMMANDS[request.command.name] is request.command


def test_seek_takes_the_place_as_it_is_written() -> None:
    """`/seek +30` is the command `seek` with the same words."""
    command = read_command("/seek  +30 ")
    assert command is not None
    assert request_of(command).arguments == {"to": "+30"}


@given(st.text())
def test_a_link_brings_no_options_along(text: str) -> None:
    """Nothing behind a link becomes an option of the line that is queued."""
    try:
        link = link_of(ChatCommand(name="add", words=text))
    except ControlError:
        return
    assert "|" not in link
    assert len(link.split()) == 1


async def test_an_answer_fits_into_a_message() -> None:
    """However long titles are, an answer is one that Telegram takes."""
    channel = SmallChannel()
    for _ in range(80):
        channel.queue_add("x" * 300)
    text = answer_text(
        ChatCommand(name="queue"), await run_command(channel, make_request("queue_list", {})), StatusText(Translator())
    )
    assert len(text) <= 4096


@given(st.text())
def test_a_title_of_a_file_brings_no_options_along(title: str) -> None:
    """Nothing in the caption of a file becomes an option of the line that is queued."""
    item = parse_line(file_line("https://t.me/c/5001/7", title), base="/", allowed=AllowedFolders.of(()))
    assert item == replace(item, start_seconds=0.0, end_seconds=None, volume=1.0, public_only=False)
    assert item.locator == "https://t.me/c/5001/7"

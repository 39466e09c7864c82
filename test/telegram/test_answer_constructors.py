"""The loopback Telegram answers with each constructor of the schema, to the real client: what comes of it is stated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from pyrogram.raw import types

from stands.telegram_account import connected
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CHANNEL_ID, SMALL_GROUP_ID, USER_ID, Answer, Call
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import AnswerUnreadable, SessionUnreachable, StreamerError, TelegramRefused
from tg_video_streamer.telegram.answers.calls import RunningCall
from tg_video_streamer.telegram.call.call import CallState, GroupCall
from tg_video_streamer.telegram.chat.chat_client import ChatClient
from tg_video_streamer.telegram.chat.dialogs import listed_chats
from tg_video_streamer.telegram.chat.list_chats import streamable_chats
from tg_video_streamer.telegram.chat.lookup import input_peer, look_up
from tg_video_streamer.telegram.chat.reference import Chat, parse_chat_reference
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.livestream.livestream import LiveStream
from tg_video_streamer.telegram.media.chats import SourceChats

CHANNEL = Chat(id=CHANNEL_ID, access_hash=55, small=False, title="Test channel")
SMALL = Chat(id=SMALL_GROUP_ID, access_hash=0, small=True, title="Small group")
SMALL_CHAT = types.Chat(
    id=SMALL_GROUP_ID, title="Small", photo=types.ChatPhotoEmpty(), participants_count=1, date=0, version=1
)
MOVED = types.InputChannel(channel_id=8001, access_hash=9)
BOT = types.User(id=7, first_name="Doorkeeper", bot=True)
NOW = 1_700_000_000
Outcome = str | int | tuple[Any, ...] | frozenset[Any]


def updates(*of: Any, chats: tuple[Any, ...] = ()) -> Any:
    """The most usual answer."""
    return types.Updates(updates=list(of), users=[], chats=list(chats), date=NOW, seq=0)


def every_updates(update: Any) -> list[Any]:
    """One of each constructor of Updates."""
    return [
        updates(update),
        types.UpdatesCombined(updates=[update], users=[], chats=[], date=NOW, seq_start=0, seq=0),
        types.UpdateShort(update=update, date=NOW),
        types.UpdateShortMessage(id=4, user_id=1, message="", pts=1, pts_count=0, date=NOW),
        types.UpdateShortChatMessage(id=4, from_id=1, chat_id=1, message="", pts=1, pts_count=0, date=NOW),
        types.UpdateShortSentMessage(id=4, pts=1, pts_count=0, date=NOW),
        types.UpdatesTooLong(),
    ]


Test = Callable[[TelegramStand, Account], Awaitable[None]]


def connected_test(test: Test) -> Callable[[TelegramStand], Awaitable[None]]:
    """A test with an account that is connected."""

    async def run(telegram: TelegramStand) -> None:
        async with connected(telegram) as account:
            await test(telegram, account)
        telegram.relent()

    run.__doc__ = test.__doc__
    return run


async def outcome(asking: Awaitable[Any]) -> Any:
    """What comes of it: the value, or the word of the refusal, or the kind of the error."""
    try:
        return await asking
    except TelegramRefused as refused:
        return refused.word if refused.remedy else f"{refused.word} without a remedy"
    except StreamerError as error:
        return type(error).__name__


@connected_test
async def test_chats(stand: TelegramStand, account: Account) -> None:
    """messages.getChats: each kind of chat, and both kinds of lists, lead to the chat or to words that say why not."""
    reference = parse_chat_reference(str(-SMALL_GROUP_ID))
    moved = types.Chat(**{name: getattr(SMALL_CHAT, name) for name in SMALL_CHAT.__slots__} | {"migrated_to": MOVED})
    closed = types.Chat(**{name: getattr(SMALL_CHAT, name) for name in SMALL_CHAT.__slots__} | {"deactivated": True})
    cases: list[tuple[list[Any], Any]] = [
        ([SMALL_CHAT], (SMALL_GROUP_ID, True)),
        ([moved], (8001, False)),
        ([closed], "CHAT_ID_INVALID"),
        ([types.ChatForbidden(id=SMALL_GROUP_ID, title="x")], "CHAT_FORBIDDEN"),
        ([types.ChannelForbidden(id=1, access_hash=1, title="x")], "CHAT_FORBIDDEN"),
        ([types.ChatEmpty(id=SMALL_GROUP_ID)], "CHAT_ID_INVALID"),
        ([types.Community(id=1, title="x", photo=types.ChatPhotoEmpty(), date=0)], "CHANNEL_INVALID"),
        ([types.CommunityForbidden(id=1, title="x", access_hash=1)], "CHANNEL_INVALID"),
        ([], "CHAT_ID_INVALID"),
    ]
    for chats, expected in cases:
        for answer in (types.messages.Chats(chats=chats), types.messages.ChatsSlice(count=9, chats=chats)):
            stand.inject("messages.getChats", Answer(answer))
            found = await outcome(look_up(account, reference))
            assert ((found.id, found.small) if isinstance(found, Chat) else found) == expected, chats


@connected_test
async def test_invitations(stand: TelegramStand, account: Account) -> None:
    """messages.checkChatInvite and importChatInvite: joined in both forms of the answer, or a person is asked to."""
    reference = parse_chat_reference("https://t.me/+AbCdEf1234567890")
    already = Answer(types.ChatInviteAlready(chat=SMALL_CHAT))
    peek = Answer(types.ChatInvitePeek(chat=SMALL_CHAT, expires=NOW))
    ok = types.messages.ChatInviteJoinResultOk(updates=updates(chats=(SMALL_CHAT,)))
    web_view = types.messages.ChatInviteJoinResultWebView(bot_id=7, query_id=1, users=[BOT])
    stand.inject("messages.checkChatInvite", already)
    assert (await look_up(account, reference)).id == SMALL_GROUP_ID
    for joined in (ok, updates(chats=(SMALL_CHAT,))):
        stand.inject("messages.checkChatInvite", peek)
        stand.inject("messages.importChatInvite", Answer(joined))
        assert (await look_up(account, reference)).id == SMALL_GROUP_ID
    stand.inject("messages.checkChatInvite", peek, already)
    stand.inject("messages.importChatInvite", Answer(types.UpdatesTooLong()))
    assert (await look_up(account, reference)).id == SMALL_GROUP_ID
    stand.inject("messages.checkChatInvite", peek)
    stand.inject("messages.importChatInvite", Answer(web_view))
    with pytest.raises(TelegramRefused, match="bot Doorkeeper"):
        await look_up(account, reference)


@connected_test
async def test_dialogs(stand: TelegramStand, account: Account) -> None:
    """messages.getDialogs: entries of folders and communities, and an answer without a list, end no listing."""
    settings = types.PeerNotifySettings()
    dialogs = [
        types.DialogFolder(
            folder=types.Folder(id=1, title="x"),
            peer=types.PeerChat(chat_id=1),
            top_message=1,
            unread_muted_peers_count=0,
            unread_unmuted_peers_count=0,
            unread_muted_messages_count=0,
            unread_unmuted_messages_count=0,
        ),
        types.DialogCommunity(community_id=1, notify_settings=settings),
    ]
    page = types.messages.DialogsSlice(count=2, dialogs=dialogs, messages=[], chats=[SMALL_CHAT], users=[])
    for answer in (page, types.messages.DialogsNotModified(count=2)):
        stand.inject("messages.getDialogs", Answer(answer))
        found = [chat async for chat in listed_chats(account)]
        assert len(found) == (1 if answer is page else 0)
    strange = [types.ChatEmpty(id=1), types.ChatForbidden(id=2, title="x"), SMALL_CHAT]
    stand.inject(
        "messages.getDialogs", Answer(types.messages.Dialogs(dialogs=[], messages=[], chats=strange, users=[]))
    )
    assert await streamable_chats(account) == []


@connected_test
async def test_call_of_the_chat(stand: TelegramStand, account: Account) -> None:
    """phone.getGroupCall: a call that was ended is none, for live stream and video chat, watched or joined."""
    call = Call(id=77, access_hash=1, rtmp_stream=True)
    stand.do(lambda: setattr(stand.chat(), "call", call))
    over = types.GroupCallDiscarded(id=77, access_hash=1, duration=3)
    ended = types.phone.GroupCall(call=over, participants=[], participants_next_offset="", chats=[], users=[])
    live = LiveStream(account, CHANNEL)
    running = await live.running()
    assert running is not None
    stand.always("phone.getGroupCall", Answer(ended))
    assert await live.running() is None
    assert await live.refreshed(running) is None
    stand.relent()
    stand.do(lambda: setattr(stand.chat(), "call", None))


@connected_test
async def test_created(stand: TelegramStand, account: Account) -> None:
    """phone.createGroupCall: where the answer does not describe the new call, it is asked for."""
    made = types.GroupCall(
        id=5, access_hash=6, participants_count=0, unmuted_video_limit=1, version=1, rtmp_stream=True, creator=True
    )
    live = LiveStream(account, CHANNEL)
    for number, answer in enumerate(every_updates(types.UpdateGroupCall(call=made))):
        known = Call(id=100 + number, access_hash=1, rtmp_stream=True)
        stand.do(partial(setattr, stand.chat(), "call", known))
        stand.inject("phone.createGroupCall", Answer(answer))
        started: RunningCall = await live.started("")
        assert started.id == (5 if hasattr(answer, "update") or hasattr(answer, "updates") else known.id)
    stand.do(lambda: setattr(stand.chat(), "call", None))


def connection(text: str) -> Any:
    """Where to connect after a join."""
    return types.UpdateGroupCallConnection(params=types.DataJSON(data=text))


JOINS: list[tuple[Any, str]] = [
    *((answer, "SessionUnreachable") for answer in every_updates(types.UpdateConfig())),
    (updates(connection('{"transport": null}')), "CALL_TRANSPORT_MISSING"),
    (updates(connection("[]")), "CALL_TRANSPORT_UNREADABLE"),
    (updates(connection("{")), "CALL_TRANSPORT_UNREADABLE"),
    (updates(connection('{"rtmp": true, "transport": null}')), "GROUPCALL_RTMP_STREAM"),
    (updates(connection('{"stream": true}')), "CALL_BROADCAST_ONLY"),
    (updates(connection('{"transport": {"ufrag": "x"}}')), '{"transport": {"ufrag": "x"}}'),
]


@connected_test
async def test_joined(stand: TelegramStand, account: Account) -> None:
    """phone.joinGroupCall: no answer breaks the join; each that names no media server says what to do."""
    for answer, expected in JOINS:
        call = GroupCall(account=lambda: account, peer=input_peer(CHANNEL), clock=SystemClock())
        stand.inject("phone.joinGroupCall", Answer(answer))
        assert await outcome(call.join('{"ssrc": 1}', 1)) == expected, answer
        assert call.state is (CallState.JOINED if expected.startswith("{") else CallState.REFUSED)
    call = GroupCall(account=lambda: account, peer=input_peer(CHANNEL), clock=SystemClock())
    stand.inject("phone.joinGroupCall", (403, "GROUPCALL_FORBIDDEN"))
    with pytest.raises(TelegramRefused, match=r"GROUPCALL_FORBIDDEN.*do not let the account in"):
        await call.join('{"ssrc": 1}', 1)
    stand.do(lambda: setattr(stand.chat(), "call", None))


def in_chat(account: Account, chat: Chat = CHANNEL) -> ChatClient:
    """The account in a chat."""
    return ChatClient(account, chat, refused=lambda _chat, _refused: None)


@connected_test
async def test_sent(stand: TelegramStand, account: Account) -> None:
    """messages.sendMessage: the number is in the answer or is found in the chat."""
    room = in_chat(account)
    posted = stand.say("same text", None)
    message = types.Message(id=4, peer_id=types.PeerChannel(channel_id=CHANNEL_ID), date=NOW, message="x")
    for answer in every_updates(types.UpdateNewChannelMessage(message=message, pts=1, pts_count=1)):
        stand.inject("messages.sendMessage", Answer(answer))
        numbered = hasattr(answer, "updates") or hasattr(answer, "update")
        sent = isinstance(answer, types.UpdateShortSentMessage)
        assert await room.send("same text") == (4 if numbered or sent else posted.id), answer


@connected_test
async def test_admins(stand: TelegramStand, account: Account) -> None:
    """channels.getParticipants and messages.getFullChat: only administrators count, and a hidden list is a refusal."""
    peer = types.PeerUser(user_id=9)
    rights = types.ChatAdminRights()
    people = [
        types.ChannelParticipant(user_id=1, date=0),
        types.ChannelParticipantSelf(user_id=2, inviter_id=1, date=0),
        types.ChannelParticipantCreator(user_id=3, admin_rights=rights),
        types.ChannelParticipantAdmin(user_id=4, promoted_by=3, date=0, admin_rights=rights),
        types.ChannelParticipantBanned(
            peer=peer, kicked_by=3, date=0, banned_rights=types.ChatBannedRights(until_date=0)
        ),
        types.ChannelParticipantLeft(peer=peer),
    ]
    listed = types.channels.ChannelParticipants(count=6, participants=people, chats=[], users=[])
    stand.inject("channels.getParticipants", Answer(listed))
    assert await in_chat(account).admins() == {3, 4}
    stand.inject("channels.getParticipants", Answer(types.channels.ChannelParticipantsNotModified()))
    assert await outcome(in_chat(account).admins()) == "CHANNEL_PARTICIPANTS_NOT_MODIFIED"
    assert await in_chat(account, SMALL).admins() == {USER_ID}
    full = types.ChatFull(
        id=SMALL_GROUP_ID,
        about="",
        participants=types.ChatParticipantsForbidden(chat_id=SMALL_GROUP_ID),
        notify_settings=types.PeerNotifySettings(),
    )
    stand.inject("messages.getFullChat", Answer(types.messages.ChatFull(full_chat=full, chats=[SMALL_CHAT], users=[])))
    assert await outcome(in_chat(account, SMALL).admins()) == "CHAT_PARTICIPANTS_FORBIDDEN"


@connected_test
async def test_messages(stand: TelegramStand, account: Account) -> None:
    """channels.getMessages and messages.getHistory: an answer without a list has no messages; services are none."""
    chats = SourceChats(TelegramState(stand.key_file.parent))
    message = types.Message(id=4, peer_id=types.PeerChannel(channel_id=CHANNEL_ID), date=NOW, message="x")
    service = types.MessageService(id=5, peer_id=message.peer_id, date=NOW, action=types.MessageActionPinMessage())
    mixed = [types.MessageEmpty(id=3), message, service]
    answers: list[tuple[Callable[..., Any], int]] = [
        (lambda: types.messages.Messages(messages=mixed, topics=[], chats=[], users=[]), 3),
        (lambda: types.messages.MessagesSlice(count=3, messages=mixed, topics=[], chats=[], users=[]), 3),
        (lambda: types.messages.ChannelMessages(pts=1, count=3, messages=mixed, topics=[], chats=[], users=[]), 3),
        (lambda: types.messages.MessagesNotModified(count=3), 0),
    ]
    for made, count in answers:
        stand.inject("channels.getMessages", Answer(made()))
        assert len(await chats.messages(account, "testchan", [3, 4, 5])) == (1 if count else 0)
        stand.inject("messages.getHistory", Answer(made()))
        assert len(await chats.page(account, "testchan", before=0, after=0, limit=10)) == count


@connected_test
async def test_title_that_is_shown_already(stand: TelegramStand, account: Account) -> None:
    """GROUPCALL_NOT_MODIFIED means that the title is there."""
    call = Call(id=78, access_hash=1, rtmp_stream=True, title="Same")
    stand.do(lambda: setattr(stand.chat(), "call", call))
    live = LiveStream(account, CHANNEL)
    running = await live.running()
    assert running is not None
    await live.set_title(running, "Same")
    stand.do(lambda: setattr(stand.chat(), "call", None))


@connected_test
async def test_an_answer_of_another_type(stand: TelegramStand, account: Account) -> None:
    """A constructor of another type is an error of ours, with its name and a remedy."""
    stand.inject("channels.getFullChannel", Answer(types.Pong(msg_id=1, ping_id=1)))
    with pytest.raises(AnswerUnreadable, match=r"Pong.*update the program") as raised:
        await LiveStream(account, CHANNEL).running()
    assert isinstance(raised.value, SessionUnreachable)

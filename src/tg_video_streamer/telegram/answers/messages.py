"""Reads lists of messages and of dialogs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from telethon.tl import types

from tg_video_streamer.telegram.answers.chats import PEER_ID
from tg_video_streamer.telegram.answers.tl_type import TlType, always

MESSAGES: TlType[tuple[Any, ...]] = TlType(
    {
        types.messages.Messages: lambda answer: tuple(answer.messages),
        types.messages.MessagesSlice: lambda answer: tuple(answer.messages),
        types.messages.ChannelMessages: lambda answer: tuple(answer.messages),
        # Only for a request that names what is known, which ours do not.
        types.messages.MessagesNotModified: always(()),
    }
)

MESSAGE: TlType[Any | None] = TlType(
    {
        types.Message: lambda message: message,
        types.MessageService: always(None),
        types.MessageEmpty: always(None),
    }
)
"""The message, where there is one that somebody wrote."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offset:
    """Where the next page begins."""

    date: Any
    message_id: int
    peer: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogPage:
    """One page of an account's list of chats."""

    chats: tuple[Any, ...] = ()
    following: Offset | None = None
    """None for the last page, and where the next one is unknown."""


DIALOG: TlType[tuple[Any, int] | None] = TlType(
    {
        types.Dialog: lambda dialog: (dialog.peer, int(dialog.top_message)),
        types.DialogFolder: lambda folder: (folder.peer, int(folder.top_message)),
        # Chats of a community are listed by themselves.
        types.DialogCommunity: always(None),
    }
)
"""The peer and the newest message of an entry that the next page can begin behind."""


def _slice(page: types.messages.DialogsSlice) -> DialogPage:
    return DialogPage(chats=tuple(page.chats), following=_following(page))


def _following(page: types.messages.DialogsSlice) -> Offset | None:
    """Behind the last dialog of the page whose message is there."""
    dates = {(str(one.peer_id), one.id): getattr(one, "date", None) for one in page.messages}
    for dialog in reversed(page.dialogs):
        if (found := DIALOG.read(dialog)) is None:
            continue
        peer, number = found
        if (date := dates.get((str(peer), number))) is None:
            return None
        return Offset(date=date, message_id=number, peer=_input(peer, page))
    return None


def _input(peer: Any, page: types.messages.DialogsSlice) -> Any:
    """A peer as requests name it."""
    number = PEER_ID.read(peer)
    if isinstance(peer, types.PeerChat):
        return types.InputPeerChat(number)
    hashes = {one.id: getattr(one, "access_hash", None) or 0 for one in (*page.chats, *page.users)}
    kind = types.InputPeerUser if isinstance(peer, types.PeerUser) else types.InputPeerChannel
    return kind(number, hashes.get(number, 0))


DIALOGS: TlType[DialogPage] = TlType(
    {
        types.messages.Dialogs: lambda page: DialogPage(chats=tuple(page.chats)),
        types.messages.DialogsSlice: _slice,
        # Only for a request that names what is known, which ours do not.
        types.messages.DialogsNotModified: always(DialogPage()),
    }
)

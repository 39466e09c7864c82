"""Resolves Telegram items: a message to its file, an album to its parts, a chat to all its media."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from telethon.tl import types

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import (
    ResolveError,
    SessionEnded,
    SessionError,
    SessionNeeded,
    SourceGone,
    TelegramRefused,
)
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.telegram_link import TelegramLink, parse_telegram_link
from tg_video_streamer.resolve.media import Download, Expansion, Fetcher, Media, MediaInput
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.media.chats import SourceChats, source_error
from tg_video_streamer.telegram.media.history import FRESH_SECONDS, PAGE, ChatHistory, Wanted
from tg_video_streamer.telegram.media.message import MessageMedia, media_of

_ALBUM = 10
"""Messages in an album at most; their numbers follow each other."""
_MOST_HISTORIES = 100

log = structlog.get_logger(__name__)


class TelegramResolver:
    """See Resolve; remembers what it has read of whole chats."""

    def __init__(self, *, chats: SourceChats, clock: Clock) -> None:
        self._chats = chats
        self._clock = clock
        self._histories: dict[str, ChatHistory] = {}
        self._readings: dict[str, ChatHistory] = {}
        """Chats that are being read again, as far as that is."""
        self._chat_ids: dict[str, tuple[int, bool]] = {}
        """The chats of whole-chat items by the key of the item: the bare id, and whether it is a small group."""

    async def resolve(self, account: Account, item: Item) -> Media | Expansion:
        """Where `item` is, asked with `account`. Raises SourceGone for a deleted message, and ResolveError."""
        link = parse_telegram_link(item.locator)
        try:
            return await (self._message(account, item, link) if link.message else self._chat(account, item, link))
        except SessionError as error:
            kind = SessionNeeded if isinstance(error, SessionEnded) else ResolveError
            raise kind.because_of(error) from error
        except TelegramRefused as refused:
            raise source_error(refused, link) from refused

    def outdated_by(self, update: Any) -> list[str]:
        """The keys of the items whose chat has a new message with a file by this raw update."""
        if not isinstance(update, types.UpdateNewMessage | types.UpdateNewChannelMessage):
            return []
        peer = getattr(update.message, "peer_id", None)
        if media_of(update.message) is None or not isinstance(peer, types.PeerChat | types.PeerChannel):
            return []
        small = isinstance(peer, types.PeerChat)
        place = (peer.chat_id if small else peer.channel_id, small)
        return [key for key, chat in self._chat_ids.items() if chat == place]

    async def _message(self, account: Account, item: Item, link: TelegramLink) -> Media | Expansion:
        found = await self._chats.messages(account, link.chat, [link.message])
        if not found:
            raise SourceGone.of("telegram_source.deleted", message=link.message, chat=link.chat)
        if found[0].grouped_id and not link.single:
            around = range(max(1, link.message - _ALBUM + 1), link.message + _ALBUM)
            near = await self._chats.messages(account, link.chat, list(around))
            parts = [media_of(one) for one in near if one.grouped_id == found[0].grouped_id]
            album = sorted((one for one in parts if one is not None), key=lambda one: one.message_id)
            if len(album) > 1:
                return _album(item, link, album)
        media = media_of(found[0])
        if media is None:
            raise SourceGone.of("telegram_source.no_media", message=link.message, chat=link.chat)
        chat = await self._chats.find(account, link.chat)
        return _media(link, media, chat_id=chat.id)

    async def _chat(self, account: Account, item: Item, link: TelegramLink) -> Expansion:
        history = await self._history(account, item, link)
        chat = await self._chats.find(account, link.chat)
        self._chat_ids[item.key] = (chat.id, chat.small)
        children = tuple(
            item.child(
                LocatorKind.TELEGRAM,
                TelegramLink(chat=link.chat, message=one.message_id, single=bool(one.album)).locator,
                title=one.title or f"{chat.title} {one.message_id}",
            )
            for one in history.entries(item.order)
        )
        return Expansion(children=children, title=chat.title)

    async def _history(self, account: Account, item: Item, link: TelegramLink) -> ChatHistory:
        """The media of the chat, with what was posted since; a chat that was read long ago is read again meanwhile."""
        now = self._clock.monotonic()

        async def page(before: int, after: int) -> list[Any]:
            return await self._chats.page(account, link.chat, before=before, after=after, limit=PAGE)

        known = self._histories.get(item.key)
        if known is None or now - known.began > FRESH_SECONDS:
            reading = self._readings.setdefault(item.key, ChatHistory(_wanted(item), began=now))
        else:
            reading = known
        try:
            await reading.read(page)
            if known is not None and reading is not known and not reading.whole:
                await known.read(page)
        except SessionError as error:
            # A long chat, and Telegram asks for a pause: what was read plays, the rest follows.
            usable = known or (reading if reading.begun else None)
            if usable is None:
                raise
            log.info("a chat could not be read to its end now", key=item.key, why=str(error))
            return usable
        if reading.whole or known is None:
            self._histories[item.key] = reading
        if reading.whole:
            self._readings.pop(item.key, None)
        while len(self._histories) > _MOST_HISTORIES:
            self._histories.pop(next(iter(self._histories)))
        return self._histories[item.key]


def _wanted(item: Item) -> Wanted:
    since = datetime.fromisoformat(item.since).timestamp() if item.since else 0.0
    return Wanted(since_wall=since, words=tuple(item.match.casefold().split()))


def _album(item: Item, link: TelegramLink, album: list[MessageMedia]) -> Expansion:
    caption = next((one.title for one in album if one.caption.strip()), "")
    children = [
        item.child(
            LocatorKind.TELEGRAM,
            replace(link, message=one.message_id, single=True).locator,
            title=one.title or (f"{caption} ({number})" if caption else ""),
        )
        for number, one in enumerate(album, start=1)
    ]
    return Expansion(children=tuple(children), title=caption)


def _media(link: TelegramLink, media: MessageMedia, *, chat_id: int) -> Media:
    request = {"chat": link.chat, "message": media.message_id, "media": media.media_id}
    download = Download(
        fetcher=Fetcher.TELEGRAM, request=json.dumps(request), suffix=media.suffix, size_bytes=media.size_bytes
    )
    return Media(
        inputs=(MediaInput(location="", is_file=False, download=download),),
        title=media.title or f"{link.chat} {media.message_id}",
        source_id=f"telegram {chat_id} {media.message_id} {media.media_id}",
        duration_seconds=media.seconds,
    )

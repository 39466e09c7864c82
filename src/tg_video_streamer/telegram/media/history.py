"""The media of a whole chat: read page by page from the newest message, then only what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tg_video_streamer.playlist.telegram_link import ChatOrder
from tg_video_streamer.telegram.media.message import MessageMedia, media_of

MOST_ENTRIES = 10_000
PAGE = 100
PAGES_AT_ONCE = 60
"""How many pages one reading takes; a longer chat is read on at the next one."""
FRESH_SECONDS = 1800.0
"""After so long all is read again, since messages are deleted and edited."""

Page = Callable[[int, int], Awaitable[Sequence[Any]]]
"""The newest messages before one number and after another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One file of the chat."""

    message_id: int
    album: int
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a playlist line chooses."""

    since_wall: float
    words: tuple[str, ...]
    """Casefolded; caption, file name or title must have each."""

    def matches(self, media: MessageMedia) -> bool:
        """Whether caption and name have every word."""
        text = f"{media.caption}\n{media.file_name}\n{media.title}".casefold()
        return all(word in text for word in self.words)


class ChatHistory:
    """The chosen media of one chat as far as they were read."""

    def __init__(self, wanted: Wanted, *, began: float) -> None:
        """`began`: the monotonic time of the first reading."""
        self.began = began
        self._wanted = wanted
        self._entries: dict[int, Entry] = {}
        self._albums: set[int] = set()
        """Those of which a message matches: the caption of an album stands at one of its messages."""
        self._others: dict[int, Entry] = {}
        """Messages of albums that do not match by themselves."""
        self._newest = self._oldest = 0
        self.begun = False
        """Something was read."""
        self.whole = False
        """Everything down to the oldest wanted message was read."""

    async def read(self, page: Page) -> None:
        """Read what is new, and on towards the oldest message; raises what `page` raises, what was read stays."""
        pages = PAGES_AT_ONCE
        if self.begun:
            pages -= await self._read_new(page)
        while not self.whole and pages > 0:
            pages -= 1
            found = await page(self._oldest, 0)
            self.begun = True
            self._take(found)
            if found:
                self._oldest = min(one.id for one in found)
                self._newest = max(self._newest, *(one.id for one in found))
            last = min((date.timestamp() for one in found if (date := getattr(one, "date", None))), default=0.0)
            if len(found) < PAGE or last < self._wanted.since_wall or len(self._entries) >= MOST_ENTRIES:
                self.whole = True

    async def _read_new(self, page: Page) -> int:
        """Read what is newer than all known; how many pages that took."""
        fresh: list[Any] = []
        pages, before = 0, 0
        while pages < PAGES_AT_ONCE:
            pages += 1
            found = await page(before, self._newest)
            fresh += found
            if len(found) < PAGE:
                break
            before = min(one.id for one in found)
        self._take(fresh)
        self._newest = max(self._newest, *(one.id for one in fresh), 0)
        return pages

    def _take(self, messages: Sequence[Any]) -> None:
        for message in messages:
            media = media_of(message)
            if media is None or media.sent_wall < self._wanted.since_wall:
                continue
            entry = Entry(message_id=media.message_id, album=media.album, title=media.title)
            if self._wanted.matches(media):
                self._entries[entry.message_id] = entry
                if media.album:
                    self._albums.add(media.album)
            elif media.album:
                self._others[entry.message_id] = entry

    def entries(self, order: ChatOrder) -> list[Entry]:
        """The chosen files; within an album the order is its own."""
        of_albums = {number: one for number, one in self._others.items() if one.album in self._albums}
        found = sorted((self._entries | of_albums).values(), key=lambda one: one.message_id)
        if order is ChatOrder.OLDEST:
            return found
        first: dict[int, int] = {}
        for one in found:
            first.setdefault(one.album or -one.message_id, one.message_id)

        def place(one: Entry) -> tuple[object, int]:
            begin = first[one.album or -one.message_id]
            return (-begin if order is ChatOrder.NEWEST else _shuffled(begin)), one.message_id

        return sorted(found, key=place)


def _shuffled(number: int) -> bytes:
    """A place that stays the same when messages come and go."""
    return hashlib.blake2b(str(number).encode(), digest_size=8).digest()

"""Updates one pinned message in the chat: what is on air and what is next."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.chat.wording import guide_text
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.control.status_text import StatusText
from tg_video_streamer.errors import SessionEnded, SessionUnreachable, TelegramRefused
from tg_video_streamer.locales.translator import Translator

log = structlog.get_logger(__name__)

UPDATE_SECONDS = 5.0
EDIT_SECONDS = 30.0
"""Between two edits; only the last of several changes is written."""
_REFUSED_SECONDS = 600.0
"""The pause after a refusal, which an earlier attempt would only repeat."""


class GuideRoom(Protocol):
    """The chat, implemented in telegram.chat.chat_client; every method may raise SessionError and TelegramRefused."""

    @property
    def chat_id(self) -> int:
        """The chat's number."""

    async def send(self, text: str, *, reply_to: int | None = None, random_id: int = 0) -> int:
        """Send a message; its number. With the `random_id` of an earlier attempt it is sent at most once."""

    async def edit(self, message_id: int, text: str) -> bool:
        """Replace the text of a message; False if it was deleted."""

    async def pin(self, message_id: int) -> None:
        """Pin it silently."""


class ChatGuide:
    """Runs in the event loop. The message's number is saved, so that a restart continues with the same one."""

    def __init__(
        self,
        *,
        status: Callable[[], ServiceStatus],
        clock: Clock,
        words: Translator,
        load: Callable[[], Mapping[str, Any]],
        save: Callable[[dict[str, Any]], None],
    ) -> None:
        """`load` returns the record that `save` stored last, an empty one for none."""
        self._status = status
        self._clock = clock
        self._text = StatusText(words)
        self._load = load
        self._save = save
        self._written = ""
        self._not_before = float("-inf")
        self._room: GuideRoom | None = None
        self._chat_id = 0

    @property
    def room(self) -> GuideRoom | None:
        """The chat; None while there is no session."""
        return self._room

    @room.setter
    def room(self, room: GuideRoom | None) -> None:
        self._room = room
        if room is not None and room.chat_id != self._chat_id:
            # What another chat refused is over, and what it has is not here.
            self._chat_id, self._not_before, self._written = room.chat_id, float("-inf"), ""

    async def run(self) -> None:
        """Follow the program until cancelled."""
        while True:
            await self.update()
            await asyncio.sleep(UPDATE_SECONDS)

    async def update(self) -> None:
        """Update the message if its text has changed and the pause between two edits is over."""
        room, now = self.room, self._clock.monotonic()
        text = guide_text(self._status(), self._text)
        if room is None or text == self._written or now < self._not_before:
            return
        self._not_before = now + EDIT_SECONDS
        try:
            written = await self._write(room, text)
        except SessionUnreachable as trouble:
            self._not_before = now + max(EDIT_SECONDS, trouble.seconds)
            log.info("program guide waits", why=str(trouble))
        except (SessionEnded, TelegramRefused) as refused:
            self._not_before = now + _REFUSED_SECONDS
            log.warning("program guide cannot be written", why=str(refused))
        else:
            self._written = written

    async def _write(self, room: GuideRoom, text: str) -> str:
        """Edit the message, or send one where there is none; the text that it has now."""
        saved = self._load()
        if saved.get("chat_id") != room.chat_id:
            saved = {}
        if (message_id := saved.get("message_id")) is not None and await room.edit(int(message_id), text):
            return text
        # Saved before it is sent: where the answer is lost, the same message is asked for again, and not a second one.
        if not (saved.get("random_id") and saved.get("text")):
            saved = {"chat_id": room.chat_id, "random_id": secrets.randbits(62) + 1, "text": text}
            self._save(saved)
        text = str(saved["text"])
        try:
            message_id = await room.send(text, random_id=int(saved["random_id"]))
        except TelegramRefused:
            self._save({})
            raise
        self._save({"chat_id": room.chat_id, "message_id": message_id})
        try:
            await room.pin(message_id)
        except TelegramRefused as refused:
            log.warning("program guide is not pinned", why=str(refused))
        return text

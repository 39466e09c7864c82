"""Fetches the file of a message: several parts at once from the data center that has it, written in order."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import structlog
from telethon.tl import functions, types

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import (
    ResolveError,
    SessionAbsent,
    SessionEnded,
    SessionError,
    SessionNeeded,
    SessionUnreachable,
    SourceGone,
    StreamerError,
    TelegramRefused,
)
from tg_video_streamer.playlist.telegram_link import TelegramLink
from tg_video_streamer.resolve.media import Download
from tg_video_streamer.spool.fetch import Progress
from tg_video_streamer.telegram.answers.tl_type import TlType, always
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.media.chats import SourceChats, source_error
from tg_video_streamer.telegram.media.message import MessageMedia, media_of

PART_BYTES = 512 * 1024
PARTS_AT_ONCE = 4
PART_SECONDS = 60.0
PATIENCE_SECONDS = 90.0
"""How long an attempt waits without progress for a new session, a connection, or the end of a FLOOD_WAIT."""
PAUSES = Backoff(first=0.5, longest=10.0)
_MOVED = "FILE_MIGRATE_"
_RENEWED = ("FILE_REFERENCE_", "FILEREF_UPGRADE_NEEDED", "AUTH_KEY_UNREGISTERED")
"""Refusals after which the message is asked again: its reference expired, or another data center forgot the account."""

_PART: TlType[bytes | None] = TlType(
    {types.upload.File: lambda file: bytes(file.bytes), types.upload.FileCdnRedirect: always(None)}
)
"""The bytes of a part; None where they are at a CDN."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """What `Download.request` names."""

    link: TelegramLink
    media_id: int


class TelegramFetch:
    """See Fetch; for the event loop's thread."""

    def __init__(
        self,
        account: Callable[[], Account | None],
        *,
        chats: SourceChats,
        clock: Clock,
        patience_seconds: float = PATIENCE_SECONDS,
        pauses: Backoff = PAUSES,
    ) -> None:
        """`account` answers with the one that is logged in now."""
        self._account = account
        self._chats = chats
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._pauses = pauses
        self._not_before = 0.0
        """The end of the last FLOOD_WAIT."""

    async def __call__(self, download: Download, target: Path, *, proxy: str, progress: Progress) -> None:
        """See Fetch; `proxy` is not used, since TELEGRAM_PROXY leads to Telegram."""
        del proxy
        request = _read(download.request)
        with await DISKS.run(target, target.open, "ab") as file:
            await _Attempt(self, request, file, progress).run()

    async def pause(self, failures: int, deadline: float, error: StreamerError) -> None:
        """Wait before the next try, as long as Telegram asks; raises ResolveError where that is after `deadline`."""
        asked = error.seconds if isinstance(error, SessionUnreachable) else 0.0
        now = self._clock.monotonic()
        if asked:
            self._not_before = max(self._not_before, now + asked)
        until = max(now + self._pauses.pause(failures), self._not_before)
        if until <= deadline:
            await asyncio.sleep(until - now)
            return
        if self._not_before > now:
            raise ResolveError.of("telegram_source.wait", seconds=round(self._not_before - now)) from error
        kind = SessionNeeded if isinstance(error, SessionAbsent | SessionEnded) else ResolveError
        raise kind.because_of(error) from error

    def deadline(self) -> float:
        """Until when there must be progress."""
        return self._clock.monotonic() + self._patience_seconds

    def account(self) -> Account:
        """The account; raises SessionAbsent where none is logged in."""
        account = self._account()
        if account is None:
            raise SessionAbsent.of("telegram_source.no_session")
        return account

    async def wait_for_turn(self) -> None:
        """Wait for the end of a FLOOD_WAIT that an earlier attempt was given; raises ResolveError if that is far."""
        left = self._not_before - self._clock.monotonic()
        if left > self._patience_seconds:
            raise ResolveError.of("telegram_source.wait", seconds=round(left))
        await asyncio.sleep(max(0.0, left))

    async def media(self, request: _Request) -> MessageMedia:
        """The file as the message has it now; raises ResolveError, SourceGone, SessionError."""
        link = request.link
        try:
            found = await self._chats.messages(self.account(), link.chat, [link.message])
        except TelegramRefused as refused:
            raise source_error(refused, link) from refused
        if not found:
            raise SourceGone.of("telegram_source.deleted", message=link.message, chat=link.chat)
        media = media_of(found[0])
        if media is None or media.media_id != request.media_id:
            raise ResolveError.of("telegram_source.replaced", message=link.message, chat=link.chat)
        return media


class _Attempt:
    """One download, across expired references, lost connections and ended sessions."""

    def __init__(self, fetch: TelegramFetch, request: _Request, file: BinaryIO, progress: Progress) -> None:
        self._fetch = fetch
        self._request = request
        self._file = file
        self._progress = progress
        self._done = file.tell()
        self._failures = 0
        self._deadline = 0.0
        self._at_once = PARTS_AT_ONCE
        self._dc_id = 0

    async def run(self) -> None:
        """Until the file is whole; raises ResolveError, SourceGone."""
        self._deadline = self._fetch.deadline()
        await self._fetch.wait_for_turn()
        while True:
            try:
                media = await self._fetch.media(self._request)
                await self._stream(replace(media, dc_id=self._dc_id or media.dc_id))
            except SessionError as error:
                await self._again(error)
            except TelegramRefused as refused:
                if refused.word.startswith(_MOVED):
                    self._dc_id = int(refused.word.removeprefix(_MOVED))
                elif not refused.word.startswith(_RENEWED):
                    raise ResolveError.because_of(refused) from refused
                await self._again(refused)
            else:
                return

    async def _again(self, error: SessionError | TelegramRefused) -> None:
        """Before the next try; an expired reference or a moved file costs no pause at first."""
        self._failures += 1
        if isinstance(error, SessionUnreachable) and error.seconds:
            self._at_once = max(1, self._at_once // 2)
        log.debug("a download from Telegram is continued", why=str(error), bytes=self._done)
        renewed = isinstance(error, TelegramRefused) and self._failures == 1
        await self._fetch.pause(0 if renewed else self._failures, self._deadline, error)

    async def _stream(self, media: MessageMedia) -> None:
        """Read from the first missing byte to the end; raises SessionError, TelegramRefused, ResolveError."""
        self._progress(self._done, media.size_bytes)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._in_order(media, tasks)
        except BaseExceptionGroup as group:
            raise _first(group) from group
        if self._done != media.size_bytes:
            raise ResolveError.of("telegram_source.short", got=self._done, size=media.size_bytes)

    async def _in_order(self, media: MessageMedia, tasks: asyncio.TaskGroup) -> None:
        offsets = iter(range(self._done - self._done % PART_BYTES, media.size_bytes, PART_BYTES))
        running: deque[asyncio.Task[bytes]] = deque()
        while True:
            while len(running) < self._at_once and (offset := next(offsets, None)) is not None:
                running.append(tasks.create_task(self._part(media, offset), name="telegram file part"))
            if not running:
                return
            await self._write(await running.popleft(), media)

    async def _part(self, media: MessageMedia, offset: int) -> bytes:
        request = functions.upload.GetFileRequest(media.location, offset=offset, limit=PART_BYTES)
        account = self._fetch.account()
        found = _PART.read(await account.invoke(request, timeout_seconds=PART_SECONDS, dc_id=media.dc_id, aside=True))
        if found is None:
            raise ResolveError.of("telegram_source.cdn")
        due = min(PART_BYTES, media.size_bytes - offset)
        if len(found) < due:
            raise ResolveError.of("telegram_source.short", got=offset + len(found), size=media.size_bytes)
        return found[:due]

    async def _write(self, part: bytes, media: MessageMedia) -> None:
        """The next part in order; the first one may begin before the first missing byte."""
        fresh = part[self._done % PART_BYTES :]
        writing = asyncio.ensure_future(asyncio.to_thread(self._append, fresh))
        try:
            await asyncio.wait({writing})
        finally:
            # A thread cannot be cancelled. What it writes is counted by itself: this task may be cancelled at any await.
            if not writing.done():
                await asyncio.wait({writing})
        if (error := writing.exception()) is not None:
            raise ResolveError.of("telegram_source.disk", detail=str(error)) from error
        self._failures = 0
        self._deadline = self._fetch.deadline()
        self._progress(self._done, media.size_bytes)

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        self._done += len(data)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _read(request: str) -> _Request:
    """Raises ResolveError where another version wrote it."""
    try:
        values = json.loads(request)
        link = TelegramLink(chat=str(values["chat"]), message=int(values["message"]))
        return _Request(link=link, media_id=int(values["media"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ResolveError.of("telegram_source.request") from error

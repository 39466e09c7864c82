"""Receives media files in pieces, resumes them, probes each whole one, and removes what no list uses."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog
from starlette.requests import ClientDisconnect

from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs, PlaylistError, RequestRefused, StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.uses import FileUses
from tg_video_streamer.web.uploads import files
from tg_video_streamer.web.uploads.files import Incoming, Space, UploadedFile
from tg_video_streamer.web.uploads.names import safe_name

_SILENT_SECONDS = 30.0
"""How long a sender may send nothing."""

log = structlog.get_logger(__name__)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Uploads:
    """Belongs to the event loop; the disk is touched in threads."""

    def __init__(
        self,
        folder: Path,
        *,
        space: Space,
        check: Callable[[Path], Awaitable[None]],
        uses: Callable[[], FileUses],
    ) -> None:
        """`check` raises StreamerError for a file that cannot play; `uses`, which blocks: what lists name now."""
        self.folder = folder
        self.space = space
        self._check = check
        self._uses = uses
        self._busy: set[str] = set()
        self._beginning = asyncio.Lock()
        """Two that begin at once must not both count the same free bytes."""

    async def begin(self, name: str, length: int) -> Incoming:
        """A new upload. Raises RequestRefused: 413 above the quota, 422 for a name of no media file, 507 for a full disk."""
        safe = safe_name(name)
        if not safe:
            raise RequestRefused(Message.of("upload.extension"), status=422)
        one = Incoming(id=secrets.token_hex(16), name=safe, length=length, offset=0)
        async with self._beginning:
            await self._on_disk(files.begin, self.folder, one, self.space)
        return one

    async def find(self, upload: str) -> Incoming:
        """Raises RequestRefused with 404 where it is whole, cancelled or unknown."""
        one = await self._on_disk(files.find, self.folder, upload)
        if one is None:
            raise RequestRefused(Message.of("upload.unknown"), status=404)
        return one

    async def receive(self, upload: str, offset: int, body: AsyncIterator[bytes], *, by: str) -> tuple[int, str]:
        """Append `body` at `offset`; the new offset, and the file's name once it is whole.

        Raises RequestRefused: 409 for another offset than the part has, 423 while another request sends, 422 for a
        whole file that cannot play.
        """
        if upload in self._busy:
            raise RequestRefused(Message.of("upload.busy"), status=423)
        self._busy.add(upload)
        try:
            one = await self.find(upload)
            if offset != one.offset:
                raise RequestRefused(Message.of("upload.offset", offset=one.offset), status=409)
            await self._append(one, body)
            now = await self.find(upload)
            return now.offset, await self._finish(now, by=by) if now.offset == now.length else ""
        finally:
            self._busy.discard(upload)

    async def cancel(self, upload: str) -> None:
        """Remove a part. Raises RequestRefused: 404 or 423."""
        await self.find(upload)
        if upload in self._busy:
            raise RequestRefused(Message.of("upload.busy"), status=423)
        await self._on_disk(files.drop, self.folder, upload)

    async def listed(self) -> tuple[tuple[UploadedFile, bool], ...]:
        """Each whole file, and whether a list uses it."""
        return await self._on_disk(self._listed)

    async def remove(self, name: str, *, by: str) -> None:
        """Remove a whole file. Raises RequestRefused: 404, and 409 where a list uses it."""
        await self._on_disk(self._remove, name)
        log.info("uploaded file removed", name=name, by=by)

    def _listed(self) -> tuple[tuple[UploadedFile, bool], ...]:
        uses, found = self._uses(), files.whole_files(self.folder) if self.folder.exists() else []
        return tuple((one, uses.has(self.folder / one.name)) for one in found)

    def _remove(self, name: str) -> None:
        if name and self._uses().has(self.folder / name):
            raise RequestRefused(Message.of("upload.used"), status=409)
        files.remove(self.folder, name)

    async def _append(self, one: Incoming, body: AsyncIterator[bytes]) -> None:
        """Each piece is on the disk when the next one is read, however the request ends."""
        left = one.length - one.offset
        try:
            async for piece in _within(body, _SILENT_SECONDS):
                left -= len(piece)
                if left < 0:
                    raise RequestRefused(Message.of("upload.too_much"), status=413)
                await self._on_disk(files.append, self.folder, one.id, piece, self.space)
        except (ClientDisconnect, TimeoutError) as error:
            raise RequestRefused(Message.of("web.slow_request"), status=408) from error

    async def _finish(self, one: Incoming, *, by: str) -> str:
        """Probe the whole file, then give it its name."""
        try:
            await self._check(files.part_path(self.folder, one.id))
        except StreamerError as error:
            await self._on_disk(files.drop, self.folder, one.id)
            log.info("upload refused", name=one.name, reason=error.what, by=by)
            raise RequestRefused(Message.of("upload.no_media", problem=error.message), status=422) from error
        name = await self._on_disk(files.publish, self.folder, one)
        log.info("file uploaded", name=name, bytes=one.length, by=by)
        return name

    async def _on_disk(
        self, work: Callable[Parameters, Result], /, *arguments: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        try:
            return await DISKS.run(self.folder, work, *arguments, **options)
        except PlaylistError as error:
            raise RequestRefused(error.message, status=409, remedy=error.remedy_message) from error
        except DiskHangs as error:
            raise RequestRefused(error.message, status=503, remedy=error.remedy_message) from error
        except OSError as error:
            raise RequestRefused(Message.of("upload.disk", detail=str(error.strerror)), status=500) from error


async def _within(body: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """`body`; raises TimeoutError where a piece takes longer."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                piece = await anext(body)
        except StopAsyncIteration:
            return
        yield piece

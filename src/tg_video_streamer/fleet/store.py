"""The store that all hosts share: cached encodes, each one object, and what their sources answered last."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from tg_video_streamer.errors import StoreUnusable
from tg_video_streamer.fleet.address import StoreAddress

if TYPE_CHECKING:
    from obstore import BytesStream, PutResult
    from obstore.store import S3Config

ENCODES, SOURCES = "encodes", "sources"
_REGION = "us-east-1"
"""Servers of other makers do not look at it; Amazon says which one is meant."""
_LENGTH = struct.Struct(">Q")
_CHUNK_BYTES = 5 * 1024 * 1024
"""The smallest piece that S3 takes (docs.aws.amazon.com, Amazon S3 multipart upload limits)."""
_MOST_SIDECAR_BYTES = 64 * 1024 * 1024
_SILENT_SECONDS = 30.0
"""A store that moves no byte for so long is given up for now."""
_AT_ONCE = 2
"""Pieces that are sent side by side: each is in memory."""
_SILENT = f"no byte moved for {_SILENT_SECONDS:g} seconds"
_DETAIL_CHARACTERS = 300
_MISSING = (FileNotFoundError, NotFoundError)


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSource:
    """What an item's source answered when it was encoded last: names its encodes without asking the source."""

    source_id: str
    title: str
    duration_seconds: float | None

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Raises ValueError."""
        try:
            found = json.loads(value)
            duration = found["duration_seconds"]
            return cls(
                source_id=str(found["source_id"]),
                title=str(found["title"]),
                duration_seconds=None if duration is None else float(duration),
            )
        except (TypeError, KeyError) as error:
            raise ValueError("not what a source answered") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEncode:
    """One encode in the store."""

    key: str
    bytes: int
    modified: float
    """In seconds since 1970, by the store's clock."""


class EncodeStore:
    """Each method may raise StoreUnusable; a missing object is an answer, not an error."""

    def __init__(self, address: StoreAddress) -> None:
        """Connects at the first question."""
        self._address = address
        self._store: S3Store | LocalStore | None = None

    async def put(self, key: str, sidecar: bytes, media: Path) -> None:
        """Store an encode under its key, unless it is there: sidecar and media as one object, which is there whole or not at all."""
        if await self.has(key):
            return
        sent = _Counted(_pieces(sidecar, media))
        with _errors():
            putting = asyncio.ensure_future(
                obstore.put_async(
                    self._opened(), f"{ENCODES}/{key}", sent, chunk_size=_CHUNK_BYTES, max_concurrency=_AT_ONCE
                )
            )
            try:
                await _while_it_moves(putting, sent)
            finally:
                putting.cancel()

    async def has(self, key: str) -> bool:
        """Whether an encode is there."""
        with suppress(*_MISSING):
            async with _asking():
                await obstore.head_async(self._opened(), f"{ENCODES}/{key}")
                return True
        return False

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The sidecar, then the media in pieces; nothing where it is not there."""
        try:
            async with _asking():
                found = await obstore.get_async(self._opened(), f"{ENCODES}/{key}")
        except _MISSING:
            return
        pieces = aiter(found.stream(min_chunk_size=_CHUNK_BYTES))
        held = bytearray()
        while len(held) < _LENGTH.size or len(held) < _LENGTH.size + _LENGTH.unpack_from(held)[0]:
            piece = await _next(pieces)
            held += piece
            if not piece or len(held) > _MOST_SIDECAR_BYTES:
                raise StoreUnusable.of("store.damaged", key=key)
        end = _LENGTH.size + _LENGTH.unpack_from(held)[0]
        yield bytes(held[_LENGTH.size : end])
        yield bytes(held[end:])
        while piece := await _next(pieces):
            yield piece

    async def source(self, item_key: str) -> KnownSource | None:
        """What the item's source answered; None where it was never encoded, or the answer is damaged."""
        with suppress(*_MISSING, ValueError):
            async with _asking():
                found = await obstore.get_async(self._opened(), f"{SOURCES}/{item_key}")
                value = bytes(await found.bytes_async())
            return KnownSource.decode(value)
        return None

    async def put_source(self, item_key: str, source: KnownSource) -> None:
        """Replace what the item's source answered."""
        async with _asking():
            await obstore.put_async(self._opened(), f"{SOURCES}/{item_key}", json.dumps(asdict(source)).encode())

    async def encodes(self) -> list[StoredEncode]:
        """All of them, the oldest first."""
        found: list[StoredEncode] = []
        with suppress(*_MISSING, StopAsyncIteration):
            batches = aiter(obstore.list(self._opened(), prefix=ENCODES))
            while True:
                async with _asking():
                    batch = await anext(batches)
                found += [
                    StoredEncode(
                        key=one["path"].rpartition("/")[2], bytes=one["size"], modified=one["last_modified"].timestamp()
                    )
                    for one in batch
                ]
        return sorted(found, key=lambda one: (one.modified, one.key))

    async def remove(self, key: str) -> None:
        """Remove an encode, if it is there; who reads it meanwhile finds it damaged or reads on."""
        with suppress(*_MISSING):
            async with _asking():
                await obstore.delete_async(self._opened(), f"{ENCODES}/{key}")

    def _opened(self) -> S3Store | LocalStore:
        if self._store is None:
            address = self._address
            if not address.bucket:
                # A folder that is not there is a disk that is not mounted: it is never made.
                if not address.folder.is_dir():
                    raise StoreUnusable.of("store.no_folder", folder=str(address.folder))
                self._store = LocalStore(prefix=address.folder)
            else:
                self._store = _s3(address)
        return self._store


class _Counted:
    """Counts the pieces that were taken."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.count = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self.count += 1
        return await anext(self._pieces)


async def _while_it_moves(putting: asyncio.Future[PutResult], sent: _Counted) -> None:
    """Until it is over. Raises what it raises, and TimeoutError where nothing was taken for _SILENT_SECONDS."""
    while not putting.done():
        before = sent.count
        await asyncio.wait((putting,), timeout=_SILENT_SECONDS)
        if not putting.done() and sent.count == before:
            raise TimeoutError(_SILENT)
    await putting


async def _next(pieces: BytesStream) -> bytes:
    """The next piece; empty at the end."""
    try:
        async with _asking():
            return bytes(await anext(pieces))
    except StopAsyncIteration:
        return b""


@asynccontextmanager
async def _asking() -> AsyncIterator[None]:
    """A question with a deadline; a missing object is raised as it is."""
    with _errors():
        async with asyncio.timeout(_SILENT_SECONDS):
            yield


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except _MISSING:
        raise
    except (BaseError, OSError, ValueError) as error:
        detail = str(error).partition("\n")[0] or _SILENT
        raise StoreUnusable.of("store.unusable", detail=detail[:_DETAIL_CHARACTERS]) from error


async def _pieces(sidecar: bytes, media: Path) -> AsyncIterator[bytes]:
    yield _LENGTH.pack(len(sidecar)) + sidecar
    with media.open("rb") as file:
        while data := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield data


def _s3(address: StoreAddress) -> S3Store:
    config: S3Config = {"region": _REGION}
    if address.endpoint:
        config["endpoint"] = address.endpoint
    if address.key_id:
        config["access_key_id"], config["secret_access_key"] = address.key_id, address.secret
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        config=config,
        client_options={
            "allow_http": address.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(hours=1),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
    )

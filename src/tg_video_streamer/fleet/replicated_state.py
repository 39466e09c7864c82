"""Copies the small state files of the host on air into NATS, and back onto the host that takes the channel over."""

from __future__ import annotations

import asyncio
import json
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import FleetUnreachable, StateUnreadable
from tg_video_streamer.fleet.bucket import FleetBucket
from tg_video_streamer.fleet.cipher import Cipher
from tg_video_streamer.fleet.connection import FleetConnection

log = structlog.get_logger(__name__)

STATE = "state"
COPY_SECONDS = 1.0
"""So old at most is what another host finds, and the file's own age."""
OPEN_ENTRY = "as-run.open"
FILES = ("position.json", "played.json", "seconds.json", "schedule.json", "lists.json", "program.json", OPEN_ENTRY)
SECRET_FILES = ("telegram.json",)
"""Copied only with a cipher: a live stream's key is in it."""
PLACES = "places"
_VERSION = 1
_TOUCHED_NANOSECONDS = 5_000_000_000
_LAST_NANOSECOND = 1 << 62
"""What a file system can bear."""
_MOST_BYTES = 900_000
"""NATS refuses a message of more than 1 MB."""
_TAKE_SECONDS = 2.0
"""How long a takeover waits for the state: after it, the host goes on from its own."""


def encode(content: bytes, *, epoch: int, modified_ns: int = 0) -> bytes:
    """A file's content as a value: a line of JSON, then the content, compressed. `epoch` is its writer's."""
    head = {"version": _VERSION, "epoch": epoch, "modified_ns": modified_ns}
    return json.dumps(head).encode() + b"\n" + zlib.compress(content)


def decode(value: bytes) -> tuple[bytes, int]:
    """The content of a value, and when it was modified, 0 for not known.

    Raises StateUnreadable where it is damaged, or of a later version.
    """
    head, _, packed = value.partition(b"\n")
    try:
        words = json.loads(head)
        version, modified_ns = words["version"], int(words.get("modified_ns", 0))
        if version != _VERSION:
            raise StateUnreadable.of("fleet.state_version", version=str(version))
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(packed, 64 * _MOST_BYTES)
        if not unpacking.eof:
            raise StateUnreadable.of("fleet.state_damaged")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, zlib.error) as error:
        raise StateUnreadable.of("fleet.state_damaged") from error
    return content, modified_ns


class ReplicatedState:
    """The state of one channel, for one term of a host: restored once, then copied once a second."""

    def __init__(
        self,
        connection: FleetConnection,
        channel: str,
        folder: Path,
        epoch: Callable[[], int],
        *,
        cipher: Cipher | None = None,
    ) -> None:
        """`folder`: STATE_DIR. `epoch`: of the lease that this host has. `cipher`: None where there is no secret to share."""
        self._cipher = cipher
        self._names = (*FILES, *SECRET_FILES) if cipher is not None else FILES
        self._channel = channel
        self._folder = folder
        self._epoch = epoch
        self._bucket = FleetBucket(connection, STATE)
        self._revisions: dict[str, int] = {}
        self._copied: dict[str, tuple[int, int]] = {}
        self._replaced = False
        self.copied_at: float | None = None
        """When the state was last found to be copied, by the monotonic clock."""
        self._too_large: set[str] = set()

    async def restore(self) -> None:
        """Put the last holder's state in place of this host's; what cannot be had leaves this host's as it is."""
        try:
            async with asyncio.timeout(_TAKE_SECONDS):
                values = await self._read_all()
            contents = self._readable(values)
            await DISKS.run_within(START_SECONDS, self._folder, _write_files, self._folder, self._names, contents)
            log.info("the channel's state is taken over", files=len(contents))
        except (FleetUnreachable, TimeoutError, ValueError, OSError) as error:
            log.warning("the channel's state cannot be taken over; this host continues from its own", why=str(error))

    async def keep_copying(self) -> None:
        """Copy what has changed, until cancelled, or until another host has the channel."""
        while not self._replaced:
            await self.copy()
            await asyncio.sleep(COPY_SECONDS)

    async def copy(self) -> None:
        """Copy what has changed since the last time; what cannot be copied now is copied the next time."""
        try:
            files = await DISKS.run_within(
                START_SECONDS, self._folder, _read_files, self._folder, self._names, dict(self._copied)
            )
            for name, found in files.items():
                if found is None:
                    await self._bucket.ask(self._remove, name)
                    del self._copied[name]
                    continue
                stamp, content = found
                await self._bucket.ask(self._put, name, content, stamp[0])
                self._copied[name] = stamp
            self.copied_at = time.monotonic()
        except (FleetUnreachable, KeyNotFoundError, KeyWrongLastSequenceError, OSError) as error:
            log.debug("the state is not copied now", why=str(error))

    def _readable(self, values: Mapping[str, bytes]) -> dict[str, tuple[bytes, int]]:
        found = {}
        for name, value in values.items():
            try:
                content, modified_ns = decode(value)
                if name in SECRET_FILES and self._cipher is not None:
                    content = self._cipher.decrypt(content)
                found[name] = content, modified_ns
            except StateUnreadable as error:
                log.warning("a part of the state cannot be taken over", file=name, why=str(error))
        return found

    async def _read_all(self) -> dict[str, bytes]:
        """The values of the channel by file; their revisions are what the next copies replace."""
        prefix, found = f"{self._channel}.", {}
        for key in await self._bucket.keys(prefix):
            with suppress(KeyNotFoundError):
                entry = await self._bucket.ask(KeyValue.get, key)
                name = _file(key.removeprefix(prefix))
                self._revisions[name] = entry.revision or 0
                found[name] = entry.value or b""
        return found

    async def _put(self, bucket: KeyValue, name: str, content: bytes, modified_ns: int) -> None:
        if name in SECRET_FILES and self._cipher is not None:
            content = self._cipher.encrypt(content)
        value = encode(content, epoch=self._epoch(), modified_ns=modified_ns)
        if len(value) > _MOST_BYTES:
            if name not in self._too_large:
                log.warning("a state file is too large for another host to continue from", file=name)
                self._too_large.add(name)
            return
        try:
            self._revisions[name] = await bucket.update(
                f"{self._channel}.{_key(name)}", value, last=self._revisions.get(name, 0)
            )
        except KeyWrongLastSequenceError:
            await self._written_already(bucket, name, value)

    async def _remove(self, bucket: KeyValue, name: str) -> None:
        """What the host on air has no longer; another host that has the channel has written it since."""
        with suppress(KeyWrongLastSequenceError):
            await bucket.delete(f"{self._channel}.{_key(name)}", last=self._revisions.get(name))
        self._revisions.pop(name, None)

    async def _written_already(self, bucket: KeyValue, name: str, value: bytes) -> None:
        """Our own copy, whose answer was lost, or that of another host, which has the channel then."""
        key = f"{self._channel}.{_key(name)}"
        try:
            entry = await bucket.get(key)
        except KeyNotFoundError as error:
            # It was removed, which left a revision.
            last = getattr(error.entry, "revision", 0) or 0
            self._revisions[name] = await bucket.update(key, value, last=last)
            return
        written = json.loads((entry.value or b"{}").partition(b"\n")[0]).get("epoch", 0)
        if written > self._epoch():
            self._replaced = True
            return
        self._revisions[name] = await bucket.update(f"{self._channel}.{_key(name)}", value, last=entry.revision)


def _key(name: str) -> str:
    """A file's name as the end of a key: what NATS does not allow there is written as its code."""
    return "".join(one if one.isascii() and (one.isalnum() or one in "-_/") else f"={ord(one):x}=" for one in name)


def _file(key: str) -> str:
    """The file of a key. Raises ValueError."""
    parts = key.split("=")
    return "".join(chr(int(part, 16)) if number % 2 else part for number, part in enumerate(parts))


def _read_files(
    folder: Path, names: Sequence[str], copied: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[tuple[int, int], bytes] | None]:
    """The files that have changed since they were copied, with what tells it; None for one that is gone. Raises OSError."""
    found: dict[str, tuple[tuple[int, int], bytes] | None] = {}
    places = (f"{PLACES}/{one.name}" for one in (folder / PLACES).glob("[!.]*") if one.is_file())
    for name in (*names, *places):
        try:
            state = (folder / name).stat()
            stamp = (state.st_mtime_ns, state.st_ino)
            if copied.get(name) != stamp and not _only_touched(name, stamp, copied.get(name)):
                found[name] = (stamp, (folder / name).read_bytes())
        except FileNotFoundError:
            if name in copied:
                found[name] = None
    return found


def _only_touched(name: str, stamp: tuple[int, int], copied: tuple[int, int] | None) -> bool:
    """Whether it is the segment on air, seen a little later: another second of it is worth no message."""
    same = name == OPEN_ENTRY and copied is not None and stamp[1] == copied[1]
    return same and copied is not None and 0 <= stamp[0] - copied[0] < _TOUCHED_NANOSECONDS


def _write_files(folder: Path, names: Sequence[str], contents: Mapping[str, tuple[bytes, int]]) -> None:
    """Replace the files; a name that leads anywhere else is refused. Raises OSError."""
    for name, (content, modified_ns) in contents.items():
        parent, _, base = name.rpartition("/")
        if parent not in {"", PLACES} or (not parent and name not in names) or base.startswith("."):
            log.warning("a value of the state names no state file", name=name)
            continue
        (folder / parent).mkdir(mode=0o700, exist_ok=True)
        replace_file(folder / name, content, durable=False)
        if 0 < modified_ns < _LAST_NANOSECOND:
            # The segment that was on air ended when its file was last touched.
            os.utime(folder / name, ns=(modified_ns, modified_ns))

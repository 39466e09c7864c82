"""The folder of uploads on its disk: parts that grow, and whole files. Every function blocks; call it in a thread."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.folders import MEDIA_EXTENSIONS
from tg_video_streamer.web.uploads.names import numbered

INCOMING = ".incoming"
KEEP_SECONDS = 7 * 24 * 3600.0
"""How long a part is there to be resumed."""
_ID = re.compile(r"[0-9a-f]{32}")
_DISK_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """An upload that is not whole: its name when it is, and how much of it is on the disk."""

    id: str
    name: str
    length: int
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadedFile:
    """A whole file."""

    name: str
    bytes: int
    modified_wall: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """What the folder may grow to: all files together, and what stays free on the disk."""

    quota_bytes: int
    floor_bytes: int


def begin(folder: Path, one: Incoming, space: Space) -> None:
    """Make an empty part, if there is room for the whole. Raises RequestRefused with 413 or 507."""
    (folder / INCOMING).mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(folder)
    parts = incoming(folder)
    taken = sum(file.bytes for file in whole_files(folder)) + sum(part.length for part in parts)
    if taken + one.length > space.quota_bytes:
        raise RequestRefused(Message.of("upload.quota", limit=space.quota_bytes), status=413)
    coming = sum(part.length - part.offset for part in parts)
    if shutil.disk_usage(folder).free - coming - one.length < space.floor_bytes:
        raise disk_full()
    _part(folder, one.id).touch(mode=0o600)
    fields = json.dumps({"name": one.name, "length": one.length})
    replace_file(_facts(folder, one.id), fields.encode(), mode=0o600)


def find(folder: Path, upload: str) -> Incoming | None:
    """The part with that id; None where there is none."""
    if not _ID.fullmatch(upload):
        return None
    try:
        fields = json.loads(_facts(folder, upload).read_bytes())
        size = _part(folder, upload).stat().st_size
        return Incoming(id=upload, name=str(fields["name"]), length=int(fields["length"]), offset=size)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def incoming(folder: Path) -> list[Incoming]:
    """All parts."""
    found = (find(folder, path.stem) for path in (folder / INCOMING).glob("*.json"))
    return [one for one in found if one is not None]


def append(folder: Path, upload: str, data: bytes, space: Space) -> None:
    """Add to the end of a part. Raises RequestRefused with 507; what was written counts."""
    if shutil.disk_usage(folder).free - len(data) < space.floor_bytes:
        raise disk_full()
    try:
        with _part(folder, upload).open("ab", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
    except OSError as error:
        if error.errno in _DISK_IS_FULL:
            raise disk_full() from error
        raise


def publish(folder: Path, one: Incoming) -> str:
    """Give the whole part its name, or the next one that is free: no file is ever replaced. Returns the name."""
    part = _part(folder, one.id)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.chmod(0o644)
    for name in numbered(one.name):
        try:
            # A link, since a rename would replace a file that came meanwhile.
            os.link(part, folder / name)
        except FileExistsError:
            continue
        drop(folder, one.id)
        return name
    raise RequestRefused(Message.of("upload.names"), status=409)


def drop(folder: Path, upload: str) -> None:
    """Remove a part."""
    for path in (_facts(folder, upload), _part(folder, upload)):
        path.unlink(missing_ok=True)


def part_path(folder: Path, upload: str) -> Path:
    """Where a part grows."""
    return _part(folder, upload)


def whole_files(folder: Path) -> list[UploadedFile]:
    """The media files of the folder itself, newest first."""
    found = []
    with os.scandir(folder) as scan:
        for entry in scan:
            if entry.is_file(follow_symlinks=False) and Path(entry.name).suffix.lower() in MEDIA_EXTENSIONS:
                facts = entry.stat(follow_symlinks=False)
                found.append(UploadedFile(name=entry.name, bytes=facts.st_size, modified_wall=facts.st_mtime))
    return sorted(found, key=lambda file: (-file.modified_wall, file.name))


def remove(folder: Path, name: str) -> None:
    """Remove a whole file of the folder. Raises RequestRefused with 404 where it has none of that name."""
    if name not in {file.name for file in whole_files(folder)}:
        raise RequestRefused(Message.of("upload.unknown"), status=404)
    (folder / name).unlink()


def disk_full() -> RequestRefused:
    """The disk has no room for more."""
    return RequestRefused(Message.of("upload.disk_full"), status=507, remedy=Message.of("upload.disk_full.remedy"))


def _sweep(folder: Path) -> None:
    for facts in (folder / INCOMING).glob("*.json"):
        part = facts.with_suffix(".part")
        touched = part.stat().st_mtime if part.exists() else 0.0
        if time.time() - touched > KEEP_SECONDS:
            drop(folder, facts.stem)


def _part(folder: Path, upload: str) -> Path:
    return folder / INCOMING / f"{upload}.part"


def _facts(folder: Path, upload: str) -> Path:
    return folder / INCOMING / f"{upload}.json"

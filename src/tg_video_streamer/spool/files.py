"""One item's files in the spool's folder: its media, and a sidecar that says what they are; nothing in it is secret.

spool/5f0c…/item.json      what the item is, and which of its files are whole
spool/5f0c…/0.mp4          the file of the first input; as long as it is not whole, a part from its start
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.errors import SpoolError
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media, MediaInput

SIDECAR = "item.json"
_VERSION = 1
_SAFE_SUFFIX = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


@dataclass(frozen=True, kw_only=True, slots=True)
class PartFile:
    """The file of one input."""

    name: str
    size_bytes: int | None
    """As promised, and once it is whole, as it is."""
    whole: bool = False
    has_video: bool = True
    has_audio: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class SpooledItem:
    """What the sidecar holds."""

    source_id: str
    title: str
    duration_seconds: float | None
    parts: tuple[PartFile, ...] = field(default=())
    window: bool = False
    """What was played is not in its files any more: only the process that knows what is left can use them."""

    @property
    def whole(self) -> bool:
        """Whether all of its files are."""
        return bool(self.parts) and all(part.whole for part in self.parts)

    def same_bytes(self, other: SpooledItem) -> bool:
        """Whether a download of `other` may continue in the files of this one."""

        def identity(item: SpooledItem) -> tuple[object, ...]:
            return item.source_id, tuple((part.name, part.has_video, part.has_audio) for part in item.parts)

        sizes = zip(self.parts, other.parts, strict=False)
        return identity(self) == identity(other) and all(
            one.size_bytes == two.size_bytes or None in {one.size_bytes, two.size_bytes} for one, two in sizes
        )


def spooled_item(media: Media) -> SpooledItem:
    """What is to be downloaded of `media`, each of whose inputs has its download."""
    parts = []
    for index, one in enumerate(media.inputs):
        assert one.download is not None  # noqa: S101 - the caller has checked it
        suffix = "".join(letter for letter in one.download.suffix.lower() if letter in _SAFE_SUFFIX)[:8] or "media"
        parts.append(
            PartFile(
                name=f"{index}.{suffix}",
                size_bytes=one.download.size_bytes,
                has_video=one.has_video,
                has_audio=one.has_audio,
            )
        )
    return SpooledItem(
        source_id=media.source_id, title=media.title, duration_seconds=media.duration_seconds, parts=tuple(parts)
    )


class ItemFolder:
    """The folder of one item. Every method but `path` touches the disk; failures are SpoolError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, part: PartFile) -> Path:
        """Where the file of an input is."""
        return self.folder / part.name

    def read(self) -> SpooledItem | None:
        """What is there; None if there is nothing that can be used."""
        try:
            found = _from_json(json.loads((self.folder / SIDECAR).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return None
        if found.window:
            return None
        parts = tuple(replace(part, whole=part.whole and self.size(part) == part.size_bytes) for part in found.parts)
        return replace(found, parts=parts)

    def begin(self, item: SpooledItem) -> SpooledItem:
        """Make the folder for `item`; the files that it can continue stay."""
        before = self.read()
        if before is not None and before.same_bytes(item):
            kept = zip(item.parts, before.parts, strict=True)
            item = replace(item, parts=tuple(old if old.whole else new for new, old in kept))
        elif self.folder.exists():
            self.remove()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error) from error
        self.write(item)
        return item

    def write(self, item: SpooledItem) -> None:
        """Replace the sidecar."""
        try:
            replace_file(self.folder / SIDECAR, json.dumps(_as_json(item)).encode())
        except OSError as error:
            raise disk_error(error) from error

    def sync(self, part: PartFile) -> int:
        """Make the file of an input survive a power failure; its size."""
        try:
            descriptor = os.open(self.path(part), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
                return os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
        except OSError as error:
            raise disk_error(error) from error

    def size(self, part: PartFile) -> int:
        """Bytes in the file of an input; 0 without one."""
        try:
            return self.path(part).stat().st_size
        except OSError:
            return 0

    def used_bytes(self) -> int:
        """Bytes of all that is in the folder."""
        try:
            return sum(one.stat().st_size for one in self.folder.iterdir())
        except OSError:
            return 0  # it was removed meanwhile

    def tidy(self) -> None:
        """Remove what no download can continue."""
        if self.read() is None:
            self.remove()

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def spool_key(item: Item) -> str:
    """The name of an item's folder: equal for all items with the same bytes."""
    text = "\n".join((item.locator, str(item.public_only), *([item.audio] if item.audio else [])))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def read_folder(spool: Path) -> dict[str, SpooledItem]:
    """What an earlier run has left, by the names of its folders."""
    folders = [ItemFolder(one) for one in spool.glob("*") if one.is_dir()]
    found = {one.folder.name: one.read() for one in folders}
    return {key: item for key, item in found.items() if item is not None}


def remove_others(spool: Path, keep: set[str]) -> None:
    """Remove all folders but those with these names."""
    for folder in spool.glob("*"):
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def local_inputs(folder: ItemFolder, item: SpooledItem) -> tuple[MediaInput, ...]:
    """The inputs of a whole item."""
    return tuple(
        MediaInput(location=str(folder.path(part)), is_file=True, has_video=part.has_video, has_audio=part.has_audio)
        for part in item.parts
    )


def disk_error(error: OSError) -> SpoolError:
    """The error of a disk operation."""
    return SpoolError.of("spool.disk", why=error.strerror or type(error).__name__)


def _as_json(item: SpooledItem) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "source_id": item.source_id,
        "title": item.title,
        "duration_seconds": item.duration_seconds,
        "window": item.window,
        "parts": [
            {
                "name": part.name,
                "size_bytes": part.size_bytes,
                "whole": part.whole,
                "has_video": part.has_video,
                "has_audio": part.has_audio,
            }
            for part in item.parts
        ],
    }


def _from_json(found: dict[str, Any]) -> SpooledItem:
    if found["version"] != _VERSION:
        raise ValueError("another version")
    parts = tuple(
        PartFile(
            name=Path(str(one["name"])).name,
            size_bytes=None if one["size_bytes"] is None else int(one["size_bytes"]),
            whole=one["whole"] is True,
            has_video=one["has_video"] is True,
            has_audio=one["has_audio"] is True,
        )
        for one in found["parts"]
    )
    length = found["duration_seconds"]
    return SpooledItem(
        source_id=str(found["source_id"]),
        title=str(found["title"]),
        duration_seconds=None if length is None else float(length),
        parts=parts,
        window=found.get("window") is True,
    )

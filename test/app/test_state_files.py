"""The files of STATE_DIR with any content: each part starts, saves again what it can, and reads that back."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tg_video_streamer.asrun.log import OpenEntry
from tg_video_streamer.asrun.reader import AsRunFilter, read_entries
from tg_video_streamer.automation.holds import Holds
from tg_video_streamer.automation.program_state import ProgramState
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.events import AirContent, CutReason, SegmentStarted, SourceLevel
from tg_video_streamer.library.sidecar import load_sidecar
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.list_memory import ListMemory
from tg_video_streamer.playlist.position import Position, PositionStore
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.resolve.cookies import Cookies
from tg_video_streamer.resolve.ytdlp_update import read_record
from tg_video_streamer.schedule.record import ScheduleRecord
from tg_video_streamer.spool.files import ItemFolder, PartFile, SpooledItem
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.web.auth.tokens import ensure_token

_ITEM = Item(LocatorKind.URL, "https://example.org/film")
_POSITION = Position(key=_ITEM.key, seconds=12.0, queue=(_ITEM,), played=frozenset({_ITEM.key}))


def _open_entry(path: Path) -> object:
    return OpenEntry(path).left()


def _save_open_entry(path: Path) -> None:
    content = AirContent(level=SourceLevel.ITEM, key=_ITEM.key, title="film")
    OpenEntry(path).save(SegmentStarted(wall=1000.0, reason=CutReason.STARTED, content=content))


def _as_run(path: Path) -> object:
    return list(read_entries(path, AsRunFilter()))


def _save_lists(path: Path) -> None:
    memory = ListMemory(path.parent)
    memory.learn("list", (_ITEM,))
    pending = memory.pending()
    assert pending is not None
    memory.save(pending)


def _program(path: Path) -> tuple[Holds, Quarantine]:
    """What is restored."""
    holds, quarantine = Holds(lambda _reason: None, lambda: None), Quarantine(SystemClock())
    ProgramState(path.parent, holds, quarantine, SystemClock()).restore()
    return holds, quarantine


def _save_program(path: Path) -> None:
    holds, quarantine = Holds(lambda _reason: None, lambda: None), Quarantine(SystemClock())
    holds.change(paused=True)
    quarantine.failed(_ITEM.key, "a reason")
    asyncio.run(ProgramState(path.parent, holds, quarantine, SystemClock()).save(60))


def _spooled(path: Path) -> object:
    return ItemFolder(path.parent).read()


def _save_spooled(path: Path) -> None:
    part = PartFile(name="0", has_video=True, has_audio=True, size_bytes=None, whole=False)
    with suppress(StreamerError):
        ItemFolder(path.parent).write(SpooledItem(source_id="s", title="t", duration_seconds=1.0, parts=(part,)))


def _record(path: Path) -> object:
    """Its reader reports a malformed one to the log."""
    with suppress(ValueError):
        return read_record(path)
    return None


def _sidecar(path: Path) -> object:
    """One that is damaged costs its cached encode."""
    with suppress(StreamerError, OSError):
        return load_sidecar(path.read_bytes())
    return None


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file, how it is read at the start, and how it is written."""

    name: str
    read: Callable[[Path], object]
    save: Callable[[Path], object] | None = None
    known: Callable[[Path], bool] = lambda _: True
    """Whether a reader finds what `save` wrote."""


_FILES = (
    _File(
        name="position.json",
        read=lambda path: PositionStore(path.parent).load(),
        save=lambda path: PositionStore(path.parent).save(_POSITION),
        known=lambda path: (found := PositionStore(path.parent).load()) is not None and found.key == _ITEM.key,
    ),
    _File(
        name="played.json",
        read=lambda path: PositionStore(path.parent).load(),
        save=lambda path: PositionStore(path.parent).save(_POSITION),
        known=lambda path: PositionStore(path.parent).load() is not None,
    ),
    _File(
        name="seconds.json",
        read=lambda path: PositionStore(path.parent).load(),
        save=lambda path: PositionStore(path.parent).save(_POSITION),
        known=lambda path: PositionStore(path.parent).load() is not None,
    ),
    _File(
        name="schedule.json",
        read=ScheduleRecord.read,
        save=lambda path: ScheduleRecord(path=path).save({**ScheduleRecord(path=path).facts(), "station_ids": 7}),
        known=lambda path: ScheduleRecord.read(path).station_ids == 7,
    ),
    _File(
        name="lists.json",
        read=lambda path: ListMemory.loaded(path.parent).recall("list"),
        save=_save_lists,
        known=lambda path: ListMemory.loaded(path.parent).recall("list") == (_ITEM,),
    ),
    _File(
        name="program.json",
        read=_program,
        save=_save_program,
        known=lambda path: (
            (found := _program(path))[0].paused and [one.key for one in found[1].resting()] == [_ITEM.key]
        ),
    ),
    _File(
        name="telegram.json",
        read=lambda path: TelegramState(path.parent).owner_id,
        save=lambda path: TelegramState(path.parent).put("account", {"user_id": 7}),
        known=lambda path: TelegramState(path.parent).owner_id == 7,
    ),
    _File(
        name="web-token",
        read=lambda path: ensure_token(path.parent),
        save=lambda path: ensure_token(path.parent),
        known=lambda path: not ensure_token(path.parent)[1],
    ),
    _File(
        name="as-run.open", read=_open_entry, save=_save_open_entry, known=lambda path: _open_entry(path) is not None
    ),
    _File(name="as-run.jsonl", read=_as_run),
    _File(name="item.json", read=_spooled, save=_save_spooled, known=lambda path: _spooled(path) is not None),
    _File(name="yt-dlp-update.json", read=_record),
    _File(name="0123456789abcdef.json", read=_sidecar),
    _File(name="cookies.txt", read=lambda path: Cookies(path, path.parent).read()),
)
_BY_NAME = pytest.mark.parametrize("file", _FILES, ids=lambda one: one.name)
_SAVED = pytest.mark.parametrize("file", [one for one in _FILES if one.save is not None], ids=lambda one: one.name)
"""Those that their reader writes too."""

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_contents = st.binary(max_size=300) | _values.map(lambda value: json.dumps(value).encode())
_DEEP = b'{"version": 1, "a": ' + b"[" * 100_000


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _written(file: _File, folder: Path) -> bytes:
    """What the program itself writes; empty where the test cannot make it."""
    path = folder / file.name
    if file.save is not None:
        file.save(path)
    return path.read_bytes() if path.exists() else b""


def _starts_with(file: _File, content: bytes, folder: Path) -> None:
    path = folder / file.name
    path.write_bytes(content)
    file.read(path)
    if file.save is not None:
        file.save(path)
        assert file.known(path)


@_BY_NAME
@settings(max_examples=40)
@given(content=_contents)
@example(content=b"")
@example(content=_DEEP)
@example(content=b"\x00" * 4096)
@example(content=b'{"started": 1e999, "version": 999}')
@example(content=b'{"started": 1' + b"0" * 400 + b"}")
def test_any_content_starts(file: _File, content: bytes) -> None:
    """Whatever stands in a file, its part starts, and what it saves next is read back."""
    with _folder() as folder:
        _starts_with(file, content, folder)


@_BY_NAME
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_file_starts(file: _File, data: st.DataObject) -> None:
    """A file that was cut off, or in which a value has changed to any other, is read as far as it can be."""
    with _folder() as folder:
        whole = _written(file, folder)
        cut = whole[: data.draw(st.integers(0, len(whole)))]
        _starts_with(file, data.draw(st.sampled_from([cut, _changed(whole, data)])), folder)


def _changed(whole: bytes, data: st.DataObject) -> bytes:
    """A valid document with one value, at any depth, replaced."""
    try:
        document: Any = json.loads(whole)
    except ValueError:
        return whole[::-1]
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in list(pairs):
            places.append((node, key))
            walk(value)

    walk(document)
    if places:
        node, key = data.draw(st.sampled_from(places))
        node[key] = data.draw(_values)
    return json.dumps(document).encode()


@_BY_NAME
@pytest.mark.parametrize("what", ["folder", "loop"])
def test_what_is_no_file_starts(file: _File, what: str, tmp_path: Path) -> None:
    """A folder in the file's place, or a name that cannot be opened, is at most an error of the disk that the caller reports."""
    path = tmp_path / file.name
    path.mkdir() if what == "folder" else path.symlink_to(path.name)
    for act in filter(None, (file.read, file.save)):
        with suppress(OSError):
            act(path)
    assert path.is_dir() or path.is_symlink() or file.known(path)


@_SAVED
def test_a_full_disk_keeps_what_was_saved(file: _File, tmp_path: Path) -> None:
    """Where no byte can be written, the file stays as it was, and once there is space again it is saved."""
    assert file.save is not None
    before = _written(file, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with suppress(OSError):
            file.save(tmp_path / file.name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / file.name).read_bytes() == before
    file.save(tmp_path / file.name)
    assert file.known(tmp_path / file.name)

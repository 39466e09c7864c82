"""The playlist as a text that is edited: read with its version, checked, and written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import zlib
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.errors import ControlError, PlaylistError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.edit import Edited
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.load import missing_files
from tg_video_streamer.playlist.parser import decode, parse

MAX_TEXT_BYTES = 1024 * 1024
"""The longest playlist that is edited through the service: some ten thousand lines."""
MAX_LINES = 10_000
"""Of such a playlist: each line is parsed, and its file looked for."""
_PROBLEMS_SHOWN = 50
_UNDO_STEPS = 50
_UNDO_BYTES = 2 * 1024 * 1024
"""Of all earlier texts together, compressed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaylistText:
    """The text of the file, and its version, by which a later save finds a change in between."""

    text: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaylistProblem:
    """A line that would be left out, or that names a missing file; line 0 is the whole text."""

    line: int
    what: Message


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaylistCheck:
    """How many entries of a text will play, and its problems, 50 at most."""

    items: int
    problems: tuple[PlaylistProblem, ...]


class UndoSteps:
    """Earlier texts, each with the version that replaced it; a bounded number of compressed bytes."""

    def __init__(self) -> None:
        self._steps: deque[tuple[str, bytes]] = deque(maxlen=_UNDO_STEPS)

    def push(self, before: bytes, *, version: str) -> None:
        """`before` was replaced by the text of `version`; steps of a text that others have changed are dropped."""
        if self._steps and self._steps[-1][0] != _version(before):
            self._steps.clear()
        self._steps.append((version, zlib.compress(before, 1)))
        while sum(len(packed) for _, packed in self._steps) > _UNDO_BYTES:
            self._steps.popleft()

    def has(self, version: str) -> bool:
        """Whether there is a text before the one of `version`."""
        return bool(self._steps) and self._steps[-1][0] == version

    def at(self, version: str) -> bytes | None:
        """The text before the one of `version`; None where there is none."""
        return zlib.decompress(self._steps[-1][1]) if self.has(version) else None

    def pop(self) -> None:
        """Its text is the current one again."""
        self._steps.pop()


class PlaylistFile:
    """One file, behind all its links. Every method but `folder` touches its disk."""

    def __init__(self, path: Path, *, allowed: Callable[[], AllowedFolders]) -> None:
        """`allowed`: where files may lie now."""
        self._path = path
        self._allowed = allowed
        self._undo = UndoSteps()

    @property
    def folder(self) -> Path:
        """Where its relative paths start."""
        return self._path.parent

    @property
    def allowed(self) -> AllowedFolders:
        """Where files may lie now."""
        return self._allowed()

    def read(self) -> PlaylistText:
        """The file now; a missing one is empty. Raises ControlError where it is no text or cannot be read."""
        data = self._data()
        return PlaylistText(text=_text(data), version=_version(data))

    def check(self, text: str) -> PlaylistCheck:
        """See Commands.playlist_check."""
        if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
            return PlaylistCheck(items=0, problems=(PlaylistProblem(line=0, what=_too_long().full_message),))
        if _has_too_many_lines(text):
            return PlaylistCheck(items=0, problems=(PlaylistProblem(line=0, what=_too_many_lines().full_message),))
        found = parse(text, base=str(self._path.parent), allowed=self._allowed())
        missing = missing_files(found, self._allowed())
        every = sorted((*found.problems, *missing), key=lambda problem: problem.line)
        problems = [PlaylistProblem(line=one.line, what=one.message) for one in every[:_PROBLEMS_SHOWN]]
        return PlaylistCheck(items=len(found.entries) - len(missing), problems=tuple(problems))

    def save(self, text: str, *, version: str, wanted: Callable[[], bool] = lambda: True) -> None:
        """Write `text`; raises ControlError, and the file is as it was, where it has changed since or cannot be written.

        Not where it is no longer `wanted`: a disk that hung may answer after the command was refused.
        """
        try:
            fresh = text.replace("\r\n", "\n").encode()
        except UnicodeEncodeError as error:
            raise ControlError.of("refused.playlist_surrogates") from error
        if len(fresh) > MAX_TEXT_BYTES:
            raise _too_long()
        if _has_too_many_lines(text):
            raise _too_many_lines()
        if b"\0" in fresh:
            raise ControlError.of("refused.playlist_zero_byte")
        before = self._data()
        if _version(before) != version:
            raise ControlError.of("refused.playlist_changed")
        self._write(fresh, wanted=wanted)
        self._undo.push(before, version=_version(fresh))

    def edit(
        self, change: Callable[[str], Edited], *, version: str, wanted: Callable[[], bool] = lambda: True
    ) -> Edited:
        """Write the text as `change` makes it, with the line ends that it has; raises ControlError as `save`.

        `version`: empty for any.
        """
        before = self._data()
        text = _text(before)
        if version not in {"", _version(before)}:
            raise ControlError.of("refused.playlist_changed")
        try:
            edited = change(text)
        except PlaylistError as error:
            raise ControlError.because_of(error) from error
        fresh = (BOM_UTF8 if before.startswith(BOM_UTF8) else b"") + edited.text.encode()
        if len(fresh) > max(MAX_TEXT_BYTES, len(before)):
            raise _too_long()
        if _has_too_many_lines(edited.text):
            raise _too_many_lines()
        if fresh != before:
            self._write(fresh, wanted=wanted)
            self._undo.push(before, version=_version(fresh))
        return edited

    def undo(self, *, version: str, wanted: Callable[[], bool] = lambda: True) -> None:
        """Write the text before the last change through the service; raises ControlError where there is none.

        `version`: empty for any.
        """
        now = _version(self._data())
        if version not in {"", now}:
            raise ControlError.of("refused.playlist_changed")
        earlier = self._undo.at(now)
        if earlier is None:
            raise ControlError.of("refused.nothing_to_undo")
        self._write(earlier, wanted=wanted)
        self._undo.pop()

    def can_undo(self, version: str) -> bool:
        """Whether the text of this version has an earlier one."""
        return self._undo.has(version)

    def _write(self, fresh: bytes, *, wanted: Callable[[], bool]) -> None:
        if not wanted():
            raise ControlError.of("refused.playlist_not_written", detail="ETIMEDOUT")
        try:
            _replace(Path(os.path.realpath(self._path)), fresh)
        except OSError as error:
            raise ControlError.of("refused.playlist_not_written", detail=str(error.strerror)) from error

    def remove(self, key: str, *, version: str, wanted: Callable[[], bool] = lambda: True) -> Item:
        """Remove the line of the item with `key`, and the #EXTINF line that announces it; raises ControlError as `save`."""
        now = self.read()
        found = parse(now.text, base=str(self._path.parent), allowed=self._allowed())
        entry = next((one for one in found.entries if one.item.key == key), None)
        if entry is None:
            raise ControlError.of("refused.not_listed", key=key)
        lines = now.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        announced = entry.line > 1 and lines[entry.line - 2].startswith("#EXTINF:")
        del lines[entry.line - 1 - announced : entry.line]
        self.save("\n".join(lines), version=version or now.version, wanted=wanted)
        return entry.item

    def _data(self) -> bytes:
        try:
            if self._path.stat().st_size > MAX_TEXT_BYTES:
                raise _too_long()
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise ControlError.of("refused.playlist_not_read", detail=str(error.strerror)) from error


def _text(data: bytes) -> str:
    """Raises ControlError where it is none, or too much."""
    try:
        text = decode(data)
        data.decode()
    except PlaylistError as error:
        raise ControlError.because_of(error) from error
    except UnicodeDecodeError as error:
        raise ControlError.of("refused.playlist_not_utf8") from error
    if _has_too_many_lines(text):
        raise _too_many_lines()
    return text


def _too_long() -> ControlError:
    return ControlError.of("refused.playlist_too_long", limit=MAX_TEXT_BYTES // 1024)


def _has_too_many_lines(text: str) -> bool:
    return text.count("\n") + text.count("\r") - text.count("\r\n") > MAX_LINES


def _too_many_lines() -> ControlError:
    return ControlError.of("refused.playlist_too_many_lines", limit=MAX_LINES)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _replace(target: Path, data: bytes) -> None:
    """Write `target` whole, with the mode that it had."""
    replace_file(target, data, mode=target.stat().st_mode & 0o777 if target.exists() else 0o644)

"""The playlist as a text that is edited: read with its version, checked, and written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.errors import ControlError, PlaylistError
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.load import missing_files
from tg_video_streamer.playlist.parser import decode, parse

MAX_TEXT_BYTES = 512 * 1024
"""The longest playlist that is edited through the service: some five thousand lines."""
_PROBLEMS_SHOWN = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaylistText:
    """What the file says, and the word by which a later save knows that nobody else has written since."""

    text: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaylistProblem:
    """A line that would be left out, or whose file is not there; line 0 speaks of the whole text."""

    line: int
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaylistCheck:
    """How many items a text names, and what is wrong with it, at most 50 lines of it."""

    items: int
    problems: tuple[PlaylistProblem, ...]


class PlaylistFile:
    """One file, behind all its links. Small, so it is read and written in the caller's thread."""

    def __init__(self, path: Path, *, allowed: Callable[[], AllowedFolders]) -> None:
        """`allowed`: where files may lie now."""
        self._path = path
        self._allowed = allowed

    @property
    def folder(self) -> Path:
        """Where its relative paths start."""
        return self._path.parent

    def read(self) -> PlaylistText:
        """The file now; a missing one is empty. Raises ControlError where it is no text or cannot be read."""
        data = self._data()
        try:
            text = decode(data)
            text.encode()
        except PlaylistError as error:
            raise ControlError(error.what, remedy=error.remedy) from error
        except UnicodeEncodeError as error:
            raise ControlError(
                "the playlist has bytes that are not UTF-8, which an edit would lose",
                remedy="save it as UTF-8 on the server first",
            ) from error
        return PlaylistText(text=text, version=_version(data))

    def check(self, text: str) -> PlaylistCheck:
        """See Commands.playlist_check."""
        if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
            return PlaylistCheck(items=0, problems=(PlaylistProblem(line=0, what=_too_long()),))
        found = parse(text, base=str(self._path.parent), allowed=self._allowed())
        told = sorted((*found.problems, *missing_files(found)), key=lambda problem: problem.line)
        problems = [PlaylistProblem(line=one.line, what=str(one)) for one in told[:_PROBLEMS_SHOWN]]
        return PlaylistCheck(items=len(found.entries), problems=tuple(problems))

    def save(self, text: str, *, version: str) -> None:
        """Write `text`; raises ControlError, and the file is as it was, where it has changed since or cannot be written."""
        try:
            fresh = text.replace("\r\n", "\n").encode()
        except UnicodeEncodeError as error:
            raise ControlError("the text has characters that no file can hold", remedy="type them anew") from error
        if len(fresh) > MAX_TEXT_BYTES:
            raise ControlError(_too_long(), remedy="put some of it into a second list, and name that in the playlist")
        if b"\0" in fresh:
            raise ControlError(
                "the text has a zero byte in it, so it is no playlist", remedy="send text, one entry a line"
            )
        if _version(self._data()) != version:
            raise ControlError(
                "the playlist was changed by someone else since it was read",
                remedy="read it again, and make the change in what is there now",
            )
        try:
            _replace(Path(os.path.realpath(self._path)), fresh)
        except OSError as error:
            raise ControlError(
                f"the playlist cannot be written: {error.strerror}; it is as it was",
                remedy="free space, or give the service's user the right to write in the playlist's folder",
            ) from error

    def _data(self) -> bytes:
        try:
            if self._path.stat().st_size > MAX_TEXT_BYTES:
                raise ControlError(_too_long(), remedy="edit it on the server")
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise ControlError(
                f"the playlist cannot be read: {error.strerror}", remedy="look at the path and rights of PLAYLIST"
            ) from error


def _too_long() -> str:
    return f"the playlist is longer than {MAX_TEXT_BYTES // 1024} kB"


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _replace(target: Path, data: bytes) -> None:
    """Write `target` whole, with the mode that it had."""
    replace_file(target, data, mode=target.stat().st_mode & 0o777 if target.exists() else 0o644)

"""Runs `library list`, `prune` and `verify`."""

from __future__ import annotations

import json
import logging
import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

import typer

from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.library_progress import Terminal
from tg_video_streamer.cli.run import load
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.errors import LibraryError
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.library import Library
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.logs import Redaction, configure_logs, redaction
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.settings.settings import LoadedSettings, Settings, secret_values

_GIGABYTE = 1_000_000_000
_COLUMNS = "{:<16}  {:<16}  {:>7}  {:>8}  {:>8}  {}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Shared by the commands: settings, masking, and the stream for the answer."""

    loaded: LoadedSettings
    redact: Redaction
    answer: TextIO

    @property
    def settings(self) -> Settings:
        """Their values."""
        return self.loaded.settings

    @property
    def max_bytes(self) -> int:
        """LIBRARY_MAX_GB."""
        return round(self.settings.library_max_gb * _GIGABYTE)

    def say(self, line: str) -> None:
        """Print one line of the answer, without control characters."""
        typer.echo(printable(self.redact(line)), file=self.answer)

    def totals(self, library: Library) -> str:
        """Number and size of the cached encodes, and the limit."""
        count, size, limit = library.items, library.bytes, self.max_bytes
        return words.text("library.totals", count=count, size=size, limit=limit, percent=round(100 * size / limit))


@contextmanager
def place(env_file: Path | None) -> Iterator[Place]:
    """Read the settings; everything but the answer goes to stderr. Raises LibraryError where there is no library."""
    loaded = load(env_file, demo=False)
    settings = loaded.settings
    if not settings.library_max_gb:
        raise LibraryError.of("library.off")
    _check_owner(settings.library_dir)
    secrets = secret_values(settings)
    answer = sys.stdout
    with redirect_stdout(sys.stderr):
        configure_logs(settings.log_format, secrets=secrets, level=logging.WARNING)
        yield Place(loaded=loaded, redact=redaction(secrets), answer=answer)


def show(env_file: Path | None, *, as_json: bool) -> int:
    """`library list`."""
    with place(env_file) as here, _opened(here) as library:
        encodes = sorted(library.encodes(), key=lambda encode: (encode.plays > 0, encode.played_wall), reverse=True)
        if as_json:
            text = json.dumps(
                {
                    "folder": str(library.folder),
                    "bytes": library.bytes,
                    "max_bytes": here.max_bytes,
                    "encodes": [_fields(encode) for encode in encodes],
                },
                indent=2,
            )
            typer.echo(text, file=here.answer)
        else:
            for line in [_head(), *map(_row, encodes)] if encodes else []:
                typer.echo(line, file=here.answer)
            here.say(here.totals(library))
        return _exit_code(library)


def prune(env_file: Path | None) -> int:
    """`library prune`."""
    from tg_video_streamer.app.feeds import FLOOR_BYTES  # noqa: PLC0415 - everything that plays: `list` is not to wait for it

    with place(env_file) as here, _opened(here, floor_bytes=FLOOR_BYTES) as library:
        pruned = library.prune()
        for encode in pruned.encodes:
            here.say(words.text("library.removed", title=title_of(encode), size=encode.bytes))
        if pruned.short_bytes:
            here.say(words.text("library.short", size=pruned.short_bytes, floor=FLOOR_BYTES))
        here.say(here.totals(library))
        return _exit_code(library) or (1 if pruned.short_bytes else 0)


def verify(env_file: Path | None) -> int:
    """`library verify`."""
    with place(env_file) as here, _opened(here) as library:
        # The lines below report the damaged ones, so the log does not.
        logging.getLogger().setLevel(logging.CRITICAL)
        with Terminal.of(here.answer, library.items) as terminal:
            found = library.verify(progress=lambda _encode: terminal.step())
        for encode in found.damaged:
            here.say(words.text("library.damaged", title=title_of(encode)))
        here.say(words.text("library.verified", count=found.whole, size=found.bytes, damaged=len(found.damaged)))
        return _exit_code(library) or (1 if found.damaged else 0)


def title_of(encode: CachedEncode) -> str:
    """The title, or the key of its item."""
    return printable(encode.title) or encode.item_key


@contextmanager
def _opened(here: Place, *, floor_bytes: int = 0) -> Iterator[Library]:
    """The library for commands that neither find nor write an item: its headers do not matter."""
    library = Library(
        here.settings.library_dir,
        max_bytes=here.max_bytes,
        floor_bytes=floor_bytes,
        house=here.settings.house_format(),
        headers=CodecHeaders(video=b"", audio=b""),
        clock=SystemClock(),
    )
    library.open()
    try:
        yield library
    finally:
        library.close()


def _check_owner(folder: Path) -> None:
    """What root makes in the library of a service, the service can neither play nor prune."""
    try:
        owner = folder.stat().st_uid
    except OSError:
        return  # `Library.open` makes it, or says why it cannot be used
    if owner == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"
    raise LibraryError.of("library.other_user", folder=str(folder), user=name)


def _exit_code(library: Library) -> int:
    """1, with the reason on stderr, where the library has a problem, so that the answer may be incomplete."""
    if (problem := library.problem) is None:
        return 0
    text = words.text("library.problem", problem=printable(words.message_text(problem)))
    typer.echo(f"tg-video-streamer: {text}", err=True)
    return 1


def _head() -> str:
    return _COLUMNS.format(
        *(words.text(f"library.column.{name}") for name in ("cached", "played", "plays", "length", "size", "title"))
    )


def _row(encode: CachedEncode) -> str:
    cached, played = _minute(encode.created_wall), _minute(encode.played_wall) if encode.plays else words.text("never")
    length, size = clock_text(encode.seconds), words.size(encode.bytes)
    return _COLUMNS.format(cached, played, encode.plays, length, size, title_of(encode))


def _minute(wall: float) -> str:
    """Local time, as people write it."""
    return datetime.fromtimestamp(wall).astimezone().strftime("%Y-%m-%d %H:%M")


def _fields(encode: CachedEncode) -> dict[str, str | float | int | None]:
    return {
        "key": encode.key,
        "item_key": encode.item_key,
        "title": encode.title,
        "seconds": encode.seconds,
        "bytes": encode.bytes,
        "created_wall": encode.created_wall,
        "played_wall": encode.played_wall if encode.plays else None,
        "plays": encode.plays,
        "file": str(encode.path),
    }

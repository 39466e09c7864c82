"""The cookies for yt-dlp: the operator's file, and a private copy with those that sites have renewed since."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from tg_video_streamer.atomic_file import replace_file

log = structlog.get_logger(__name__)

_LINE_FIELDS = 7


class Cookies:
    """Renewed cookies are stored in `folder`, never in the operator's file; a change of that file discards them."""

    def __init__(self, file: Path | None, folder: Path) -> None:
        """`file`: YTDLP_COOKIES, None without. `folder`: private (0700)."""
        self._file = file
        self._folder = folder

    @property
    def path(self) -> Path:
        """Whose disk is read: that of the operator's file."""
        return self._file or self._folder

    def read(self) -> str:
        """The text to send, in Netscape format; empty without cookies. Blocks on the disk.

        An unreadable file is only a warning: most sources play without cookies.
        """
        given = self._given()
        if not given:
            return ""
        try:
            return self._copy_of(given).read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return given
        except OSError as error:
            log.warning("renewed cookies cannot be read, continuing with YTDLP_COOKIES", why=error.strerror)
            return given

    def store(self, sent: str, returned: str) -> None:
        """Store what yt-dlp `returned` after it got `sent`. Blocks on the disk; a full one is only a warning."""
        given = self._given()
        if not given or not returned:
            return
        current = self.read()
        renewed = merged(sent, returned, current)
        if renewed == current:
            return
        path = self._copy_of(given)
        try:
            replace_file(path, renewed.encode("utf-8", "surrogateescape"), durable=False)
            for old in self._folder.glob("cookies-*.txt"):
                if old != path:
                    old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("renewed cookies cannot be stored, the site may ask for a login again", why=error.strerror)

    def _given(self) -> str:
        if self._file is None:
            return ""
        try:
            return self._file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            log.warning(
                "YTDLP_COOKIES cannot be read, continuing without cookies", file=str(self._file), why=error.strerror
            )
            return ""

    def _copy_of(self, given: str) -> Path:
        """Named by the operator's text, so that another text has no copy yet."""
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / f"cookies-{digest[:32]}.txt"


def merged(sent: str, returned: str, current: str) -> str:
    """`current` with what changed from `sent` to `returned`: two answers of different sites both count. Netscape format."""
    before, after, now = _by_name(sent), _by_name(returned), _by_name(current)
    renewed = {name: line for name, line in after.items() if before.get(name) != line}
    removed = before.keys() - after.keys()
    if all(now.get(name) == line for name, line in renewed.items()) and not removed & now.keys():
        return current
    kept = {name: line for name, line in now.items() if name not in removed} | renewed
    return "# Netscape HTTP Cookie File\n" + "".join(f"{line}\n" for line in kept.values())


def _by_name(text: str) -> dict[tuple[str, str, str], str]:
    """The lines of cookies by domain, path and name."""
    found: dict[tuple[str, str, str], str] = {}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == _LINE_FIELDS and (not line.startswith("#") or line.startswith("#HttpOnly_")):
            found[fields[0].removeprefix("#HttpOnly_"), fields[2], fields[5]] = line
    return found

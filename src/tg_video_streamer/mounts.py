"""Names the mount of a path from the kernel's table of mounts, without touching the mount itself."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_FRESH_SECONDS = 5.0
_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A mounted file system."""

    point: str
    """The folder at which it is mounted."""
    kind: str = ""
    """Such as `nfs4`; empty where the table cannot be read."""
    source: str = ""
    """Such as `server:/films`."""

    def __str__(self) -> str:
        return f"{self.point} ({self.kind}, {self.source})" if self.kind else self.point


ROOT = Mount(point="/")


class _Table:
    """The mounts as of the last look, longest folder first."""

    def __init__(self) -> None:
        self._mounts: tuple[Mount, ...] = (ROOT,)
        self._read_at = float("-inf")

    def mounts(self) -> tuple[Mount, ...]:
        """At most _FRESH_SECONDS old; it is asked for each file operation."""
        now = time.monotonic()
        if now - self._read_at >= _FRESH_SECONDS:
            self._read_at = now
            try:
                self._mounts = parse(_TABLE.read_bytes())
            except OSError:
                self._mounts = (ROOT,)
        return self._mounts


_table = _Table()


def mount_of(path: str) -> Mount:
    """The mount on which the absolute, normalized `path` lies by its name; links in it are not followed."""
    return next((one for one in _table.mounts() if is_within(path, one.point)), ROOT)


def is_within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it, by their names."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def parse(table: bytes) -> tuple[Mount, ...]:
    """The mounts of a `mountinfo`, longest folder first; of two at one folder the later one, which covers the other."""
    found: dict[str, Mount] = {}
    for line in table.splitlines():
        words = line.split(b" ")
        if len(words) < 10 or b"-" not in words[6:]:
            continue
        end = words.index(b"-", 6)
        point = _name(words[4])
        found[point] = Mount(point=point, kind=_name(words[end + 1]), source=_name(words[end + 2]))
    return tuple(sorted(found.values(), key=lambda one: len(one.point), reverse=True))


def _name(word: bytes) -> str:
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), word)
    return plain.decode("utf-8", "surrogateescape")

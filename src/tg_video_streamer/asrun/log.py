"""Writes the as-run log: one JSON line per segment, for rights reports and as proof of broadcast."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog

from tg_video_streamer.asrun.entry import AsRunEntry, content_fields, iso, read_content
from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.events import CutReason, Event, SegmentEnded, SegmentStarted

SAVE_SECONDS = 1.0
"""How often the time is saved: the end of a killed segment may be too early by this."""

log = structlog.get_logger(__name__)

FILE_NAME = "as-run.jsonl"
"""In STATE_DIR."""

FILES = 5
"""The log and its older files together."""
_NEWEST_LINES = 500
"""Of a host that was away while others aired."""
_WAITING_AT_MOST = 10_000
"""Lines that wait while the disk fails: about 3 MB, days of half-minute items."""


class AsRunLog:
    """Takes events at once and writes them from its own thread: a slow or full disk never delays the program.

    A line that cannot be written waits for another attempt; beyond `_WAITING_AT_MOST` the oldest is lost.
    A segment that was on air when the service was killed gets its line at the next start, with the reason `killed`.
    """

    def __init__(
        self,
        path: Path,
        *,
        viewers: Callable[[], int | None] = lambda: None,
        file_bytes: int = 10_000_000,
        files: int = FILES,
        retry_seconds: float = 5.0,
    ) -> None:
        """`path` and its older files `path.1`, `path.2` … are `files` together, each of at most `file_bytes`."""
        self._viewers = viewers
        self._path = path
        self._file_bytes = file_bytes
        self._files = files
        self._retry_seconds = retry_seconds
        self._waiting: deque[str] = deque()
        self._open = OpenEntry(path.with_suffix(".open"))
        self._on_air: SegmentStarted | None = None
        self._changed = threading.Condition()
        self._settled = threading.Event()
        self._stopping = False
        self._failing = False
        self._lost = 0
        self._thread: threading.Thread | None = None

    def on_event(self, event: Event) -> None:
        """Take starts and ends of segments; returns at once, from any thread."""
        if not isinstance(event, SegmentEnded | SegmentStarted):
            return
        with self._changed:
            self._settled.clear()
            self._on_air = event if isinstance(event, SegmentStarted) else None
            if isinstance(event, SegmentStarted):
                self._changed.notify()
                return
            if len(self._waiting) >= _WAITING_AT_MOST:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(AsRunEntry.of(event, self._viewers()).line())
            self._changed.notify()

    def add(self, line: str) -> None:
        """Write a line that another host of the channel has made."""
        with self._changed:
            self._settled.clear()
            self._waiting.append(line)
            self._changed.notify()

    def settle(self, seconds: float) -> bool:
        """Wait until everything so far is on the disk, at most so long; whether it is."""
        return self._settled.wait(seconds)

    def start(self) -> None:
        """Start writing, first the line of a segment that a killed service left open."""
        left = self._open.left()
        if left is not None and not is_written(self._path, left):
            self._waiting.append(AsRunEntry.of(left).line())
        self._thread = threading.Thread(target=self._run, name="as-run", daemon=True)
        self._thread.start()

    def stop(self, *, timeout: float = 2.0) -> None:
        """Write the waiting lines, once, and end; a disk that hangs is given up after `timeout` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                log.warning("as-run log cannot be finished: the disk hangs", lines=len(self._waiting))

    def _run(self) -> None:
        while (line := self._next()) is not None:
            while not self._written(line):
                with self._changed:
                    if self._stopping:
                        log.error("as-run log lost its last lines", lines=1 + len(self._waiting))
                        return
                    self._changed.wait_for(lambda: self._stopping, self._retry_seconds)

    def _next(self) -> str | None:
        """The oldest line, waited for; None once all are written and the log ends."""
        while True:
            with self._changed:
                if self._waiting:
                    return self._waiting.popleft()
                on_air, stopping = self._on_air, self._stopping
            # Only after the line of the segment before it: a kill in between must not lose that one.
            self._open.save(on_air)
            with self._changed:
                if stopping and not self._waiting:
                    return None
                if not self._waiting and self._on_air is on_air and not self._stopping:
                    self._settled.set()
                    self._changed.wait(SAVE_SECONDS)

    def _written(self, line: str) -> bool:
        """Try once; the first failure in a row is logged, and so is the first success after it."""
        try:
            append_rotating(
                self._path, line.encode("utf-8", "backslashreplace"), file_bytes=self._file_bytes, files=self._files
            )
        except OSError as error:
            if not self._failing:
                log.warning("as-run log cannot be written; its lines wait", error=error.strerror)
            self._failing = True
            return False
        if self._failing:
            log.info("as-run log is written again", lines_lost=self._lost)
            self._failing = False
            self._lost = 0
        return True


def append_rotating(path: Path, line: bytes, *, file_bytes: int, files: int) -> None:
    """Append a line whole or not at all, in a file of mode 0600. Raises OSError.

    Where the file would grow past `file_bytes`, `path` becomes `path.1`, that `path.2`, and so on; the last is deleted.
    """
    if path.exists() and path.stat().st_size > max(0, file_bytes - len(line)):
        _rotate(path, files)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _append_whole(descriptor, line, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def _rotate(path: Path, files: int) -> None:
    """Rename the files, so that `path` is free."""
    for number in range(files - 1, 0, -1):
        younger = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        if younger.exists():
            younger.replace(path.with_name(f"{path.name}.{number}"))


def _append_whole(descriptor: int, line: bytes, size: int) -> None:
    """Write all of `line` at the end, or undo what was written of it. A torn line before it is ended first."""
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    written = 0
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
    except OSError:
        os.ftruncate(descriptor, size)
        raise


class OpenEntry:
    """One file: its content is the segment on air, its modification time when that was last seen. Used by one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved: SegmentStarted | None = None
        self._failing = False

    def left(self) -> SegmentEnded | None:
        """The segment that was on air when an earlier run was killed; its gap and skew are unknown and 0."""
        try:
            until = self._path.stat().st_mtime
            fields = json.loads(self._path.read_bytes())
            started = float(fields["started"])
            return SegmentEnded(
                started=started,
                wall=max(until, started),
                reason=CutReason.KILLED,
                content=read_content(fields),
                seconds=max(0.0, until - started),
                gap_seconds=0.0,
                skew_seconds=0.0,
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            log.warning("the last segment of the earlier run is unknown", why=type(error).__name__)
            return None

    def save(self, event: SegmentStarted | None) -> None:
        """`event` is still on air; None: nothing is. Where the disk fails, only this entry is at risk; logged once."""
        try:
            if event is None:
                self._path.unlink(missing_ok=True)
            elif event != self._saved:
                fields = {"started": event.wall, **content_fields(event.content)}
                replace_file(self._path, json.dumps(fields).encode(), durable=False)
            else:
                os.utime(self._path)
            self._saved = event
            self._failing = False
        except OSError as error:
            self._saved = None
            if not self._failing:
                log.warning("the segment on air cannot be saved for the as-run log", error=error.strerror)
            self._failing = True


def is_written(path: Path, segment: SegmentEnded) -> bool:
    """Whether one of the newest lines of the as-run log at `path` is for `segment`.

    The kill came right after it, or another host of the channel has told of the segment since.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            newest = deque(lines, maxlen=_NEWEST_LINES)
    except OSError:
        return False
    return any(_is_of(line, segment) for line in newest)


def _is_of(line: str, segment: SegmentEnded) -> bool:
    try:
        entry = AsRunEntry.from_line(line)
    except ValueError:
        return False
    return entry.start == iso(segment.started) and entry.key == segment.content.key

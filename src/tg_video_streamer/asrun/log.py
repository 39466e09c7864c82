"""Keeps the as-run log: what was on air, from when to when, one JSON line a stretch, for rights and for proof."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog

from tg_video_streamer.asrun.open_entry import KEPT_SECONDS, OpenEntry, is_written, iso
from tg_video_streamer.events import Event, EventBus, SegmentEnded, SegmentStarted

log = structlog.get_logger(__name__)

FILE_NAME = "as-run.jsonl"
"""In STATE_DIR."""

_WAITING_AT_MOST = 10_000
"""Lines held while the disk takes none: about 3 MB, and days of half-minute items."""


def as_run_line(event: SegmentEnded, viewers: int | None = None) -> str:
    """One stretch as a JSON line: times in UTC by ISO 8601, lengths in seconds, viewers at its end where known."""
    record: dict[str, str | float] = {
        "start": iso(event.started),
        "end": iso(event.wall),
        "seconds": round(event.seconds, 3),
        "level": str(event.level),
        "reason": event.reason,
        "key": event.key,
        "title": event.title,
        "gap_seconds": round(event.gap_seconds, 3),
        "skew_seconds": round(event.skew_seconds, 4),
    }
    if viewers is not None:
        record["viewers"] = viewers
    return json.dumps(record, ensure_ascii=False) + "\n"


class AsRunLog:
    """Takes events at once and writes them from its own thread: neither a slow nor a full disk holds the program up.

    A line that the disk does not take is kept and tried again; only more than `_WAITING_AT_MOST` of them lose the oldest.
    What was on air when the service was killed gets its line at the next start, with the reason `killed`.
    """

    def __init__(
        self,
        path: Path,
        *,
        viewers: Callable[[], int | None] = lambda: None,
        file_bytes: int = 10_000_000,
        files: int = 5,
        retry_seconds: float = 5.0,
    ) -> None:
        """`path` and its older siblings `path.1`, `path.2` … are `files` together, each of at most `file_bytes`."""
        self._viewers = viewers
        self._path = path
        self._file_bytes = file_bytes
        self._files = files
        self._retry_seconds = retry_seconds
        self._waiting: deque[str] = deque()
        self._open = OpenEntry(path.with_suffix(".open"))
        self._on_air: SegmentStarted | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._failing = False
        self._lost = 0
        self._thread: threading.Thread | None = None

    def subscribe(self, bus: EventBus) -> None:
        """Write down what comes off air from now on."""
        bus.subscribe(self.on_event)

    def on_event(self, event: Event) -> None:
        """Take what goes on and comes off, and ignore all others; returns at once, from any thread."""
        if not isinstance(event, SegmentEnded | SegmentStarted):
            return
        with self._changed:
            self._on_air = event if isinstance(event, SegmentStarted) else None
            if isinstance(event, SegmentStarted):
                self._changed.notify()
                return
            if len(self._waiting) >= _WAITING_AT_MOST:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(as_run_line(event, self._viewers()))
            self._changed.notify()

    def start(self) -> None:
        """Begin to write: first of all the line that a killed service could not."""
        left = self._open.left()
        if left is not None and not is_written(self._path, left):
            self._waiting.append(as_run_line(left))
        self._thread = threading.Thread(target=self._run, name="as-run", daemon=True)
        self._thread.start()

    def stop(self, *, timeout: float = 2.0) -> None:
        """Write what still waits, once, and end; a disk that hangs is left behind after `timeout` seconds."""
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
        """The oldest line, waited for; None once all is written and the log is to end."""
        while True:
            with self._changed:
                if self._waiting:
                    return self._waiting.popleft()
                on_air, stopping = self._on_air, self._stopping
            # Only after the line of what was on air before: a kill in between leaves the old stretch to be told.
            self._open.keep(on_air)
            with self._changed:
                if stopping and not self._waiting:
                    return None
                if not self._waiting and self._on_air is on_air and not self._stopping:
                    self._changed.wait(KEPT_SECONDS)

    def _written(self, line: str) -> bool:
        """Try once; the first failure of a row is logged, and so is the first success after it."""
        try:
            append_rotating(self._path, line.encode(), file_bytes=self._file_bytes, files=self._files)
        except OSError as error:
            if not self._failing:
                log.warning("as-run log cannot be written; lines are kept and tried again", error=error.strerror)
            self._failing = True
            return False
        if self._failing:
            log.info("as-run log is written again", lines_lost=self._lost)
            self._failing = False
            self._lost = 0
        return True


def append_rotating(path: Path, line: bytes, *, file_bytes: int, files: int) -> None:
    """Append a line whole or not at all, in a file of mode 0600; raises OSError.

    Where it would grow past `file_bytes`, `path` becomes `path.1`, that `path.2`, and so on; the last one goes.
    """
    if path.exists() and path.stat().st_size > max(0, file_bytes - len(line)):
        _rotate(path, files)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _append_whole(descriptor, line, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def _rotate(path: Path, files: int) -> None:
    """Make room for a new file at `path`."""
    for number in range(files - 1, 0, -1):
        younger = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        if younger.exists():
            younger.replace(path.with_name(f"{path.name}.{number}"))


def _append_whole(descriptor: int, line: bytes, size: int) -> None:
    """Write all of `line` at the end, or take back what was written of it. A torn line before it gets its end first."""
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    written = 0
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
    except OSError:
        os.ftruncate(descriptor, size)
        raise

"""Saves the segment that is on air, so that the as-run log has an entry for it even after a kill."""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path

import structlog

from tg_video_streamer.asrun.entry import AsRunEntry, content_fields, iso, read_content
from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.events import CutReason, SegmentEnded, SegmentStarted

log = structlog.get_logger(__name__)

SAVE_SECONDS = 1.0
"""How often the time is saved: the end of a killed segment may be too early by this."""


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
        except (OSError, ValueError, TypeError, KeyError) as error:
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
    """Whether the last line of the as-run log at `path` is for `segment`: the kill came right after it."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            last = AsRunEntry.from_line("".join(deque(lines, maxlen=1)))
    except (OSError, ValueError):
        return False
    return last.start == iso(segment.started) and last.key == segment.content.key

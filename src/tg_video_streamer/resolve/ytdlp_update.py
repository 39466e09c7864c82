"""Reads the record of yt-dlp's updates on the host, and reports each new record once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.events import Event, UpdateFailed

log = structlog.get_logger(__name__)

RESULTS = ("updated", "unchanged", "pinned", "failed", "rolled_back")
RECORD_NAME = "yt-dlp-update.json"
_SEEN_NAME = "yt-dlp-update-seen"
_LARGEST_RECORD = 64 * 1024
_CHECK_SECONDS = 15.0
COMMAND = "tail -n 40 /var/log/yt-dlp-update.log; then systemctl start yt-dlp-update"


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateRecord:
    """The results of updates; times in seconds since 1970, 0.0 for never."""

    time: float = 0.0
    result: str = ""
    """One of RESULTS, empty before the first update."""
    detail: str = ""
    last_success: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)


def record_path(prefix: Path = Path(sys.prefix)) -> Path:
    """The record of the environment at `prefix`: next to the `releases` folder, else next to the release."""
    release = prefix.parent
    return (release.parent.parent if release.parent.name == "releases" else release) / RECORD_NAME


def read_record(path: Path) -> UpdateRecord:
    """The record at `path`; an empty one if there is no file. Raises ValueError if it is malformed."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_RECORD)
    except FileNotFoundError:
        return UpdateRecord()
    except OSError as error:
        raise ValueError(error.strerror) from error
    try:
        return _record_of(json.loads(text))
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it is damaged: {error}") from error


def _record_of(found: object) -> UpdateRecord:
    """Raises ValueError, TypeError or OverflowError."""
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a file's content, not a caller's mistake
    counts = found.get("counts")
    return UpdateRecord(
        time=float(found.get("time", 0.0)),
        result=str(found.get("result", "")),
        detail=str(found.get("detail", "")),
        last_success=float(found.get("last_success", 0.0)),
        counts={name: int(counts.get(name, 0)) for name in RESULTS} if isinstance(counts, dict) else {},
    )


def installed() -> tuple[str, float]:
    """The version of the installed yt-dlp, and when it was installed; empty and 0.0 for none."""
    with suppress(PackageNotFoundError, OSError):
        found = distribution("yt-dlp")
        return found.version, Path(str(found.locate_file("yt_dlp/version.py"))).stat().st_ctime
    return "", 0.0


class UpdateWatch:
    """Reads the record every few seconds, and publishes each new failure once."""

    def __init__(
        self,
        path: Path,
        *,
        state_folder: Path,
        clock: Clock,
        publish: Callable[[Event], None],
        changed: Callable[[UpdateRecord], None],
        check_seconds: float = _CHECK_SECONDS,
    ) -> None:
        """`changed` is called with the record at the start and with each new one; it must not block."""
        self._path = path
        self._seen_path = state_folder / _SEEN_NAME
        self._clock = clock
        self._publish = publish
        self._changed = changed
        self._check_seconds = check_seconds
        self._last: UpdateRecord | None = None
        self._unreadable = ""

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            self.check()
            await asyncio.sleep(self._check_seconds)

    def check(self) -> None:
        """Read the record, and report it if it is new."""
        try:
            record = read_record(self._path)
        except (ValueError, TypeError) as error:
            if str(error) != self._unreadable:
                self._unreadable = str(error)
                log.warning("record of yt-dlp updates cannot be read", file=str(self._path), error=str(error))
            return
        if record == self._last:
            return
        self._last = record
        self._changed(record)
        if record.time > self._seen():
            self._report(record)
            self._remember(record.time)

    def _report(self, record: UpdateRecord) -> None:
        log.info("yt-dlp was updated", result=record.result, detail=record.detail)
        if record.result in {"failed", "rolled_back"}:
            self._publish(
                UpdateFailed(wall=self._clock.wall(), program="yt-dlp", detail=record.detail, command=COMMAND)
            )

    def _seen(self) -> float:
        """The time of the last reported record, over restarts."""
        try:
            return float(self._seen_path.read_text())
        except (OSError, ValueError):
            return 0.0

    def _remember(self, time: float) -> None:
        try:
            self._seen_path.write_text(f"{time!r}\n")
        except OSError as error:
            log.warning("reported update cannot be recorded", file=str(self._seen_path), error=error.strerror)

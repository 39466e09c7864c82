"""Reads what the host's update of yt-dlp has recorded, and tells of a new record once: to metrics and to people."""

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
_LOOK_SECONDS = 15.0
COMMAND = "tail -n 40 /var/log/yt-dlp-update.log; then systemctl start yt-dlp-update"


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateRecord:
    """How updates went; times in seconds since 1970, 0.0 for never."""

    time: float = 0.0
    result: str = ""
    """One of RESULTS, empty before the first update."""
    detail: str = ""
    last_success: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)


def record_path(prefix: Path = Path(sys.prefix)) -> Path:
    """Where the update script records for the environment at `prefix`: beside the `releases` folder, else the release."""
    release = prefix.parent
    return (release.parent.parent if release.parent.name == "releases" else release) / RECORD_NAME


def read_record(path: Path) -> UpdateRecord:
    """The record at `path`; an empty one where there is none. Raises ValueError where it is none of the script's."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_RECORD)
    except FileNotFoundError:
        return UpdateRecord()
    except OSError as error:
        raise ValueError(error.strerror) from error
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - a file's content, not a caller's mistake
    counts = found.get("counts")
    return UpdateRecord(
        time=float(found.get("time", 0.0)),
        result=str(found.get("result", "")),
        detail=str(found.get("detail", "")),
        last_success=float(found.get("last_success", 0.0)),
        counts={name: int(counts.get(name, 0)) for name in RESULTS} if isinstance(counts, dict) else {},
    )


def installed() -> tuple[str, float]:
    """Version of the yt-dlp that the next item is resolved with, and when it was put there; empty and 0.0 for none."""
    with suppress(PackageNotFoundError, OSError):
        found = distribution("yt-dlp")
        return found.version, Path(str(found.locate_file("yt_dlp/version.py"))).stat().st_ctime
    return "", 0.0


class UpdateWatch:
    """Looks at the record every few seconds, and publishes a failure that was not told of before."""

    def __init__(
        self,
        path: Path,
        *,
        state_folder: Path,
        clock: Clock,
        publish: Callable[[Event], None],
        changed: Callable[[UpdateRecord], None],
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """`changed` hears the record at the start and each new one; it must return at once."""
        self._path = path
        self._seen_path = state_folder / _SEEN_NAME
        self._clock = clock
        self._publish = publish
        self._changed = changed
        self._look_seconds = look_seconds
        self._last: UpdateRecord | None = None
        self._unreadable = ""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self._look_seconds)

    def look(self) -> None:
        """Read the record, and tell of it where it is new."""
        try:
            record = read_record(self._path)
        except (ValueError, TypeError) as error:
            if str(error) != self._unreadable:
                self._unreadable = str(error)
                log.warning("the record of yt-dlp's updates cannot be read", file=str(self._path), error=str(error))
            return
        if record == self._last:
            return
        self._last = record
        self._changed(record)
        if record.time > self._seen():
            self._tell(record)
            self._remember(record.time)

    def _tell(self, record: UpdateRecord) -> None:
        log.info("yt-dlp was updated", result=record.result, detail=record.detail)
        if record.result in {"failed", "rolled_back"}:
            self._publish(
                UpdateFailed(wall=self._clock.wall(), program="yt-dlp", detail=record.detail, command=COMMAND)
            )

    def _seen(self) -> float:
        """Up to which record people were told, by whichever run of the service."""
        try:
            return float(self._seen_path.read_text())
        except (OSError, ValueError):
            return 0.0

    def _remember(self, time: float) -> None:
        try:
            self._seen_path.write_text(f"{time!r}\n")
        except OSError as error:
            log.warning("a told update cannot be remembered", file=str(self._seen_path), error=error.strerror)

"""Writes the number of viewers over time, with what was on air; a channel whose viewers are not known writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from tg_video_streamer.asrun.audience import REPEAT_SECONDS, AudienceSample
from tg_video_streamer.asrun.entry import iso
from tg_video_streamer.asrun.log import FILES, append_rotating
from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DEADLINE_SECONDS, DISKS
from tg_video_streamer.events import AirContent

log = structlog.get_logger(__name__)

SAMPLE_SECONDS = 2.0
_FILE_BYTES = 10_000_000


class AudienceLog:
    """`run` belongs to the event loop and lasts until it is cancelled; a failing disk loses samples, and nothing else."""

    def __init__(
        self,
        path: Path,
        *,
        viewers: Callable[[], int | None],
        on_air: Callable[[], AirContent | None],
        clock: Clock,
        sample_seconds: float = SAMPLE_SECONDS,
    ) -> None:
        """`viewers`: None where not known."""
        self._path = path
        self._viewers = viewers
        self._on_air = on_air
        self._clock = clock
        self._sample_seconds = sample_seconds
        self._last: AudienceSample | None = None
        self._written = 0.0
        self._failing = False

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            if (sample := self._due()) is not None:
                await self._write(sample)
            await asyncio.sleep(self._sample_seconds)

    def _due(self) -> AudienceSample | None:
        """The sample of now, if it must be written."""
        viewers, content, last = self._viewers(), self._on_air(), self._last
        if content is None or (viewers is None and (last is None or last.viewers is None)):
            return None
        now = self._clock.wall()
        sample = AudienceSample(
            at=iso(now), viewers=viewers, level=str(content.level), key=content.key, title=content.title
        )
        if last is not None and replace(last, at=sample.at) == sample and 0 <= now - self._written < REPEAT_SECONDS:
            return None
        self._last, self._written = sample, now
        return sample

    async def _write(self, sample: AudienceSample) -> None:
        line = sample.line().encode("utf-8", "backslashreplace")
        try:
            await DISKS.run_within(DEADLINE_SECONDS, self._path.parent, _append, self._path, line)
        except OSError as error:
            if not self._failing:
                log.warning("the number of viewers cannot be written", error=error.strerror)
            self._failing = True
        else:
            self._failing = False


def _append(path: Path, line: bytes) -> None:
    append_rotating(path, line, file_bytes=_FILE_BYTES, files=FILES)

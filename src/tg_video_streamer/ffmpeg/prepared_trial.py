"""Finds the prepared format whose codec headers are those of the live encodes, by encoding one second."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import structlog

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.ffmpeg.binary import fingerprint
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.prepared import X264Preset, can_prepare, prepared_formats
from tg_video_streamer.ffmpeg.validate import encoded_second, trial_command
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import CodecHeaders

_log = structlog.get_logger(__name__)

_DEADLINE_SECONDS = 120.0
"""At the lowest priority, on a busy host."""
_NICE = 19


class Preparation:
    """How items are encoded ahead of need; belongs to the event loop."""

    def __init__(
        self,
        house: HouseFormat,
        headers: CodecHeaders,
        *,
        ffmpeg: Path,
        preset: X264Preset,
        bitrate: str = "",
        cache_dir: Path | None = None,
    ) -> None:
        """`preset` and `bitrate`: PREPARE_PRESET and PREPARE_BITRATE. `cache_dir` records which format works."""
        self._house = house
        self._headers = headers
        self._ffmpeg = ffmpeg
        self._preset = preset
        self._cache_dir = cache_dir
        self._candidates = prepared_formats(house, headers.video, preset=preset, bitrate=bitrate)
        self._trying = asyncio.Lock()
        self._tried: HouseFormat | None = None
        self._wanted = preset is not X264Preset.VERYFAST or bool(bitrate)
        self.warning: Message | None = None
        """Why the live format is used instead; None before `house`, and where it is not."""

    @property
    def key_house(self) -> HouseFormat | None:
        """The format that names prepared encodes in the library, before and after the trial; None where there are none.

        Formats that differ in the chroma offset share it: only one of them has the headers, which are in the name too.
        """
        return self._candidates[0] if self._candidates else None

    async def house(self) -> HouseFormat:
        """The format to encode in; tried by the first call. `key_house` is None afterwards if it is the live one."""
        async with self._trying:
            if self._tried is None:
                self._tried = await self._try()
            return self._tried

    async def _try(self) -> HouseFormat:
        if not self._candidates:
            if self._wanted and not can_prepare(self._house):
                self._warn(Message.of("prepare.no_x264"))
            return self._house
        record = self._record()
        known = await asyncio.to_thread(_read, record) if record is not None else None
        if known is not None and known < len(self._candidates):
            return self._candidates[known]
        for number, candidate in enumerate(self._candidates):
            if await self._fits(candidate):
                if record is not None:
                    await asyncio.to_thread(_write, record, number)
                return candidate
        self._candidates = ()
        self._warn(Message.of("prepare.other_headers", preset=str(self._preset)))
        return self._house

    async def _fits(self, candidate: HouseFormat) -> bool:
        try:
            second = await encoded_second(candidate, self._ffmpeg, deadline_seconds=_DEADLINE_SECONDS, nice=_NICE)
        except ChildFailed as error:
            _log.info("a prepared format cannot be tried", why=str(error))
            return False
        if second.problem is not None:
            _log.info("a prepared format does not work", why=str(second.problem))
        return second.problem is None and second.video_header == self._headers.video

    def _warn(self, warning: Message) -> None:
        self.warning = warning
        _log.warning(str(warning))

    def _record(self) -> Path | None:
        if self._cache_dir is None:
            return None
        commands = [trial_command(one.encoder_arguments, one, self._ffmpeg) for one in self._candidates]
        facts = [commands, fingerprint(self._ffmpeg), self._headers.video.hex()]
        return self._cache_dir / f"prepared-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.works"


def _read(record: Path) -> int | None:
    """Which candidate has worked; None where that is not known."""
    try:
        return int(record.read_text())
    except (OSError, ValueError):
        return None


def _write(record: Path, number: int) -> None:
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        for old in record.parent.glob("prepared-*.works"):
            old.unlink(missing_ok=True)
        replace_file(record, str(number).encode(), durable=False)
    except OSError as error:
        _log.warning("result of the trial cannot be recorded", path=str(record), error=error.strerror)

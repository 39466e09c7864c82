"""Makes the subtitles of one item ready to be drawn: extracts text ones, with their fonts, into a file without a name."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import IO

import structlog

from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import StreamerError, SubtitlesFailed
from tg_video_streamer.feed.progress import StartPoint
from tg_video_streamer.ffmpeg.binary import roboto
from tg_video_streamer.ffmpeg.inputs import file_input
from tg_video_streamer.ffmpeg.runner import DEVNULL, Child
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.ffmpeg.subtitles import SubtitlesInput, draw_trial, extract_command, text_input
from tg_video_streamer.ffmpeg.tracks import Track
from tg_video_streamer.resolve.media import Media

_log = structlog.get_logger(__name__)

_TRIAL_SECONDS = 20.0
_EXTRACT_SECONDS = 180.0
"""The whole of a film is read for its subtitles."""


class Subtitles:
    """The subtitles of one item, for all of its attempts; `close` it."""

    def __init__(self, ffmpeg: Path, *, key: str, required: bool) -> None:
        """`key`: of the item, for the log. `required`: a failure is raised, not only logged."""
        self._ffmpeg = ffmpeg
        self._key = key
        self._required = required
        self._prepared: Track | None = None
        self._file: IO[bytes] | None = None
        self.failed = False
        """They should be drawn and cannot be: what is encoded is not what was asked for."""

    async def prepare(self, media: Media, source: SourceFacts) -> None:
        """Extract the subtitles that the probe chose. Raises SubtitlesFailed where they are required."""
        track = source.subtitles
        if track is None or track.bitmap or track == self._prepared:
            return
        self.close()
        self._prepared = track
        try:
            self._file = await self._extract(media, track)
        except StreamerError as error:
            self.failed = True
            if self._required:
                raise
            _log.warning("subtitles not shown", key=self._key, subtitles=str(track), why=str(error))

    def input(self, source: SourceFacts, start: StartPoint) -> SubtitlesInput | None:
        """The subtitles of an attempt from `start` on; None for none."""
        track = source.subtitles
        if track is None or (self._file is None and not track.bitmap):
            return None
        leader = source.picture or source.sound
        lead = source.lead_seconds(leader.input_index) if leader is not None else 0.0
        # Beyond the shortest seek, the part before the first picture is cut in both ways of starting.
        return SubtitlesInput(
            track=track,
            shift_seconds=start.source_seconds + lead,
            file=self._file.fileno() if self._file is not None else None,
        )

    def close(self) -> None:
        """Close the file, which removes it."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    async def _extract(self, media: Media, track: Track) -> IO[bytes]:
        given = b""
        if track.file:
            given = await DISKS.run(Path(track.file), _read_text, track)
            source = text_input(track)
        else:
            origin = media.inputs[track.input_index]
            if not origin.is_file or origin.growing is not None:
                raise SubtitlesFailed.of("subtitles.not_local")
            source = file_input(origin.location)
        file = await self._extracted(track, source, given)
        problem = await _run(draw_trial(self._ffmpeg, file.fileno()), pass_fds=(file.fileno(),), seconds=_TRIAL_SECONDS)
        if problem:
            file.close()
            raise SubtitlesFailed.of("subtitles.not_drawn", detail=problem)
        return file

    async def _extracted(self, track: Track, source: list[str], given: bytes) -> IO[bytes]:
        # With its attachments first: one that Matroska cannot hold must not cost the subtitles.
        for fonts in (True, False):
            file = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as the item plays
            try:
                command = extract_command(self._ffmpeg, track, source, roboto("Medium"), fonts=fonts)
                problem = await _run(command, stdin=given, stdout=file.fileno())
            except BaseException:
                file.close()
                raise
            if not problem:
                return file
            file.close()
        raise SubtitlesFailed.of("subtitles.unreadable", detail=problem)


async def _run(
    command: list[str],
    *,
    stdin: bytes = b"",
    stdout: int = DEVNULL,
    pass_fds: tuple[int, ...] = (),
    seconds: float = _EXTRACT_SECONDS,
) -> str:
    """Run the command; its last line if it failed, else empty."""
    async with Child.start(command, stdin=stdin or DEVNULL, stdout=stdout, pass_fds=pass_fds) as child:
        try:
            async with asyncio.timeout(seconds):
                code = await child.wait()
        except TimeoutError:
            raise SubtitlesFailed.of("subtitles.slow", seconds=seconds) from None
        lines = child.stderr_tail.splitlines()
        return (lines[-1] if lines else f"code {code}") if code else ""


def _read_text(track: Track) -> bytes:
    """The file in UTF-8."""
    try:
        text = Path(track.file).read_bytes().decode(track.encoding or "utf-8", "replace")
    except OSError as error:
        raise SubtitlesFailed.of("subtitles.unreadable", detail=str(error.strerror)) from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").encode("utf-8", "replace")

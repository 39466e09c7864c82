"""One attempt at an HLS output: a folder with a rolling live playlist and its segments, for any web server to hand out.

The cutting is our own: ffmpeg's HLS muxer only logs that a disk is full, and an output must not be called on air then.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import OutputLost
from tg_video_streamer.media import TICKS_PER_SECOND, CodecHeaders, FrameRate, Kind, Stamped, seconds
from tg_video_streamer.outputs.muxed import Muxer
from tg_video_streamer.outputs.timestamps import MPEGTS_LIMIT_TICKS, OwnTime

PLAYLIST_NAME = "index.m3u8"
_SEGMENT_TICKS = 2 * TICKS_PER_SECOND
_LISTED = 6
_LEAST_LISTED = 3
"""A list begins with so many (RFC 8216 §6.3.3 has players stay three away from its end; Chromium fails on fewer)."""
_KEPT_UNLISTED = 3
"""Segments that are no longer listed, but that a slow viewer may still ask for."""
_SEGMENT_NUMBER = re.compile(r"segment-(\d+)\.ts")
# Each segment is muxed by itself; this flag says so to decoders, which otherwise miss packets that never were.
_MUXER_OPTIONS = {"mpegts_flags": "initial_discontinuity"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A finished segment: its file is `segment-NUMBER.ts`."""

    number: int
    seconds: float
    wall: float
    """When its first picture was written, in seconds since 1970."""
    first_of_connection: bool

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"segment-{self.number}.ts"


def playlist(segments: Sequence[Segment]) -> str:
    """The live media playlist of `segments` (RFC 8216); pure."""
    longest = max(math.ceil(one.seconds) for one in segments)
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", f"#EXT-X-TARGETDURATION:{longest}"]
    lines += [f"#EXT-X-MEDIA-SEQUENCE:{segments[0].number}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for one in segments:
        if one.first_of_connection:
            lines.append("#EXT-X-DISCONTINUITY")
        date = datetime.fromtimestamp(one.wall, UTC).isoformat(timespec="milliseconds")
        lines += [f"#EXT-X-PROGRAM-DATE-TIME:{date}", f"#EXTINF:{one.seconds:.3f},", one.name]
    return "\n".join(lines) + "\n"


class HlsAdapter:
    """See Adapter. MPEG-TS segments, which every player knows, each beginning with a keyframe."""

    def __init__(
        self,
        folder: Path,
        headers: CodecHeaders,
        rate: FrameRate,
        *,
        clock: Clock,
        limit_ticks: int = MPEGTS_LIMIT_TICKS,
    ) -> None:
        """`folder` is made where it is missing; files in it that are not ours are left alone."""
        self.limit_ticks: int | None = limit_ticks
        self._folder = folder
        self._headers = headers
        self._frame_ticks = rate.frame_ticks
        self._clock = clock
        self._time = OwnTime()
        self._muxer: Muxer | None = None
        self._number = 0
        self._began_ticks = 0
        self._end_ticks = 0
        self._began_wall = 0.0
        self._segments: deque[Segment] = deque()
        self._finished_bytes = 0
        self._old: list[Path] = []

    def open(self) -> None:
        """See Adapter; segments of an earlier run are removed once a new list replaces that which names them."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            old = [path for path in self._folder.iterdir() if _SEGMENT_NUMBER.match(path.name)]
        except OSError as error:
            raise self._failure(error) from error
        # Numbers only grow, also over restarts: players take a smaller one for an old playlist.
        numbers = [int(found[1]) for path in old if (found := _SEGMENT_NUMBER.match(path.name))]
        self._number = max([int(self._clock.wall()), *numbers]) + 1
        self._old = old

    def send(self, packets: Sequence[Stamped]) -> None:
        """See Adapter."""
        for packet in packets:
            if packet.keyframe and packet.kind is Kind.VIDEO:
                if self._muxer is None:
                    self._begin(packet)
                elif packet.ticks - self._began_ticks >= _SEGMENT_TICKS:
                    self._finish(packet.ticks)
                    self._begin(packet)
            if self._muxer is not None:
                self._muxer.add(packet)
                if packet.kind is Kind.VIDEO:
                    self._end_ticks = packet.ticks + self._frame_ticks

    def attend(self) -> None:
        """See Adapter; a file needs no answers."""

    def delivering(self) -> bool:
        """See Adapter; a viewer has something once a segment is listed."""
        return len(self._segments) >= _LEAST_LISTED

    def close(self) -> None:
        """See Adapter; the last segment is listed as short as it is, unless the disk does not take it."""
        part = self._part
        try:
            self._finish(self._end_ticks)
        finally:
            part.unlink(missing_ok=True)

    @property
    def bytes_sent(self) -> int:
        """See Adapter."""
        return self._finished_bytes + (self._muxer.bytes_written if self._muxer is not None else 0)

    @property
    def _part(self) -> Path:
        """The segment being written, under a name that is not in the playlist."""
        return self._folder / f"segment-{self._number}.ts.part"

    def _begin(self, keyframe: Stamped) -> None:
        self._muxer = Muxer(self._part, "mpegts", self._headers, keyframe, options=_MUXER_OPTIONS, time=self._time)
        self._began_ticks = keyframe.ticks
        self._began_wall = self._clock.wall()

    def _finish(self, end_ticks: int) -> None:
        """Put the segment into its place and then the list that names it; both appear whole or not at all."""
        if self._muxer is None:
            return
        muxer, self._muxer = self._muxer, None
        self._finished_bytes += muxer.bytes_written
        muxer.close()
        segment = Segment(
            number=self._number,
            seconds=seconds(end_ticks - self._began_ticks),
            wall=self._began_wall,
            first_of_connection=not self._segments,
        )
        self._segments.append(segment)
        try:
            self._part.replace(self._folder / segment.name)
            if len(self._segments) >= _LEAST_LISTED:
                self._write_list()
        except OSError as error:
            raise self._failure(error) from error
        self._number += 1

    def _write_list(self) -> None:
        text = playlist(list(self._segments)[-_LISTED:])
        replace_file(self._folder / PLAYLIST_NAME, text.encode(), mode=0o644, durable=False)
        while len(self._segments) > _LISTED + _KEPT_UNLISTED:
            self._old.append(self._folder / self._segments.popleft().name)
        while self._old:
            self._old.pop().unlink(missing_ok=True)

    def _failure(self, error: OSError) -> OutputLost:
        return OutputLost.of("hls.write", folder=str(self._folder), detail=error.strerror or type(error).__name__)

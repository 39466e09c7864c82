"""Splits the program into fragments of half a second and HLS segments of two seconds."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from tg_video_streamer.media import TICKS_PER_SECOND, FrameRate, Kind, Stamped, seconds
from tg_video_streamer.web.preview.fmp4 import (
    AUDIO_RATE,
    AUDIO_TRACK,
    VIDEO_TRACK,
    TrackRun,
    fragment_header,
)

SEGMENT_TICKS = TICKS_PER_SECOND // 2
"""A segment ends at the first keyframe after this: normally after 2 s, and below 2.5 s (which rounds to 3) even where a
skip shortens a GOP."""
TARGET_SECONDS = 2
MIN_LISTED_SEGMENTS = 3
"""Measured: Chromium never starts, and never retries, if its first playlist has fewer."""
LISTED_SEGMENTS = 6
STORED_SEGMENTS = 8
"""More than are listed, since a player may request segments of an older playlist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fragment:
    """Consecutive frames with their audio; `number` counts all fragments of this preview."""

    number: int
    keyframe: bool
    """Whether a player can start here."""
    ticks: int
    """Program time of the first frame."""
    end_ticks: int
    """Program time of the end of the last frame."""
    video_sizes: tuple[int, ...]
    audio_ticks: int
    audio_sizes: tuple[int, ...]
    content: bytes

    @property
    def first_ticks(self) -> int:
        """Program time of its start: audio may be a little ahead of the first frame."""
        return min(self.ticks, self.audio_ticks) if self.audio_sizes else self.ticks

    def header(self, base_ticks: int) -> bytes:
        """The boxes before `content`, for a player whose time 0 is program time `base_ticks`."""
        runs = [
            TrackRun(track=VIDEO_TRACK, time=self.ticks - base_ticks, sizes=self.video_sizes, keyframe=self.keyframe)
        ]
        # After a closed gap, audio may start before time 0, but box times are unsigned.
        sound = (self.audio_ticks - base_ticks) * (AUDIO_RATE // TICKS_PER_SECOND)
        if self.audio_sizes:
            runs.append(TrackRun(track=AUDIO_TRACK, time=max(0, sound), sizes=self.audio_sizes, keyframe=False))
        return fragment_header(self.number + 1, runs)


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewSegment:
    """Consecutive fragments; the first starts with a keyframe."""

    number: int
    fragments: tuple[Fragment, ...]

    @property
    def seconds(self) -> float:
        """The duration of its frames."""
        return seconds(sum(one.end_ticks - one.ticks for one in self.fragments))

    def parts(self, base_ticks: int) -> list[bytes]:
        """Its bytes in pieces, which avoids copying the packets."""
        return [part for one in self.fragments for part in (one.header(base_ticks), one.content)]


class Fragmenter:
    """Collects packets into fragments; a keyframe or a gap always starts a new one."""

    def __init__(self, rate: FrameRate, first_number: int = 0) -> None:
        """The first fragment is `first_number`."""
        self._frame_ticks = rate.frame_ticks
        # About half a second: measured, Chromium starts latest with a fragment a GOP and stalls with one a frame.
        self._most_frames = rate // 2 + 1
        self._number = first_number
        self._video: list[Stamped] = []
        self._audio: list[Stamped] = []

    def push(self, packet: Stamped) -> Fragment | None:
        """Add one packet; returns the fragment that it completed, or None."""
        if packet.kind is Kind.AUDIO:
            self._audio.append(packet)
            return None
        finished = None
        if self._video and (packet.keyframe or packet.ticks != self._video[-1].ticks + self._frame_ticks):
            finished = self._cut()
        self._video.append(packet)
        if len(self._video) == self._most_frames:
            # Never both: after a cut, this frame is alone in the new fragment.
            return self._cut()
        return finished

    def _cut(self) -> Fragment:
        video, audio = self._video, self._audio
        fragment = Fragment(
            number=self._number,
            keyframe=video[0].keyframe,
            ticks=video[0].ticks,
            end_ticks=video[0].ticks + len(video) * self._frame_ticks,
            video_sizes=tuple(len(one.data) for one in video),
            audio_ticks=audio[0].ticks if audio else 0,
            audio_sizes=tuple(len(one.data) for one in audio),
            content=b"".join(one.data for one in (*video, *audio)),
        )
        self._number += 1
        self._video, self._audio = [], []
        return fragment


class SegmentBuffer:
    """The newest segments and the fragments of the open one; one thread adds, any thread reads."""

    def __init__(self) -> None:
        """Numbers of segments and fragments continue after `clear`."""
        self._lock = threading.Lock()
        self._segments: deque[PreviewSegment] = deque(maxlen=STORED_SEGMENTS)
        self._open: list[Fragment] = []
        self._next_segment = 0
        self.next_fragment = 0
        """The required number of the next fragment."""

    def add(self, fragment: Fragment) -> None:
        """Append the next fragment; the first after `clear` starts with a keyframe."""
        with self._lock:
            ticks = sum(one.end_ticks - one.ticks for one in self._open)
            if fragment.keyframe and ticks >= SEGMENT_TICKS:
                self._segments.append(PreviewSegment(number=self._next_segment, fragments=tuple(self._open)))
                self._next_segment += 1
                self._open = []
            self._open.append(fragment)
            self.next_fragment = fragment.number + 1

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._segments.clear()
            self._open = []

    def listed(self) -> list[PreviewSegment]:
        """The segments of the playlist, oldest first."""
        with self._lock:
            return list(self._segments)[-LISTED_SEGMENTS:]

    def segment(self, number: int) -> PreviewSegment | None:
        """The segment, or None if it is not stored."""
        with self._lock:
            return next((one for one in self._segments if one.number == number), None)

    def after(self, number: int | None) -> Fragment | None:
        """The fragment after `number`, or None if there is none yet.

        For a new viewer (None), and for one that fell behind: the newest fragment with a keyframe.
        """
        with self._lock:
            stored = [one for segment in self._segments for one in segment.fragments] + self._open
        if not stored or number == stored[-1].number:
            return None
        if number is not None and stored[0].number <= number + 1:
            return stored[number + 1 - stored[0].number]
        return next(one for one in reversed(stored) if one.keyframe)


def playlist(segments: list[PreviewSegment]) -> str:
    """The live HLS playlist (RFC 8216) of at least one segment."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{TARGET_SECONDS}",
        f"#EXT-X-MEDIA-SEQUENCE:{segments[0].number}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="init.mp4"',
    ]
    for segment in segments:
        lines += [f"#EXTINF:{segment.seconds:.3f},", f"segment-{segment.number}.m4s"]
    return "\n".join(lines) + "\n"

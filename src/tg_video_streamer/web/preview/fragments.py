"""Cuts the program's packets into media fragments of half a second, and fragments into HLS segments."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from tg_video_streamer.media import FRAME_TICKS, FRAMES_PER_SECOND, PACKET_TICKS, TICKS_PER_SECOND, Kind, Stamped
from tg_video_streamer.web.preview.fmp4 import (
    AUDIO_RATE,
    AUDIO_TRACK,
    SAMPLES_PER_PACKET,
    VIDEO_TRACK,
    TrackRun,
    fragment_header,
)

FRAGMENT_FRAMES = 13
"""About half a second: measured, Chromium starts latest with a fragment a GOP and stalls with one a frame."""
SEGMENT_FRAMES = 12
"""A segment ends at the first keyframe after this: 2 s as a rule, and never 2.5, which would round to 3, even where a
skip makes a group of pictures short."""
TARGET_SECONDS = 2
FEWEST_LISTED_SEGMENTS = 3
"""Measured: Chromium never starts, and never asks again, where the first list that it gets has fewer."""
LISTED_SEGMENTS = 6
KEPT_SEGMENTS = 8
"""More than are listed, since a player may ask for what an earlier list named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fragment:
    """Consecutive pictures and the sound that came with them; `number` counts all fragments of this preview."""

    number: int
    keyframe: bool
    """Whether a player can begin here."""
    video_slot: int
    video_sizes: tuple[int, ...]
    audio_slot: int
    audio_sizes: tuple[int, ...]
    content: bytes

    @property
    def ticks(self) -> int:
        """Program time of the first picture."""
        return self.video_slot * FRAME_TICKS

    @property
    def first_ticks(self) -> int:
        """Program time of whatever comes first in it: sound may be a little ahead of the first picture."""
        return min(self.ticks, self.audio_slot * PACKET_TICKS) if self.audio_sizes else self.ticks

    @property
    def end_ticks(self) -> int:
        """Program time of the end of the last picture."""
        return self.ticks + len(self.video_sizes) * FRAME_TICKS

    def header(self, base_ticks: int) -> bytes:
        """The boxes in front of `content`, for a player whose zero is program time `base_ticks`."""
        runs = [
            TrackRun(track=VIDEO_TRACK, time=self.ticks - base_ticks, sizes=self.video_sizes, keyframe=self.keyframe)
        ]
        # Where a jump was closed up, sound may come before the player's zero: times in the boxes have no sign.
        sound = self.audio_slot * SAMPLES_PER_PACKET - base_ticks * (AUDIO_RATE // TICKS_PER_SECOND)
        if self.audio_sizes:
            runs.append(TrackRun(track=AUDIO_TRACK, time=max(0, sound), sizes=self.audio_sizes, keyframe=False))
        return fragment_header(self.number + 1, runs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """Fragments from one keyframe to a later one."""

    number: int
    fragments: tuple[Fragment, ...]

    @property
    def seconds(self) -> float:
        """How long its pictures last."""
        return sum(len(one.video_sizes) for one in self.fragments) / FRAMES_PER_SECOND

    def parts(self, base_ticks: int) -> list[bytes]:
        """Its bytes in pieces, so that the packets need no copying."""
        return [part for one in self.fragments for part in (one.header(base_ticks), one.content)]


class Cutter:
    """Collects packets until a fragment is full; a keyframe or a hole in the program always begins a new one."""

    def __init__(self, first_number: int = 0) -> None:
        """The first fragment is `first_number`."""
        self._number = first_number
        self._video: list[Stamped] = []
        self._audio: list[Stamped] = []

    def push(self, packet: Stamped) -> Fragment | None:
        """Take one packet; the fragment that ended with or before it, or None."""
        if packet.kind is Kind.AUDIO:
            self._audio.append(packet)
            return None
        finished = None
        if self._video and (packet.keyframe or packet.slot != self._video[-1].slot + 1):
            finished = self._cut()
        self._video.append(packet)
        if len(self._video) == FRAGMENT_FRAMES:
            # Never both: what was cut before this picture left it alone in the new fragment.
            return self._cut()
        return finished

    def _cut(self) -> Fragment:
        video, audio = self._video, self._audio
        fragment = Fragment(
            number=self._number,
            keyframe=video[0].keyframe,
            video_slot=video[0].slot,
            video_sizes=tuple(len(one.data) for one in video),
            audio_slot=audio[0].slot if audio else 0,
            audio_sizes=tuple(len(one.data) for one in audio),
            content=b"".join(one.data for one in (*video, *audio)),
        )
        self._number += 1
        self._video, self._audio = [], []
        return fragment


class Window:
    """The newest segments and the fragments of the one that is still open; one thread adds, any thread reads."""

    def __init__(self) -> None:
        """Empty; segments and fragments count on from where they were, however often it is cleared."""
        self._lock = threading.Lock()
        self._segments: deque[Segment] = deque(maxlen=KEPT_SEGMENTS)
        self._open: list[Fragment] = []
        self._next_segment = 0
        self.next_fragment = 0
        """The number that the next fragment must have."""

    def add(self, fragment: Fragment) -> None:
        """Append the next fragment; the first after a `clear` begins with a keyframe."""
        with self._lock:
            frames = sum(len(one.video_sizes) for one in self._open)
            if fragment.keyframe and frames >= SEGMENT_FRAMES:
                self._segments.append(Segment(number=self._next_segment, fragments=tuple(self._open)))
                self._next_segment += 1
                self._open = []
            self._open.append(fragment)
            self.next_fragment = fragment.number + 1

    def clear(self) -> None:
        """Forget everything: nobody watches."""
        with self._lock:
            self._segments.clear()
            self._open = []

    def listed(self) -> list[Segment]:
        """The segments that a playlist names now, oldest first."""
        with self._lock:
            return list(self._segments)[-LISTED_SEGMENTS:]

    def segment(self, number: int) -> Segment | None:
        """The segment of that number, where it is still (or already) here."""
        with self._lock:
            return next((one for one in self._segments if one.number == number), None)

    def after(self, number: int | None) -> Fragment | None:
        """The fragment that follows `number`, or None where it has not come yet.

        For a new viewer (None), and for one who was too slow or away: the newest fragment with a keyframe.
        """
        with self._lock:
            kept = [one for segment in self._segments for one in segment.fragments] + self._open
        if not kept or number == kept[-1].number:
            return None
        if number is not None and kept[0].number <= number + 1:
            return kept[number + 1 - kept[0].number]
        return next(one for one in reversed(kept) if one.keyframe)


def playlist(segments: list[Segment]) -> str:
    """An HLS media playlist (RFC 8216) of a live stream; there is at least one segment."""
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

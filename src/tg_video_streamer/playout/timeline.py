"""Places the packets of each segment on the program's two grids.

Video frame *n* is at n/FRAME_RATE s, AAC packet *m* at m*1024/48000 s. A segment's packets take consecutive slots, so neither
grid can have a gap or an overlap, whatever the item's timestamps are. Sound is moved to the nearest slot once, where
the segment starts: the lip-sync error is at most half a packet (10.7 ms) and does not grow.

All arithmetic is in whole ticks (1/3000 s): a float would drift in a stream that runs for months.
"""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.errors import OffGrid
from tg_video_streamer.media import PACKET_TICKS, TICKS_PER_SECOND, FrameRate, seconds

_OVERDUE_TICKS = 2 * TICKS_PER_SECOND
"""No feed gives its sound so late after the picture of the same time, and no output may wait longer for sound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GridPosition:
    """The first free slot of each grid."""

    video: int = 0
    audio: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioSlot:
    """What to do with one audio packet: fill `silence`, then put it at `slot`, or drop it (`slot` is None)."""

    silence: range
    slot: int | None


_DROP = AudioSlot(silence=range(0), slot=None)


class Splice:
    """One segment on the timeline, from its first frame to the frame after its last."""

    def __init__(self, start: GridPosition, rate: FrameRate, *, base_ticks: int = 0) -> None:
        """`base_ticks` is the item's own time at the segment's first frame."""
        self._start = start
        self._frame_ticks = rate.frame_ticks
        self._base = base_ticks
        self._video = start.video
        self._audio = start.audio
        self._joined = False
        self.skew_ticks = 0
        """Largest distance so far between an audio packet's own time and its slot."""

    @property
    def next_video(self) -> int:
        """The slot of the next frame."""
        return self._video

    def video(self, ticks: int) -> int:
        """The slot of the next frame, whose own time in the item is `ticks`.

        Raises OffGrid where the two differ by more than half a frame.
        """
        slot = self._video
        own = ticks - self._base
        if abs((slot - self._start.video) * self._frame_ticks - own) > self._frame_ticks // 2:
            frame = slot - self._start.video
            raise OffGrid.of(
                "playout.off_grid", frame=frame, seconds=seconds(own), wanted=seconds(frame * self._frame_ticks)
            )
        self._video += 1
        return slot

    def audio(self, ticks: int) -> AudioSlot:
        """The slot of the next packet, whose own time in the item is `ticks` (negative: priming).

        The first packet snaps to the nearest slot. Later only a gap or overlap of more than a whole packet is filled or
        dropped: with half a packet, jitter would do it at random.
        """
        late = self._start.video * self._frame_ticks + ticks - self._base - self._audio * PACKET_TICKS
        tolerance = PACKET_TICKS if self._joined else PACKET_TICKS // 2
        if late < -tolerance:
            return _DROP
        missing = (late + PACKET_TICKS // 2) // PACKET_TICKS if late > tolerance else 0
        silence = range(self._audio, self._audio + missing)
        self._joined = True
        self.skew_ticks = max(self.skew_ticks, abs(late - missing * PACKET_TICKS))
        self._audio += missing + 1
        return AudioSlot(silence=silence, slot=self._audio - 1)

    def overdue(self) -> range:
        """The silence for sound that is so late behind the picture that it must have ended."""
        short = self._video * self._frame_ticks - self._audio * PACKET_TICKS
        missing = short // PACKET_TICKS if short > _OVERDUE_TICKS else 0
        self._audio += missing
        return range(self._audio - missing, self._audio)

    def leave(self) -> tuple[range, GridPosition]:
        """The silence that fills the sound up to the last frame, and where the next segment starts.

        Sound past the last frame stays: the next segment's first packets are dropped for it.
        """
        short = self._video * self._frame_ticks - self._audio * PACKET_TICKS
        missing = max(0, (short + PACKET_TICKS // 2) // PACKET_TICKS)
        return range(self._audio, self._audio + missing), GridPosition(video=self._video, audio=self._audio + missing)

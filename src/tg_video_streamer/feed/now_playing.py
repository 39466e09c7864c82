"""The titles that a radio sends within its stream: each counts when its own sound is on air, not when it arrives."""

from __future__ import annotations

from collections import deque

from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.media import FrameRate


class NowPlaying:
    """Belongs to the event loop's thread."""

    def __init__(self, buffer: Buffer, rate: FrameRate) -> None:
        """`buffer` gets the pictures and sound to which the titles belong."""
        self._buffer = buffer
        self._frame_ticks = rate.frame_ticks
        self._coming: deque[tuple[int, str]] = deque()
        self.title = ""
        """On air now; empty without one."""

    def take(self, title: str) -> None:
        """`title` belongs to what is put into the buffer from now on."""
        self._coming.append((self._buffer.frames_put * self._frame_ticks, title))

    def reached(self) -> bool:
        """Follow the viewers; True where the title has changed for them."""
        before = self.title
        while self._coming and self._coming[0][0] <= self._buffer.taken_ticks:
            self.title = self._coming.popleft()[1]
        return self.title != before

    def named(self, fixed: str, otherwise: str) -> str:
        """The title of an item with the operator's `fixed` title, and `otherwise` where neither is known."""
        if fixed and self.title:
            return f"{fixed}: {self.title}"
        return self.title or fixed or otherwise

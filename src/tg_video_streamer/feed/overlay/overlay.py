"""The overlay on one item's picture, fixed when its feed begins, and its files for each ffmpeg child."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tg_video_streamer.ffmpeg.overlay import CAPTION_SECONDS, OverlayInput, clock_text

_CLOCK_TOLERANCE_SECONDS = 0.4
"""The clock is corrected only beyond this: the air time is not known more exactly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Logo:
    """A logo, ready to show."""

    png: bytes
    """In its final size."""
    digest: str
    """Of the original image; part of the key of cached encodes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """What is drawn on the picture."""

    logo: Logo | None = None
    clock_font: Path | None = None
    """None for no clock."""
    caption: bool = False
    """Whether the title is shown at the start of the item."""

    @property
    def logo_digest(self) -> str:
        """Empty without a logo."""
        return self.logo.digest if self.logo is not None else ""


NO_OVERLAY = Overlay()
ChooseOverlay = Callable[[], Awaitable[Overlay]]
"""Returns the overlay of an item that begins now."""


async def no_overlay() -> Overlay:
    """The ChooseOverlay for items without an overlay."""
    return NO_OVERLAY


def choose_once(choose: ChooseOverlay) -> ChooseOverlay:
    """Always the first answer of `choose`: an item that has begun does not change its overlay."""
    chosen: list[Overlay] = []

    async def first() -> Overlay:
        if not chosen:
            chosen.append(await choose())
        return chosen[0]

    return first


class OverlayFiles:
    """A context with one child's overlay as files in memory, whose descriptors the child inherits."""

    def __init__(self, overlay: Overlay, caption: bytes | None, *, age_seconds: float) -> None:
        """`caption`: the title as PNG, None for none; `age_seconds`: how long the item has been playing."""
        self._open: list[int] = []
        self._written: float | None = None
        self._clock = self._file("clock", clock_text(None)) if overlay.clock_font is not None else None
        if age_seconds >= CAPTION_SECONDS:
            caption = None
        overlay_input = OverlayInput(
            logo=self._file("logo", overlay.logo.png) if overlay.logo is not None else None,
            caption=self._file("caption", caption) if caption is not None else None,
            caption_age_seconds=age_seconds if caption is not None else 0.0,
            clock=self._clock,
            font=overlay.clock_font,
        )
        self.overlay_input = overlay_input if overlay_input.descriptors else None
        """For the command line; None without an overlay."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.pop())

    def set_clock(self, first_frame_wall: float | None) -> None:
        """Set the time at which the child's first frame is on air; None: unknown, no clock is shown."""
        if self._clock is None or not _differs(self._written, first_frame_wall):
            return
        os.pwrite(self._clock, clock_text(first_frame_wall), 0)
        self._written = first_frame_wall

    def _file(self, name: str, content: bytes) -> int:
        descriptor = os.memfd_create(name)
        self._open.append(descriptor)
        # Not os.write, which may write less than all.
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor


def _differs(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > _CLOCK_TOLERANCE_SECONDS

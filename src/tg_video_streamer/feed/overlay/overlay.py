"""What one item wears on its picture, fixed when its feed begins, and how it reaches each ffmpeg child of that feed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tg_video_streamer.ffmpeg.overlay import CAPTION_SECONDS, OverlayInput, clock_words

_WORTH_WRITING_SECONDS = 0.4
"""By how much the time of a frame must have changed: the place on air is known no better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Logo:
    """A logo as it is shown."""

    png: bytes
    """As large as it is to be."""
    digest: str
    """Of the image that it was made of: what was encoded with another one is another copy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """What the settings in force ask for."""

    logo: Logo | None = None
    clock_font: Path | None = None
    """None for no clock."""
    caption: bool = False
    """The title at the beginning of the item."""

    @property
    def logo_digest(self) -> str:
        """Empty where there is no logo."""
        return self.logo.digest if self.logo is not None else ""


NO_OVERLAY = Overlay()
ChooseOverlay = Callable[[], Awaitable[Overlay]]
"""What an item that begins now is to wear."""


async def no_overlay() -> Overlay:
    """A ChooseOverlay for items that wear nothing."""
    return NO_OVERLAY


def once(chosen: ChooseOverlay) -> ChooseOverlay:
    """The first answer of `chosen`, for ever: what has begun goes on as it was."""
    kept: list[Overlay] = []

    async def first() -> Overlay:
        if not kept:
            kept.append(await chosen())
        return kept[0]

    return first


class OverlayFiles:
    """A context in which one child's pictures and clock lie in memory, on descriptors that it inherits."""

    def __init__(self, overlay: Overlay, caption: bytes | None, *, age_seconds: float) -> None:
        """`caption`: the PNG of the title, None for none; `age_seconds`: for how long the item has been going on."""
        self._open: list[int] = []
        self._written: float | None = None
        self._clock = self._file("clock", clock_words(None)) if overlay.clock_font is not None else None
        if age_seconds >= CAPTION_SECONDS:
            caption = None
        on_top = OverlayInput(
            logo=self._file("logo", overlay.logo.png) if overlay.logo is not None else None,
            caption=self._file("caption", caption) if caption is not None else None,
            caption_age_seconds=age_seconds if caption is not None else 0.0,
            clock=self._clock,
            font=overlay.clock_font,
        )
        self.on_top = on_top if on_top.descriptors else None
        """What the command line needs; None where the picture stays as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            os.close(self._open.pop())

    def set_clock(self, first_frame_wall: float | None) -> None:
        """The first frame of the child's stretch is on air at that time; None: nobody knows, so no clock is shown."""
        if self._clock is None or not _differs(self._written, first_frame_wall):
            return
        os.pwrite(self._clock, clock_words(first_frame_wall), 0)
        self._written = first_frame_wall

    def _file(self, name: str, content: bytes) -> int:
        descriptor = os.memfd_create(name)
        self._open.append(descriptor)
        # Not os.write: it would move the place from which the child reads, and it may write less.
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor


def _differs(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > _WORTH_WRITING_SECONDS

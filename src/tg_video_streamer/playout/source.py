"""Packet sources of the playout: feeds, which may fail, and the slate, which cannot."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tg_video_streamer.events import AirContent, CutReason
from tg_video_streamer.media import PACKET_TICKS, FrameRate, Kind, Packet

REJOIN_SECONDS = 2.0
"""An item that ran dry resumes once it holds this much, so that it does not run dry again at once."""


class PacketSource(Protocol):
    """Packets of one item in stream order; every method returns at once."""

    def head(self) -> Packet | None:
        """The next packet, left in place; None where there is none (yet)."""

    def pop(self) -> Packet:
        """Take the packet that `head` returned."""

    @property
    def seconds(self) -> float:
        """Length of the pictures held."""

    @property
    def finished(self) -> bool:
        """No packet follows those held."""

    @property
    def drained(self) -> bool:
        """Finished and empty."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AirSource:
    """A source that may go on air, and its content for the records."""

    packets: PacketSource
    content: AirContent
    grace: Callable[[], float] = lambda: 0.0
    """For how many seconds it may be dry before the next item replaces it; called while it is dry."""
    rejoin_seconds: Callable[[], float] = lambda: REJOIN_SECONDS
    """How much it must hold to resume after it ran dry."""
    title: Callable[[], str] | None = None
    """Its title now, where that may change on air; None: that of `content`."""
    outcome: Callable[[], CutReason] = lambda: CutReason.ENDED
    """Why it leaves the air; called when it is drained, or live and dry."""
    encode_step: Callable[[], str] = lambda: ""
    """The lowest step at which it was encoded so far; empty for the full one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceStarted:
    """`source` is on air, for the first time or again."""

    source: AirSource
    reason: CutReason


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceEnded:
    """`source` left the air for good; one that is set aside has not ended."""

    source: AirSource
    reason: CutReason


PlayoutEvent = SourceStarted | SourceEnded
PlayoutListener = Callable[[PlayoutEvent], None]


class RejoinSource:
    """Repeats the packets since the last keyframe before it continues, so that decoding can start."""

    def __init__(self, repeated: Sequence[Packet], source: PacketSource) -> None:
        """`repeated` starts with a keyframe and ends where `source` continues."""
        self._repeated = deque(repeated)
        self._source = source

    @property
    def left(self) -> tuple[Packet, ...]:
        """What is still to be repeated."""
        return tuple(self._repeated)

    def head(self) -> Packet | None:
        """See PacketSource."""
        return self._repeated[0] if self._repeated else self._source.head()

    def pop(self) -> Packet:
        """See PacketSource."""
        return self._repeated.popleft() if self._repeated else self._source.pop()

    @property
    def seconds(self) -> float:
        """See PacketSource."""
        return self._source.seconds

    @property
    def finished(self) -> bool:
        """See PacketSource."""
        return self._source.finished

    @property
    def drained(self) -> bool:
        """See PacketSource."""
        return not self._repeated and self._source.drained


class SlateSource:
    """Loops one GOP from memory, with silence; it cannot run dry."""

    def __init__(self, gop: Sequence[Packet], silence: bytes, rate: FrameRate) -> None:
        """`gop` is one closed GOP of pictures at consecutive frame times; `silence` one raw AAC packet."""
        self._frame_ticks = rate.frame_ticks
        self._pictures = tuple(gop)
        self._silence = silence
        self._frame = 0
        self._packet = 0

    def head(self) -> Packet:
        """See PacketSource; never None."""
        if self._packet * PACKET_TICKS < self._frame * self._frame_ticks:
            return Packet(kind=Kind.AUDIO, ticks=self._packet * PACKET_TICKS, keyframe=True, data=self._silence)
        picture = self._pictures[self._frame % len(self._pictures)]
        ticks = self._frame * self._frame_ticks
        return Packet(kind=Kind.VIDEO, ticks=ticks, keyframe=picture.keyframe, data=picture.data)

    def pop(self) -> Packet:
        """See PacketSource."""
        packet = self.head()
        if packet.kind is Kind.AUDIO:
            self._packet += 1
        else:
            self._frame += 1
        return packet

    @property
    def seconds(self) -> float:
        """See PacketSource."""
        return float("inf")

    @property
    def finished(self) -> bool:
        """See PacketSource."""
        return False

    @property
    def drained(self) -> bool:
        """See PacketSource."""
        return False

"""What the playout takes packets from: the fallible (feeds) and the infallible (the slate), alike to the taker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tg_video_streamer.events import SourceLevel
from tg_video_streamer.media import FRAME_TICKS, GOP_FRAMES, PACKET_TICKS, Kind, Packet


class PacketSource(Protocol):
    """Packets of one item in stream order; every method returns at once."""

    def head(self) -> Packet | None:
        """The next packet, left in place; None where none is here (yet)."""

    def pop(self) -> Packet:
        """Take the packet that `head` showed."""

    @property
    def seconds(self) -> float:
        """How much picture is held."""

    @property
    def finished(self) -> bool:
        """No packet will follow those that are held."""

    @property
    def drained(self) -> bool:
        """Finished and empty."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AirSource:
    """One thing that may go on air, and what the records say of it."""

    source: PacketSource
    level: SourceLevel
    key: str = ""
    title: str = ""
    counts: bool = False
    """Whether its start is a new play: not a resume, filler or slate."""
    grace: Callable[[], float] = lambda: 0.0
    """For how many seconds it may be dry before the next item takes its place, asked while it is."""
    outcome: Callable[[], str] = lambda: "ended"
    """Asked when it is drained, or live and dry: `ended`, or a word for what it died of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceStarted:
    """`source` is on air, for the first time or again."""

    source: AirSource
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceEnded:
    """`source` left the air for good; one that is set aside has not ended."""

    source: AirSource
    reason: str


PlayoutEvent = SourceStarted | SourceEnded
PlayoutListener = Callable[[PlayoutEvent], None]


class RejoinSource:
    """A source that first gives back what was already aired since the last keyframe, so that a picture can join."""

    def __init__(self, aired: Sequence[Packet], source: PacketSource) -> None:
        """`aired` begins with a keyframe and ends where `source` goes on."""
        self._aired = deque(aired)
        self._source = source

    @property
    def left(self) -> tuple[Packet, ...]:
        """What of it was not given back yet."""
        return tuple(self._aired)

    def head(self) -> Packet | None:
        """See PacketSource."""
        return self._aired[0] if self._aired else self._source.head()

    def pop(self) -> Packet:
        """See PacketSource."""
        return self._aired.popleft() if self._aired else self._source.pop()

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
        return not self._aired and self._source.drained


class SlateSource:
    """The slate for ever: one GOP from memory, again and again, with silence; it cannot run dry."""

    def __init__(self, gop: Sequence[Packet], silence: bytes) -> None:
        """`gop` is one closed GOP of GOP_FRAMES pictures at consecutive frame times; `silence` one raw AAC packet."""
        self._pictures = tuple(gop)
        self._silence = silence
        self._frame = 0
        self._packet = 0

    def head(self) -> Packet:
        """See PacketSource; never None."""
        if self._packet * PACKET_TICKS < self._frame * FRAME_TICKS:
            return Packet(kind=Kind.AUDIO, ticks=self._packet * PACKET_TICKS, keyframe=True, data=self._silence)
        picture = self._pictures[self._frame % GOP_FRAMES]
        ticks = self._frame * FRAME_TICKS
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

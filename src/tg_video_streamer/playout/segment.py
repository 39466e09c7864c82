"""One stretch on air: a source between the slot where it joined and the slot where it leaves."""

from __future__ import annotations

from tg_video_streamer.errors import FeedError
from tg_video_streamer.media import FRAME_TICKS, TICKS_PER_SECOND, Kind, Packet, Stamped, seconds
from tg_video_streamer.playout.source import AirSource, PacketSource, RejoinSource
from tg_video_streamer.playout.timeline import GridPosition, Splice

_SOUND_AHEAD_TICKS = TICKS_PER_SECOND
"""Sound further ahead of the picture than this belongs to no picture and is dropped."""


class Segment:
    """Takes packets from a showing's source and gives them their slots."""

    def __init__(
        self, showing: AirSource, start: GridPosition, silence: bytes, *, aired: tuple[Packet, ...] = ()
    ) -> None:
        """`aired`: packets since the last keyframe of an earlier stretch of the same showing, to join on again."""
        head = showing.source.head()
        source: PacketSource = showing.source
        if aired and (head is None or not (head.keyframe and head.kind is Kind.VIDEO)):
            source = RejoinSource(aired, source)
            head = source.head()
        self.showing = showing
        self.start = start
        self.aired: list[Packet] = []
        """What was aired since the last keyframe, itself included."""
        self.own_ticks = _first_picture_ticks(head)
        """The showing's own time of the next picture."""
        self._source = source
        self._silence = silence
        self._splice: Splice | None = None
        self._end = start

    @property
    def frames(self) -> int:
        """Pictures aired in this stretch."""
        return self._splice.next_video - self.start.video if self._splice else 0

    @property
    def skew_seconds(self) -> float:
        """The largest lip-sync error of the stretch."""
        return seconds(self._splice.skew_ticks) if self._splice else 0.0

    @property
    def rejoin(self) -> tuple[Packet, ...]:
        """What a later stretch of the same showing joins on: `aired`, and what this one has not yet aired again."""
        left = self._source.left if isinstance(self._source, RejoinSource) else ()
        return (*self.aired, *left)

    def frame(self, out: list[Stamped]) -> bool:
        """Append the next picture, and the sound before it, to `out`; False where the source has none now.

        Raises OffGrid where the source's pictures are not at the house rate, FeedError where it starts amid a GOP.
        """
        while (packet := self._source.head()) is not None:
            self._source.pop()
            if packet.kind is Kind.VIDEO:
                self._picture(packet, out)
                return True
            self._sound(packet, out)
        return False

    def leave(self, out: list[Stamped]) -> GridPosition:
        """Fill the sound up to the last picture; where the next stretch joins."""
        if self._splice is None:
            return self.start
        silence, position = self._splice.leave()
        self._fill(silence, out)
        return position

    def _picture(self, packet: Packet, out: list[Stamped]) -> None:
        if self._splice is None:
            if not packet.keyframe:
                raise FeedError("the first picture of a stretch is no keyframe")
            self._splice = Splice(self.start, base_ticks=packet.ticks)
            slot = self._splice.video(packet.ticks)
            out.append(Stamped(kind=Kind.VIDEO, slot=slot, keyframe=True, data=packet.data))
            # Sound that came before the first picture waited for the picture to say where the item joins.
            early, self.aired = self.aired, [packet]
            for one in early:
                self._sound(one, out)
        else:
            slot = self._splice.video(packet.ticks)
            out.append(Stamped(kind=Kind.VIDEO, slot=slot, keyframe=packet.keyframe, data=packet.data))
            if packet.keyframe:
                self.aired.clear()
            self.aired.append(packet)
        self.own_ticks = packet.ticks + FRAME_TICKS

    def _sound(self, packet: Packet, out: list[Stamped]) -> None:
        if packet.ticks > self.own_ticks + _SOUND_AHEAD_TICKS:
            return
        self.aired.append(packet)
        if self._splice is None:
            return
        place = self._splice.audio(packet.ticks)
        self._fill(place.silence, out)
        if place.slot is not None:
            out.append(Stamped(kind=Kind.AUDIO, slot=place.slot, keyframe=True, data=packet.data))

    def _fill(self, silence: range, out: list[Stamped]) -> None:
        out.extend(Stamped(kind=Kind.AUDIO, slot=slot, keyframe=True, data=self._silence) for slot in silence)


def _first_picture_ticks(head: Packet | None) -> int:
    return head.ticks if head is not None else 0

"""One segment on air: gives the packets of a source their slots."""

from __future__ import annotations

from tg_video_streamer.errors import FeedError
from tg_video_streamer.media import PACKET_TICKS, TICKS_PER_SECOND, FrameRate, Kind, Packet, Stamped, seconds
from tg_video_streamer.playout.source import AirSource, PacketSource, RejoinSource
from tg_video_streamer.playout.timeline import GridPosition, Splice

_SOUND_AHEAD_TICKS = TICKS_PER_SECOND
"""Sound further ahead of the picture than this is dropped."""


class Segment:
    """A source on air, from `start` on."""

    def __init__(
        self,
        source: AirSource,
        start: GridPosition,
        rate: FrameRate,
        silence: bytes,
        *,
        repeated: tuple[Packet, ...] = (),
    ) -> None:
        """`repeated`: an earlier segment's packets since its last keyframe; the same source resumes with them."""
        packets: PacketSource = source.packets
        head = packets.head()
        if repeated and (head is None or not (head.keyframe and head.kind is Kind.VIDEO)):
            packets = RejoinSource(repeated, packets)
            head = packets.head()
        self.source = source
        self.start = start
        self.own_ticks = head.ticks if head is not None else 0
        """The source's own time of the next picture."""
        self._packets = packets
        self._rate = rate
        self._since_keyframe: list[Packet] = []
        self._silence = silence
        self._splice: Splice | None = None
        self._end = start

    @property
    def frames(self) -> int:
        """Pictures in this segment so far."""
        return self._splice.next_video - self.start.video if self._splice else 0

    @property
    def skew_seconds(self) -> float:
        """The largest lip-sync error in this segment."""
        return seconds(self._splice.skew_ticks) if self._splice else 0.0

    @property
    def rejoin(self) -> tuple[Packet, ...]:
        """What a later segment of the same source repeats: the packets since the last keyframe."""
        left = self._packets.left if isinstance(self._packets, RejoinSource) else ()
        return (*self._since_keyframe, *left)

    def frame(self, out: list[Stamped]) -> bool:
        """Append the next picture, and the sound before it, to `out`; False where the source has none now.

        Raises OffGrid where the pictures are not at the house rate, FeedError where the first is no keyframe.
        """
        while (packet := self._packets.head()) is not None:
            self._packets.pop()
            if packet.kind is Kind.VIDEO:
                self._picture(packet, out)
                return True
            self._sound(packet, out)
        return False

    def leave(self, out: list[Stamped]) -> GridPosition:
        """Fill the sound up to the last picture; where the next segment starts."""
        if self._splice is None:
            return self.start
        silence, position = self._splice.leave()
        self._fill(silence, out)
        return position

    def _picture(self, packet: Packet, out: list[Stamped]) -> None:
        if self._splice is None:
            if not packet.keyframe:
                raise FeedError.of("playout.no_keyframe")
            self._splice = Splice(self.start, self._rate, base_ticks=packet.ticks)
            slot = self._splice.video(packet.ticks)
            out.append(Stamped(kind=Kind.VIDEO, ticks=slot * self._rate.frame_ticks, keyframe=True, data=packet.data))
            # Sound before the first picture waited for the picture's time.
            early, self._since_keyframe = self._since_keyframe, [packet]
            for one in early:
                self._sound(one, out)
        else:
            slot = self._splice.video(packet.ticks)
            out.append(
                Stamped(
                    kind=Kind.VIDEO, ticks=slot * self._rate.frame_ticks, keyframe=packet.keyframe, data=packet.data
                )
            )
            if packet.keyframe:
                self._since_keyframe.clear()
            self._since_keyframe.append(packet)
            self._fill(self._splice.overdue(), out)
        self.own_ticks = packet.ticks + self._rate.frame_ticks

    def _sound(self, packet: Packet, out: list[Stamped]) -> None:
        if packet.ticks > self.own_ticks + _SOUND_AHEAD_TICKS:
            return
        self._since_keyframe.append(packet)
        if self._splice is None:
            return
        where = self._splice.audio(packet.ticks)
        self._fill(where.silence, out)
        if where.slot is not None:
            out.append(Stamped(kind=Kind.AUDIO, ticks=where.slot * PACKET_TICKS, keyframe=True, data=packet.data))

    def _fill(self, silence: range, out: list[Stamped]) -> None:
        out.extend(
            Stamped(kind=Kind.AUDIO, ticks=slot * PACKET_TICKS, keyframe=True, data=self._silence) for slot in silence
        )

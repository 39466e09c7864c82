"""Fills the gaps of an item's sound with silent packets, from the packets' own times; pure."""

from __future__ import annotations

from tg_video_streamer.media import PACKET_TICKS, SILENT_PACKET, TICKS_PER_SECOND, Kind, Packet

MISSING_TICKS = 2 * TICKS_PER_SECOND
"""Sound that is so far behind the picture is missing there: ffmpeg holds pictures for up to 4 s to interleave them."""
_ENDED_TICKS = round(0.4 * TICKS_PER_SECOND)
"""At the end of the output, sound that stops so long before the picture had ended; less a killed child did not deliver."""


class SoundGaps:
    """The sound of one attempt as a row without gaps, from `start_ticks` on."""

    def __init__(self, start_ticks: int) -> None:
        self._end = start_ticks
        """Where the row ends, counted in whole packets: the packets' own times may jitter around it."""
        self._joined = False
        self._missing = False

    def sound(self, ticks: int, data: bytes) -> list[Packet]:
        """The packet with the item's own time `ticks`, after the silence before it; nothing if its time is filled.

        The tolerances are those of the program's timeline: with less than a packet, jitter would fill and drop at random.
        """
        packet = Packet(kind=Kind.AUDIO, ticks=ticks, keyframe=True, data=data)
        late = ticks - self._end
        tolerance = PACKET_TICKS if self._joined else PACKET_TICKS // 2
        if late < -tolerance:
            # Encoder priming comes before the start and is not part of the row.
            return [] if self._joined else [packet]
        self._joined, self._missing = True, False
        before = self._silence(round(late / PACKET_TICKS)) if late > tolerance else []
        self._end += PACKET_TICKS
        return [*before, packet]

    def picture(self, end_ticks: int) -> list[Packet]:
        """The silence that is due when the pictures have reached `end_ticks`: none until sound is missing."""
        behind = end_ticks - self._end
        if not self._missing and behind <= MISSING_TICKS:
            return []
        return self.fill(end_ticks)

    def fill(self, end_ticks: int) -> list[Packet]:
        """The silence up to `end_ticks`: there is no sound."""
        self._joined = self._missing = True
        return self._silence((end_ticks - self._end) // PACKET_TICKS)

    def rest(self, end_ticks: int) -> list[Packet]:
        """The silence up to `end_ticks`, where the pictures have ended; none if sound was there nearly to the end."""
        behind = end_ticks - self._end
        return self._silence(behind // PACKET_TICKS) if behind > _ENDED_TICKS else []

    def _silence(self, packets: int) -> list[Packet]:
        first, self._end = self._end, self._end + max(0, packets) * PACKET_TICKS
        return [
            Packet(kind=Kind.AUDIO, ticks=ticks, keyframe=True, data=SILENT_PACKET)
            for ticks in range(first, self._end, PACKET_TICKS)
        ]

"""Plays a cached encode into the buffer, one group of pictures each time the buffer has space for it."""

from __future__ import annotations

from collections.abc import Callable

from tg_video_streamer.errors import CachedEncodeDamaged, FeedError
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.picture_faults import FaultWatch
from tg_video_streamer.feed.progress import AttemptResult
from tg_video_streamer.feed.reader_thread import ReaderThread
from tg_video_streamer.library.cached_encode import CachedEncode, CachedEncodeReader
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import PACKET_TICKS, Kind, Packet


class CachedPlayback(ReaderThread):
    """One pass through a cached encode, from the group of pictures whose start is nearest to `frame`."""

    def __init__(
        self, encode: CachedEncode, buffer: Buffer, *, frame: int, watch: FaultWatch, on_progress: Callable[[], None]
    ) -> None:
        """`watch` gets the known faults; `on_progress` is called in the event loop after each group."""
        super().__init__(buffer, name="cache-reader")
        self._encode = encode
        self._frame = frame
        self._watch = watch
        self._on_progress = on_progress
        self.first_frame = 0
        """Where it started."""

    def _read_all(self) -> None:
        try:
            with self._encode.open() as reader:
                self._read(reader)
        except CachedEncodeDamaged as error:
            raise FeedError(error.message, remedy=Message.of("feed.encoded_again")) from error

    def _read(self, reader: CachedEncodeReader) -> None:
        first = _nearest(reader, self._frame)
        self.first_frame = reader.gops[first].first_frame
        start_seconds = self.first_frame / reader.rate
        self._watch.expect([one for one in reader.faults if one.until_seconds > start_seconds])
        for gop in range(first, len(reader.gops)):
            packets = reader.read(gop)
            self._buffer.put_group(packets)
            self._count(packets)
            self.call_in_loop(self._on_progress)

    def _count(self, packets: list[Packet]) -> None:
        self.frames += sum(one.kind is Kind.VIDEO for one in packets)
        sound = [one.ticks for one in packets if one.kind is Kind.AUDIO]
        if sound:
            self.sound_end_ticks = sound[-1] + PACKET_TICKS


def _nearest(reader: CachedEncodeReader, frame: int) -> int:
    """The group whose start is nearest to `frame`: a saved position is a little old anyway."""
    gop = reader.gop_at(frame)
    found = reader.gops[gop]
    late = frame - found.first_frame > found.frames / 2
    return gop + 1 if late and gop + 1 < len(reader.gops) else gop


async def play_cached(
    encode: CachedEncode, buffer: Buffer, *, frame: int, watch: FaultWatch, on_progress: Callable[[], None]
) -> tuple[int, AttemptResult]:
    """Play `encode` to its end: the frame at which it started, and the result. An error means that it is damaged.

    The parameters are those of CachedPlayback. Cancelling closes the buffer.
    """
    reader = CachedPlayback(encode, buffer, frame=frame, watch=watch, on_progress=on_progress)
    reader.start()
    await reader.join()
    result = AttemptResult(frames=reader.frames, sound_end_ticks=reader.sound_end_ticks, error=reader.error, lost=False)
    return reader.first_frame, result

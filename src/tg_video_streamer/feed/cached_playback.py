"""Plays a kept copy into the buffer: no child, one thread that reads a group of pictures each time there is room for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import structlog

from tg_video_streamer.errors import CachedEncodeDamaged, FeedError
from tg_video_streamer.feed.attempt_bounds import AttemptResult
from tg_video_streamer.feed.buffer import Buffer, BufferClosed
from tg_video_streamer.feed.picture_faults import FaultWatch
from tg_video_streamer.library.cached_encode import CachedEncode, CachedEncodeReader
from tg_video_streamer.media import FRAMES_PER_SECOND, PACKET_TICKS, Kind, Packet

_log = structlog.get_logger(__name__)


class CachedPlayback:
    """One pass through a copy, from the group of pictures that begins next to `frame`."""

    def __init__(
        self,
        copy: CachedEncode,
        buffer: Buffer,
        *,
        frame: int,
        watch: FaultWatch,
        progressed: Callable[[], None],
        finished: Callable[[], None],
    ) -> None:
        """`watch` is told what is wrong with it; `progressed` is called in the thread after each group, `finished` as its last act."""
        self._copy = copy
        self._buffer = buffer
        self._frame = frame
        self._watch = watch
        self._progressed = progressed
        self._finished = finished
        self._thread = threading.Thread(target=self._run, name="copy-reader", daemon=True)
        self.frames = 0
        self.sound_end_ticks: int | None = None
        self.first_frame = 0
        """Where it began: the keyframe next to the frame that was asked for."""
        self.error: CachedEncodeDamaged | FeedError | None = None
        """Why it stopped before the end of the copy."""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread: after the buffer was closed it ends at once."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._copy.open() as reader:
                self._read(reader)
        except CachedEncodeDamaged as error:
            self.error = error
        except BufferClosed:
            self.error = None
        except Exception as error:  # noqa: BLE001 - a thread has no caller: a defect of ours must end the try, loudly
            _log.exception("the reader of a copy failed")
            self.error = FeedError(f"the reader of the copy failed: {type(error).__name__}")
        finally:
            self._finished()

    def _read(self, reader: CachedEncodeReader) -> None:
        first = _nearest(reader, self._frame)
        self.first_frame = reader.gops[first].first_frame
        begins = self.first_frame / FRAMES_PER_SECOND
        self._watch.expect([one for one in reader.faults if one.until_seconds > begins])
        for gop in range(first, len(reader.gops)):
            packets = reader.read(gop)
            self._buffer.put_group(packets)
            self._count(packets)
            self._progressed()

    def _count(self, packets: list[Packet]) -> None:
        self.frames += sum(one.kind is Kind.VIDEO for one in packets)
        sound = [one.ticks for one in packets if one.kind is Kind.AUDIO]
        if sound:
            self.sound_end_ticks = sound[-1] + PACKET_TICKS


def _nearest(reader: CachedEncodeReader, frame: int) -> int:
    """The group whose beginning is nearest to `frame`: a place that was saved is a moment old already."""
    gop = reader.gop_at(frame)
    there = reader.gops[gop]
    behind = frame - there.first_frame > there.frames / 2
    return gop + 1 if behind and gop + 1 < len(reader.gops) else gop


async def replay(
    copy: CachedEncode, buffer: Buffer, *, frame: int, watch: FaultWatch, progressed: Callable[[], None]
) -> tuple[int, AttemptResult]:
    """Play `copy` to its end; the frame at which it began, and how it ended. An error means that the copy is of no use.

    `watch` is told what is known to be wrong with it; `progressed` is called after each group of pictures. Cancelling closes the buffer.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    reader = CachedPlayback(
        copy,
        buffer,
        frame=frame,
        watch=watch,
        progressed=lambda: _tell(loop, progressed),
        finished=lambda: _tell(loop, ended.set),
    )
    reader.start()
    try:
        await ended.wait()
    finally:
        if not ended.is_set():
            # The thread may wait for room, which nobody will make any more.
            buffer.close()
            await asyncio.shield(asyncio.ensure_future(ended.wait()))
        reader.join()
    error = reader.error
    if isinstance(error, CachedEncodeDamaged):
        error = FeedError(error.what, remedy="it is encoded again")
    outcome = AttemptResult(frames=reader.frames, sound_end_ticks=reader.sound_end_ticks, error=error, lost=False)
    return reader.first_frame, outcome


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(what)

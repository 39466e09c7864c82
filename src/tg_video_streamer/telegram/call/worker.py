"""The child that takes part in a video chat: `python -m tg_video_streamer.telegram.call.worker WIDTH HEIGHT FRAME_RATE`.

It holds ntgcalls, which is native code on the network, so that it can be killed. It says on stdout, in lines of JSON:
`{"join": …}`, what Telegram must be given to join; `{"state": …}`, each state of the connection; `{"beat": …}` twice a
second, with what was sent so far. It reads on stdin: one line, Telegram's answer; then the program as FLV, in real
time. At the end of stdin it plays what it has and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import sys
import time
from typing import Any

from ntgcalls import (
    AudioDescription,
    ConnectionInfo,
    FrameData,
    MediaDescription,
    MediaSource,
    NTgCalls,
    StreamDevice,
    StreamMode,
    VideoDescription,
    VideoRotation,
)

from tg_video_streamer.media import FrameRate
from tg_video_streamer.rtmp import flv
from tg_video_streamer.telegram.call.media import SAMPLES_PER_SECOND, MediaError, Pictures, Sound, i420, read_flv

LEAD_SECONDS = 0.4
"""The program comes in slices of 160 ms; so many of them are in hand that a busy host need not be waited for."""
_LATE_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 3.0

BEAT_SECONDS = 0.5
_HERE = 1
"""ntgcalls identifies each call by a number; there is one call."""
_PIPE_BYTES = 1 << 20
_KEPT_SECONDS = 6
"""The most pictures that wait, by time; beyond, nothing is read, so that the writer blocks."""
_IDLE_SECONDS = 0.1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""mallopt(3)."""
_KEPT_BYTES = 32 << 20


def say(**fact: Any) -> None:
    """One line on stdout."""
    os.write(1, json.dumps(fact).encode() + b"\n")


class Worker:
    """One call, from joining it to the end of the program."""

    def __init__(self, width: int, height: int, rate: FrameRate) -> None:
        self._width, self._height, self._rate = width, height, rate
        self._calls = NTgCalls()
        self._pacer = Pacer()
        self._sound: Sound | None = None
        self._pictures: Pictures | None = None
        self._newest_milliseconds = 0
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = False
        self._wall_offset = time.time() - time.monotonic()
        self._frames = self._pieces = self._broken = 0

    async def run(self) -> None:
        """Join, play all that comes on stdin, and leave."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_PIPE_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        self._calls.on_connection_change(lambda _call, info: loop.call_soon_threadsafe(self._connection, info))
        say(join=json.loads(await self._calls.create_call(_HERE)))
        await self._calls.set_stream_sources(_HERE, StreamMode.CAPTURE, self._sources())
        answer = (await reader.readline()).decode()
        if not answer.strip():
            return
        await self._calls.connect(_HERE, answer, False)  # noqa: FBT003 - ntgcalls takes it by place: no presentation
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(self._beat())
            tasks.create_task(self._read(reader))
            await self._play()
            beating.cancel()
        await self._calls.stop(_HERE)

    def _sources(self) -> MediaDescription:
        microphone = AudioDescription(
            media_source=MediaSource.EXTERNAL,
            sample_rate=SAMPLES_PER_SECOND,
            channel_count=2,
            input="",
            keep_open=False,
        )
        camera = VideoDescription(
            media_source=MediaSource.EXTERNAL,
            width=self._width,
            height=self._height,
            fps=self._rate,
            input="",
            keep_open=False,
        )
        return MediaDescription(microphone=microphone, speaker=None, camera=camera, screen=None)

    def _connection(self, info: ConnectionInfo) -> None:
        say(state=str(info.state).rpartition(".")[2].lower())

    async def _beat(self) -> None:
        number = 0
        while True:
            number += 1
            self._say_beat(number)
            await asyncio.sleep(BEAT_SECONDS)

    def _say_beat(self, number: int) -> None:
        say(
            beat=number,
            frames=self._frames,
            pieces=self._pieces,
            broken=self._broken,
            stalls=self._pacer.stalls,
            jumps=self._pacer.jumps,
        )

    async def _read(self, reader: asyncio.StreamReader) -> None:
        async for tag in read_flv(reader):
            if tag.kind == flv.VIDEO and tag.header:
                self._pictures = Pictures(tag.body[5:])
            elif tag.kind == flv.AUDIO and tag.header:
                self._sound = Sound(tag.body[2:])
            elif tag.kind == flv.VIDEO and self._pictures is not None:
                self._pictures.waiting.append((tag.milliseconds, tag.body[5:]))
                self._newest_milliseconds = tag.milliseconds
                while len(self._pictures.waiting) >= _KEPT_SECONDS * self._rate:
                    self._taken.clear()
                    await self._taken.wait()
            elif tag.kind == flv.AUDIO and self._sound is not None:
                try:
                    self._sound.decode(tag.milliseconds, tag.body[2:])
                except MediaError:
                    self._broken += 1
            self._changed.set()
        self._ended = True
        self._changed.set()

    async def _play(self) -> None:
        """Hand over each picture and each piece of sound when it is due."""
        while True:
            now = time.monotonic()
            due = await self._play_due(now)
            if due is None and self._ended:
                return
            self._changed.clear()
            wait = _IDLE_SECONDS if due is None else due - time.monotonic()
            if due is not None and wait > 0:
                await asyncio.sleep(wait)
            elif due is None:
                await self._more()

    async def _more(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _play_due(self, now: float) -> float | None:
        """Hand over what is due by `now`; the time at which the next is due, None where nothing waits."""
        pictures, sound = self._pictures, self._sound
        if pictures is None or sound is None:
            return None
        if not self._pacer.started:
            if not pictures.waiting:
                return None
            self._pacer.start(self._time_of(pictures.waiting[0][0]), now)
        skipping = self._pacer.overdue(self._newest_milliseconds / 1000, now)
        upcoming: list[float] = []
        while sound.pieces:
            at = sound.pieces[0][0] / SAMPLES_PER_SECOND
            if (due := self._pacer.due(at)) > now:
                upcoming.append(due)
                break
            _, piece = sound.pieces.popleft()
            if not skipping:
                self._pacer.late(at, now)
                await self._send(StreamDevice.MICROPHONE, piece, self._pacer.due(at))
                self._pieces += 1
        while pictures.waiting:
            at = self._time_of(pictures.waiting[0][0])
            if (due := self._pacer.due(at)) > now:
                upcoming.append(due)
                break
            await self._show(pictures, at, now, skipping=skipping)
        return min(upcoming, default=None)

    def _time_of(self, milliseconds: int) -> float:
        """Media time of the picture whose rounded time FLV gives: its frame number by the rate, so nothing adds up."""
        return round(milliseconds * self._rate / 1000) / self._rate

    async def _show(self, pictures: Pictures, at: float, now: float, *, skipping: bool) -> None:
        self._taken.set()
        try:
            frames = pictures.next()
        except MediaError:
            self._broken += 1
            return
        if skipping:
            return
        self._pacer.late(at, now)
        for frame in frames:
            await self._send(StreamDevice.CAMERA, i420(frame), self._pacer.due(at), frame.width, frame.height)
            self._frames += 1
            if self._frames == 1:
                self._say_beat(0)

    async def _send(self, device: StreamDevice, data: bytes, due: float, width: int = 0, height: int = 0) -> None:
        # The time of capture is when it was due, not when it was handed over, so that the far end sees an even pace.
        milliseconds = round((due + self._wall_offset) * 1000)
        frame = FrameData(milliseconds, VideoRotation.VIDEO_ROTATION_0, width, height)
        await self._calls.send_external_frame(_HERE, device, data, frame)


def reuse_memory() -> None:
    """Make glibc reuse freed memory: dozens of pictures of over 1 MB a second would each take new pages."""
    with contextlib.suppress(OSError, AttributeError):  # another libc has no such calls
        tune = ctypes.CDLL(None).mallopt
        tune(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        tune(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def main() -> None:
    """See the module."""
    reuse_memory()
    width, height, rate = (int(word) for word in sys.argv[1:4])
    try:
        asyncio.run(Worker(width, height, FrameRate(rate)).run())
    except Exception as error:  # noqa: BLE001 - the service reports any error by its one line
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    # ntgcalls' threads call into Python and would abort it while it shuts down.
    os._exit(0)


class Pacer:
    """Maps media time to the clock: both streams by one offset, so that they can never drift apart.

    What comes late moves the offset (a pause is better than a hurry); what has piled up to over 3 s moves it back.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self.stalls = 0
        """How often media came too late."""
        self.jumps = 0
        """How often media was passed over to catch up."""

    @property
    def started(self) -> bool:
        """Whether a time is set."""
        return self._offset is not None

    def due(self, media_seconds: float) -> float:
        """The clock's time for a media time; the first that is asked about after `start`."""
        assert self._offset is not None, "due before start"  # noqa: S101 - states the order of calls
        return media_seconds + self._offset

    def start(self, media_seconds: float, now: float) -> None:
        """Media begins at `media_seconds`, to be shown a little later than `now`."""
        self._offset = now + LEAD_SECONDS - media_seconds

    def late(self, media_seconds: float, now: float) -> bool:
        """Whether this was due too long ago; then it is due now, and all that follows by so much later."""
        if now - self.due(media_seconds) <= _LATE_SECONDS:
            return False
        self._offset = now - media_seconds
        self.stalls += 1
        return True

    def overdue(self, newest_seconds: float, now: float) -> bool:
        """Whether too much has piled up, the newest of it at `newest_seconds`; then all but the lead is due at once."""
        if self.due(newest_seconds) - now <= _LONGEST_DELAY_SECONDS:
            return False
        self._offset = now + LEAD_SECONDS - newest_seconds
        self.jumps += 1
        return True


if __name__ == "__main__":
    main()

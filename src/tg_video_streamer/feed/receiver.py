"""Receives a live feed over one connection, which serves the probe first and the playback after it.

A child copies the feed's packets into a pipe; a thread holds the beginning for the probe, and then writes all of it to the
child that encodes. A second connection would cost a second, and a sender that takes one visitor would end.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tg_video_streamer.errors import BeganAgain, FeedError, ProbeFailed, SourceLost
from tg_video_streamer.feed.probe.probe import probe
from tg_video_streamer.ffmpeg.inputs import FIRST_BYTE_SECONDS
from tg_video_streamer.ffmpeg.runner import Child
from tg_video_streamer.ffmpeg.source import Measured, SourceFacts
from tg_video_streamer.languages import TrackPreference
from tg_video_streamer.resolve.media import Media, MediaInput

_PROBE_AFTER_SECONDS = (0.5, 1.5, 3.0, 6.0, 10.0)
"""When its beginning is probed, after the first byte; the last answer counts, whatever it lacks."""
_SOUND_ALONE = frozenset({"mp3", "aac", "ogg", "flac", "wav", "ac3"})
_LARGEST_HEAD = 32 * 1024 * 1024
_CHUNK = 64 * 1024
_LINES = 20
_STEP_BACK = re.compile(r"Non-monoton\w+ DTS.*previous: (-?\d+), current: (-?\d+)")
_STEP_BACK_TICKS = 90_000
"""A second in MPEG-TS: a sender that began again, no jitter."""


class Receiver:
    """One connection. All methods belong to the event loop's thread; `close` in any case."""

    def __init__(self, *, redact: Callable[[str], str], on_title: Callable[[str], None] = lambda _title: None) -> None:
        """`redact` removes what a message must not show; `on_title` gets each title in the feed, empty for none."""
        self._redact = redact
        self._on_title = on_title
        self._restarted = False
        self.reported: dict[str, Any] = {}
        """What the child of `resolve.http_child` has found out."""
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._stack = AsyncExitStack()
        self._child: Child | None = None
        self._pump: _Pump | None = None

    async def open(self, command: Sequence[str | Path], *, stdin: bytes) -> None:
        """Start the child, which reads `stdin` and writes the feed to its stdout. Raises ToolMissing."""
        output, child_output = os.pipe()
        self._pump = _Pump(output)
        self._pump.start()
        try:
            running = Child.start(command, stdin=stdin, stdout=child_output, on_line=self._take)
            self._child = await self._stack.enter_async_context(running)
        finally:
            os.close(child_output)

    async def facts(
        self, media: Media, *, before: SourceFacts | None, wanted_height: int, preference: TrackPreference
    ) -> SourceFacts:
        """What the feed holds; `before`: what an earlier connection held. Raises FeedError."""
        pump = self._opened
        await asyncio.to_thread(pump.first_byte.wait, FIRST_BYTE_SECONDS)
        began = asyncio.get_running_loop().time()
        if self.reported.get("again"):
            raise BeganAgain.of("source.began_again")
        found: SourceFacts | None = None
        failure: FeedError = self.lost
        for after in _PROBE_AFTER_SECONDS:
            await asyncio.sleep(max(0.0, began + after - asyncio.get_running_loop().time()))
            head = pump.head
            if not head:
                failure = self.lost if pump.ended else SourceLost.of("source.live_silent", seconds=FIRST_BYTE_SECONDS)
                break
            try:
                found = await _probe_head(head, media, wanted_height, preference)
            except ProbeFailed as error:
                failure = error
                if pump.ended:
                    break
                continue
            if pump.ended or _is_whole(found, before):
                break
        if found is None:
            raise self.lost if pump.ended else failure
        return found

    def connect(self, descriptor: int) -> None:
        """Write everything from the first byte on to `descriptor`, which is closed at the end."""
        self._opened.connect(descriptor)

    @property
    def lost(self) -> SourceLost:
        """Why there is no more of it."""
        if self._restarted:
            return SourceLost.of("source.live_restarted")
        last = " | ".join(list(self._lines)[-3:])
        return SourceLost.of("source.live_lost", detail=last) if last else SourceLost.of("source.live_ended")

    async def close(self) -> None:
        """End the connection; the reader of the descriptor must have ended."""
        await self._stack.aclose()
        if self._pump is not None:
            self._pump.abandon()
            await asyncio.shield(asyncio.to_thread(self._pump.join))

    @property
    def _opened(self) -> _Pump:
        assert self._pump is not None  # noqa: S101 - `open` comes first
        return self._pump

    def _take(self, line: str) -> None:
        if back := _STEP_BACK.search(line):
            if int(back[1]) - int(back[2]) > _STEP_BACK_TICKS and self._child is not None:
                # The copy would stand still until the old time is reached.
                self._restarted = True
                self._child.kill()
            return
        if not line.startswith("@{"):
            self._lines.append(self._redact(line))
            return
        report = json.loads(line[1:])
        self.reported |= report
        if "title" in report:
            self._on_title(str(report["title"]))
        if "error" in report:
            self._lines.append(str(report["error"]))


class _Pump(threading.Thread):
    """Holds what it reads until `connect`, and copies it from then on."""

    def __init__(self, source: int) -> None:
        super().__init__(name="live-receiver", daemon=True)
        self._source = source
        self._target: int | None = None
        self._abandoned = False
        self._head: deque[bytes] = deque()
        self._head_bytes = 0
        self._changed = threading.Condition()
        self.first_byte = threading.Event()
        """There is a first byte, or the end."""
        self.ended = False
        """The feed has no more bytes."""

    @property
    def head(self) -> bytes:
        """What is held now."""
        with self._changed:
            return b"".join(self._head)

    def connect(self, target: int) -> None:
        """See Receiver."""
        with self._changed:
            self._target = target
            self._changed.notify_all()

    def abandon(self) -> None:
        """Nobody wants the rest."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def run(self) -> None:
        """Read to the end, in the thread."""
        try:
            # The reader of the target may end at any time.
            with suppress(BrokenPipeError):
                while data := os.read(self._source, _CHUNK):
                    self.first_byte.set()
                    self._hold(data)
                    self._write_held()
                self.ended = True
                self.first_byte.set()
                self._wait_for_target()
                self._write_held()
        finally:
            os.close(self._source)
            if self._target is not None:
                os.close(self._target)

    def _hold(self, data: bytes) -> None:
        with self._changed:
            while self._target is None and not self._abandoned and self._head_bytes + len(data) > _LARGEST_HEAD:
                self._changed.wait()
            self._head.append(data)
            self._head_bytes += len(data)

    def _wait_for_target(self) -> None:
        with self._changed:
            while self._target is None and not self._abandoned:
                self._changed.wait()

    def _write_held(self) -> None:
        if self._target is None:
            return
        while self._head:
            data = memoryview(self._head.popleft())
            while data:
                data = data[os.write(self._target, data) :]
        self._head_bytes = 0


async def _probe_head(head: bytes, media: Media, wanted_height: int, preference: TrackPreference) -> SourceFacts:
    """Probe the beginning of a feed as a file in memory, which the probe's child inherits."""
    descriptor = os.memfd_create("head")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(head)
        held = MediaInput(location=f"/proc/self/fd/{descriptor}", is_file=True)
        found = await probe(
            replace(media, inputs=(held,)),
            wanted_height=wanted_height,
            measured=Measured.NOT,
            preference=preference,
            pass_fds=(descriptor,),
        )
    finally:
        os.close(descriptor)
    # The streams are as long as the beginning only.
    picture, sound = found.picture, found.sound
    return replace(
        found,
        picture=None if picture is None else replace(picture, duration_seconds=None),
        sound=None if sound is None else replace(sound, duration_seconds=None),
    )


def _is_whole(found: SourceFacts, before: SourceFacts | None) -> bool:
    """Whether nothing more is to be expected of a feed than what was found."""
    if found.picture is not None and found.sound is not None:
        return True
    if before is not None:
        return (found.picture is None) == (before.picture is None) and (found.sound is None) == (before.sound is None)
    return found.sound is not None and found.container in _SOUND_ALONE

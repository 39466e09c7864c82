"""The built-in demo: a playlist of three short clips, generated on the first start, the first one at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import EncoderFailed, StreamerError
from tg_video_streamer.ffmpeg.binary import roboto
from tg_video_streamer.ffmpeg.generated import TestClip, clip_command
from tg_video_streamer.ffmpeg.runner import run

log = structlog.get_logger(__name__)

CLIPS = (
    TestClip(
        picture="smptehdbars=size=1280x720:rate=30",
        number="1",
        caption="Colour bars, 440 Hz",
        tone_hertz=440,
        seconds=8,
    ),
    TestClip(
        picture="gradients=size=320x180:rate=30:seed=7:nb_colors=4:speed=0.03,scale=1280x720:flags=bilinear",
        number="2",
        caption="Colours that move, 550 Hz",
        tone_hertz=550,
        seconds=10,
    ),
    TestClip(
        picture="testsrc2=size=1280x720:rate=30",
        number="3",
        caption="Moving test card, 660 Hz",
        tone_hertz=660,
        seconds=12,
    ),
)

_DEADLINE_SECONDS = 120.0
_BACKGROUND_NICE = 10


class Demo:
    """The clips of one folder and their playlist, which lists the clips that are complete."""

    def __init__(self, folder: Path, ffmpeg: Path, clips: tuple[TestClip, ...] = CLIPS) -> None:
        """`folder` is the demo's own: clips of other versions are removed from it."""
        self.playlist = folder / "playlist.txt"
        """Replaced whole with each clip that is added."""
        self._folder = folder
        self._ffmpeg = ffmpeg
        self._clips = {clip: folder / f"demo-{clip.number}-{_recipe(clip)}.mp4" for clip in clips}

    async def begin(self) -> None:
        """Make sure that the playlist has at least one clip. Raises EncoderFailed where none can be made."""
        await asyncio.to_thread(self._clear)
        first = next(iter(self._clips))
        if not await asyncio.to_thread(self._whole):
            await self._make(first, nice=0)
        await asyncio.to_thread(self._write_playlist)

    async def complete(self) -> None:
        """Make the clips that are missing, one after the other, at low priority; one that fails is logged and left out."""
        for clip, path in self._clips.items():
            if await asyncio.to_thread(path.exists):
                continue
            try:
                await self._make(clip, nice=_BACKGROUND_NICE)
                await asyncio.to_thread(self._write_playlist)
            except StreamerError as error:
                log.warning("a demo clip could not be made and is left out", clip=clip.number, error=str(error))

    def _whole(self) -> list[TestClip]:
        return [clip for clip, path in self._clips.items() if path.exists()]

    def _clear(self) -> None:
        """Remove clips of other versions, and half-made ones of a killed run."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in self._folder.glob("demo-*"):
                if path not in self._clips.values():
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise _no_room(self._folder, error) from error

    async def _make(self, clip: TestClip, *, nice: int) -> None:
        path = self._clips[clip]
        unfinished = path.with_suffix(".half")
        command = clip_command(clip, self._ffmpeg, roboto("Medium"), unfinished)
        try:
            done = await run(command, timeout_seconds=_DEADLINE_SECONDS, nice=nice)
            if done.returncode != 0:
                raise EncoderFailed.of("demo.clip", number=clip.number, code=done.returncode, detail=done.stderr_tail)
            await asyncio.to_thread(unfinished.replace, path)
        finally:
            with suppress(OSError):  # only a half is left here, and the next start removes it as well
                DISKS.wait(START_SECONDS, unfinished, unfinished.unlink, missing_ok=True)

    def _write_playlist(self) -> None:
        lines = "".join(_lines(self._clips[clip], clip) for clip in self._whole())
        try:
            replace_file(self.playlist, lines.encode(), durable=False)
        except OSError as error:
            raise _no_room(self._folder, error) from error


async def demo_playlist(folder: Path, ffmpeg: Path) -> Demo:
    """The demo in `folder`, with its `playlist` of at least one clip; call `complete` in a task for the others.

    Raises EncoderFailed where no clip can be made or written.
    """
    demo = Demo(folder, ffmpeg)
    await demo.begin()
    return demo


def _lines(path: Path, clip: TestClip) -> str:
    return f"{path.name} | title=Demo {clip.number}: {clip.caption}\n"


def _recipe(clip: TestClip) -> str:
    """Changes with anything that changes the clip."""
    command: Iterable[str] = clip_command(clip, Path("ffmpeg"), Path("font"), Path("clip"))
    return hashlib.sha256(json.dumps(list(command)).encode()).hexdigest()[:8]


def _no_room(folder: Path, error: OSError) -> EncoderFailed:
    problem = os.strerror(error.errno) if error.errno is not None else str(error)
    return EncoderFailed.of("demo.folder", folder=str(folder), detail=problem)

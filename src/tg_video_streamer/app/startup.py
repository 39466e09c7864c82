"""Prepares what takes time before any part can be made: finds ffmpeg, tries encoder options, encodes slate and demo."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from tg_video_streamer.app.demo import demo_playlist
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.validate import checked_arguments
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playout.slate import Slate, prepare_slate
from tg_video_streamer.settings.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the parts are made from, apart from the settings."""

    ffmpeg: Path
    house: HouseFormat
    slate: Slate
    playlist: Path
    warnings: tuple[Message, ...]
    background: tuple[asyncio.Task[None], ...]

    def cancel(self) -> None:
        """End what is still being prepared: slate images and demo clips."""
        for task in self.background:
            task.cancel()


async def prepare(settings: Settings, background: asyncio.TaskGroup, *, demo: bool) -> Prepared:
    """Find ffmpeg, try the encoder options, encode the slate; the remaining slate images and demo clips follow in `background`.

    Raises ToolMissing and EncoderFailed where there can be no program at all.
    """
    ffmpeg = find_ffmpeg()
    house, warnings = await _house(settings, ffmpeg)
    tasks = []
    playlist = settings.playlist
    async with asyncio.TaskGroup() as now:
        slate_task = now.create_task(_slate(settings, house, ffmpeg))
        if demo:
            demo_task = now.create_task(demo_playlist(settings.state_dir / "demo", ffmpeg))
    slate = slate_task.result()
    tasks.append(background.create_task(slate.complete(), name="slate images"))
    if demo:
        clips = demo_task.result()
        playlist = clips.playlist
        tasks.append(background.create_task(clips.complete(), name="demo clips"))
    return Prepared(
        ffmpeg=ffmpeg,
        house=house,
        slate=slate,
        playlist=playlist,
        warnings=tuple(warnings),
        background=tuple(tasks),
    )


async def _house(settings: Settings, ffmpeg: Path) -> tuple[HouseFormat, list[Message]]:
    plain = settings.house_format()
    arguments, warnings = await checked_arguments(
        settings.ffmpeg_args, plain, ffmpeg, cache_dir=settings.state_dir / "cache"
    )
    for warning in warnings:
        log.warning(str(warning))
    return replace(plain, encoder_arguments=arguments), warnings


async def _slate(settings: Settings, house: HouseFormat, ffmpeg: Path) -> Slate:
    return await prepare_slate(
        house,
        ffmpeg=ffmpeg,
        text=settings.slate_text,
        image=settings.slate_image,
        cache_dir=settings.state_dir / "cache",
    )

"""What the playlist's files hold: their probes, and a line for each in which there is something to choose."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tg_video_streamer.doctor.finding import Finding, doubt, well
from tg_video_streamer.doctor.frame_rates import better_rate
from tg_video_streamer.doctor.tracks import surround_line, tracks_line
from tg_video_streamer.errors import FeedError, ResolveError
from tg_video_streamer.feed.probe.probe import probe
from tg_video_streamer.ffmpeg.source import Measured, SourceFacts
from tg_video_streamer.languages import preference_of
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.folders import LIST_EXTENSIONS, AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.resolve.files import resolve_file
from tg_video_streamer.resolve.media import Media
from tg_video_streamer.settings.settings import Settings

MOST_FILES = 100
"""Each takes a good part of a second."""
_AT_ONCE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbedFiles:
    """The files of a playlist that could be read, by their paths, and how many more there are."""

    sources: dict[str, SourceFacts]
    more: int = 0

    def better_rate(self, settings: Settings) -> Message | None:
        """The advice of another frame rate; None where FRAME_RATE suits the files."""
        pictures = [source.picture for source in self.sources.values()]
        return better_rate(
            [one.frame_rate for one in pictures if one is not None and not one.still], settings.frame_rate
        )


async def file_lines(settings: Settings) -> list[Message]:
    """Lines for each file with several audio tracks, subtitles or surround sound, and one if another frame rate suits them better."""
    found = await probe_files(settings)
    lines = [
        line
        for path, source in found.sources.items()
        for line in (tracks_line(path, source), surround_line(path, source))
        if line is not None
    ]
    if found.more:
        lines.append(Message.of("check.tracks_more", count=found.more))
    if (advice := found.better_rate(settings)) is not None:
        lines.append(advice)
    return lines


async def check_frame_rate(settings: Settings) -> list[Finding]:
    """Whether FRAME_RATE is that of most of the playlist's files."""
    advice = (await probe_files(settings)).better_rate(settings)
    rate = int(settings.frame_rate)
    return [doubt("FRAME_RATE", advice) if advice is not None else well("FRAME_RATE", "doctor.frame_rate", rate=rate)]


async def probe_files(settings: Settings) -> ProbedFiles:
    """Probe the files of the playlist, up to `MOST_FILES` of them; those that cannot be read are reported elsewhere."""
    allowed = allowed_folders(settings.playlist, settings.media_dirs)
    playlist = await asyncio.to_thread(load, settings.playlist, allowed)
    items = {entry.item.locator: entry.item for entry in playlist.entries if _is_file(entry.item)}
    turns = asyncio.Semaphore(_AT_ONCE)

    async def probed(item: Item) -> SourceFacts | None:
        async with turns:
            return await _probed(item, allowed, settings)

    async with asyncio.TaskGroup() as group:
        tasks = {path: group.create_task(probed(item)) for path, item in list(items.items())[:MOST_FILES]}
    sources = {path: source for path, task in tasks.items() if (source := task.result()) is not None}
    return ProbedFiles(sources=sources, more=max(0, len(items) - MOST_FILES))


def _is_file(item: Item) -> bool:
    return item.kind is LocatorKind.FILE and not item.locator.lower().endswith(tuple(LIST_EXTENSIONS))


async def _probed(item: Item, allowed: AllowedFolders, settings: Settings) -> SourceFacts | None:
    channel = preference_of(settings.audio_language, settings.subtitles)
    try:
        # Subtitle files are looked for, even where none would be shown.
        media = await asyncio.to_thread(resolve_file, item, allowed, preference=channel)
        if not isinstance(media, Media):
            return None
        return await probe(media, measured=Measured.NOT, preference=item.tracks(channel))
    except (FeedError, ResolveError):
        return None

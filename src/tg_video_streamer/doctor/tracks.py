"""`check`: which audio tracks and subtitles the playlist's files have, and which of them would be played."""

from __future__ import annotations

import asyncio

from tg_video_streamer.errors import FeedError, ResolveError
from tg_video_streamer.feed.probe.probe import probe
from tg_video_streamer.ffmpeg.source import Measured, SourceFacts
from tg_video_streamer.ffmpeg.tracks import Track, TrackKind
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


async def file_tracks(settings: Settings) -> list[Message]:
    """One line for each file of the playlist with several audio tracks or with subtitles, up to `MOST_FILES` files."""
    allowed = allowed_folders(settings.playlist, settings.media_dirs)
    playlist = await asyncio.to_thread(load, settings.playlist, allowed)
    items = {entry.item.locator: entry.item for entry in playlist.entries if _is_file(entry.item)}
    turns = asyncio.Semaphore(_AT_ONCE)

    async def described(item: Item) -> Message | None:
        async with turns:
            return await _tracks_of(item, allowed, settings)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(described(item)) for item in list(items.values())[:MOST_FILES]]
    lines = [line for task in tasks if (line := task.result()) is not None]
    if len(items) > MOST_FILES:
        lines.append(Message.of("check.tracks_more", count=len(items) - MOST_FILES))
    return lines


def _is_file(item: Item) -> bool:
    return item.kind is LocatorKind.FILE and not item.locator.lower().endswith(tuple(LIST_EXTENSIONS))


async def _tracks_of(item: Item, allowed: AllowedFolders, settings: Settings) -> Message | None:
    """None for a file with one track, and for one that cannot be read, which is reported elsewhere."""
    channel = preference_of(settings.audio_language, settings.subtitles)
    try:
        # Subtitle files are looked for, even where none would be shown.
        media = await asyncio.to_thread(resolve_file, item, allowed, preference=channel)
        if not isinstance(media, Media):
            return None
        source = await probe(media, measured=Measured.NOT, preference=item.tracks(channel))
    except (FeedError, ResolveError):
        return None
    return tracks_line(item.locator, source)


def tracks_line(path: str, source: SourceFacts) -> Message | None:
    """What a file has and what would be chosen; None if there is nothing to choose."""
    audio = [track for track in source.tracks if track.kind is TrackKind.AUDIO]
    subtitles = [track for track in source.tracks if track.kind is TrackKind.SUBTITLES]
    if len(audio) < 2 and not subtitles:
        return None
    sound = source.sound
    heard = next((one for one in audio if sound and one.stream_index == sound.stream_index), None)
    return Message.of(
        "check.tracks",
        path=path,
        audio=_listed(audio),
        heard=str(heard or "-"),
        subtitles=_listed(subtitles),
        shown=str(source.subtitles or "-"),
    )


def _listed(tracks: list[Track]) -> str:
    return ", ".join(str(track) for track in tracks) or "-"

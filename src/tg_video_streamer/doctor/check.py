"""`check`: tries what can be tried without going on air, and returns a message for each problem."""

from __future__ import annotations

import asyncio

from tg_video_streamer.errors import ResolveError, ScheduleError, StreamerError, ToolMissing
from tg_video_streamer.feed.overlay.branding import Branding, OverlaySettings
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.validate import checked_arguments
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.item import LocatorKind
from tg_video_streamer.playlist.load import allowed_folders, load, missing_files
from tg_video_streamer.playlist.parser import Playlist, Problem
from tg_video_streamer.schedule.load import ScheduleSource, missing
from tg_video_streamer.schedule.load import load as load_schedule
from tg_video_streamer.settings.settings import Settings


async def find_problems(settings: Settings, *, playlist: bool = True) -> list[Message]:
    """The problems of encoder, overlays, fleet and, where asked for, `playlist` and schedule."""
    listed = await asyncio.to_thread(playlist_problems, settings) if playlist else []
    scheduled = await asyncio.to_thread(schedule_problems, settings) if playlist else []
    fleet = await fleet_problems(settings)
    return [*await encoder_problems(settings), *await branding_problems(settings), *fleet, *listed, *scheduled]


async def fleet_problems(settings: Settings) -> list[Message]:
    """A message for each of NATS and the store that cannot be used now."""
    if not settings.fleet:
        return []
    from tg_video_streamer.doctor.fleet import fleet_errors  # noqa: PLC0415 - NATS, only for who has a fleet

    return [error.full_message for error in await fleet_errors(settings)]


async def encoder_problems(settings: Settings) -> list[Message]:
    """A message for each part of FFMPEG_ARGS that does not work here, or that there is no ffmpeg."""
    try:
        ffmpeg = find_ffmpeg()
        house = settings.house_format()
        _, warnings = await checked_arguments(settings.ffmpeg_args, house, ffmpeg)
    except StreamerError as error:
        return [error.full_message]
    return warnings


async def branding_problems(settings: Settings) -> list[Message]:
    """A message for each of LOGO and CLOCK that would be left out; a missing logo is a problem of the settings."""
    logo = settings.logo if settings.logo is not None and settings.logo.exists() else None
    overlays = OverlaySettings(logo=logo, clock=settings.clock)
    try:
        house = settings.house_format()
        branding = Branding(overlays, house=house, ffmpeg=find_ffmpeg())
        await branding.choose()
    except ToolMissing:
        return []  # reported for the encoder
    return branding.problems


def playlist_problems(settings: Settings) -> list[Message]:
    """A message for each line of the playlist that cannot be played, or that it is empty."""
    allowed = allowed_folders(settings.playlist, settings.media_dirs)
    playlist = load(settings.playlist, allowed)
    problems = (*playlist.problems, *missing_files(playlist, allowed), *telegram_needs(settings, playlist))
    if not playlist.entries and not problems:
        return [Message.of("list.nothing", path=str(settings.playlist))]
    return [Message.of("list.problem", path=str(settings.playlist), problem=problem.message) for problem in problems]


def plays_telegram(playlist: Playlist) -> bool:
    """Whether a line is a message or a chat of Telegram."""
    return any(entry.item.kind is LocatorKind.TELEGRAM for entry in playlist.entries)


def telegram_needs(settings: Settings, playlist: Playlist) -> list[Problem]:
    """What Telegram lines need and the settings do not have, named at the first of these lines."""
    line = next((entry.line for entry in playlist.entries if entry.item.kind is LocatorKind.TELEGRAM), 0)
    if not line:
        return []
    needed = {
        "API_ID": settings.api_id,
        "API_HASH": settings.api_hash.get_secret_value(),
        "SESSION_STRING": settings.session_string.get_secret_value(),
    }
    missing = ", ".join(key for key, value in needed.items() if not value)
    found = [ResolveError.of("telegram_source.settings", keys=missing)] if missing else []
    if not settings.spool_max_gb:
        found.append(ResolveError.of("source.needs_spool"))
    return [Problem(line=line, what=error.full_message) for error in found]


def schedule_problems(settings: Settings) -> list[Message]:
    """A message for each fault of the schedule, and for each missing file that it names."""
    source = ScheduleSource(path=settings.schedule, media_folders=settings.media_dirs)
    try:
        found = missing(load_schedule(source), source)
    except ScheduleError as error:
        found = error.problems
    return [Message.raw(f"{settings.schedule}: {problem}") for problem in found]

"""Runs every check in order, each with a time limit; a failed check does not stop the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from tg_video_streamer.doctor.check import playlist_problems
from tg_video_streamer.doctor.files import check_frame_rate
from tg_video_streamer.doctor.finding import Finding, doubt, failure, problem, well
from tg_video_streamer.doctor.hardware import check_hardware
from tg_video_streamer.doctor.host import check_clock, check_disk, check_ports, check_service
from tg_video_streamer.doctor.network import check_notifications, check_outputs
from tg_video_streamer.doctor.programs import check_ffmpeg, check_javascript, check_plugins, check_ytdlp
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.settings.settings import Settings

Check = Callable[[Settings], Awaitable[Sequence[Finding]]]
"""One check, with one finding or more."""

CHECK_SECONDS = 180.0
"""The limit of one check; each has shorter ones inside."""


async def check_playlist(settings: Settings) -> list[Finding]:
    """Whether the playlist can be read and lists something that is there."""
    problems = await asyncio.to_thread(playlist_problems, settings)
    return [problem("playlist", text) for text in problems] or [
        well("playlist", "doctor.playlist", path=str(settings.playlist))
    ]


async def check_fleet(settings: Settings) -> list[Finding]:
    """Whether the hosts of a fleet can agree; nothing without one."""
    if not settings.fleet:
        return []
    from tg_video_streamer.doctor.fleet import fleet_findings  # noqa: PLC0415 - NATS, only for who has a fleet

    return await fleet_findings(settings)


def checks(*, session: Check | None, notify: bool) -> list[tuple[str, Check]]:
    """Every check with its subject, in order; `session` checks the Telegram session, None leaves that out."""
    return [
        ("ffmpeg", check_ffmpeg),
        ("encoder", check_hardware),
        ("yt-dlp", check_ytdlp),
        ("JavaScript", check_javascript),
        ("yt-dlp", check_plugins),
        ("playlist", check_playlist),
        ("FRAME_RATE", check_frame_rate),
        ("ports", check_ports),
        ("STATE_DIR", check_disk),
        ("outputs", check_outputs),
        ("fleet", check_fleet),
        ("clock", check_clock),
        *([("session", session)] if session is not None else []),
        *([("notifications", check_notifications)] if notify else []),
        ("service", check_service),
    ]


async def check_up(
    settings: Settings, *, warnings: Sequence[str] = (), session: Check | None = None, notify: bool = False
) -> AsyncIterator[Finding]:
    """Each finding as soon as it is there; `warnings` are those of loading the settings."""
    for warning in warnings:
        yield doubt("settings", Message.raw(warning))
    if not warnings:
        yield well("settings", "doctor.settings")
    for about, check in checks(session=session, notify=notify):
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                found = await check(settings)
        except TimeoutError:
            found = [problem(about, "doctor.slow", seconds=CHECK_SECONDS)]
        except StreamerError as error:
            found = [failure(about, error)]
        for one in found:
            yield one


async def findings(
    settings: Settings, *, warnings: Sequence[str] = (), session: Check | None = None, notify: bool = False
) -> list[Finding]:
    """All findings at once; a test notification is sent only with `notify`."""
    return [one async for one in check_up(settings, warnings=warnings, session=session, notify=notify)]

"""The whole check-up: every look in its order, each bounded in time, none able to hinder the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from tg_video_streamer.doctor.check import playlist_problems
from tg_video_streamer.doctor.finding import Finding, doubt, problem, well
from tg_video_streamer.doctor.host import look_at_clock, look_at_disk, look_at_ports, look_at_service
from tg_video_streamer.doctor.network import look_at_notifications, look_at_outputs
from tg_video_streamer.doctor.programs import look_at_ffmpeg, look_at_javascript, look_at_ytdlp
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.settings.settings import Settings

Look = Callable[[Settings], Awaitable[Sequence[Finding]]]
"""One thing that is looked at; it answers with a finding or more."""

LOOK_SECONDS = 180.0
"""No look may take longer; each has shorter limits of its own."""


async def look_at_playlist(settings: Settings) -> list[Finding]:
    """Whether the playlist can be read and lists something that is there."""
    problems = await asyncio.to_thread(playlist_problems, settings)
    return [problem("playlist", text) for text in problems] or [well("playlist", f"{settings.playlist} is in order")]


def looks(*, session: Look | None, notify: bool) -> list[tuple[str, Look]]:
    """Every look with what it is about, in order. `session` looks at the Telegram session; None: at none."""
    return [
        ("ffmpeg", look_at_ffmpeg),
        ("yt-dlp", look_at_ytdlp),
        ("JavaScript", look_at_javascript),
        ("playlist", look_at_playlist),
        ("ports", look_at_ports),
        ("STATE_DIR", look_at_disk),
        ("outputs", look_at_outputs),
        ("clock", look_at_clock),
        *([("session", session)] if session is not None else []),
        *([("notifications", look_at_notifications)] if notify else []),
        ("service", look_at_service),
    ]


async def check_up(
    settings: Settings, *, warnings: Sequence[str] = (), session: Look | None = None, notify: bool = False
) -> AsyncIterator[Finding]:
    """Each finding as soon as it is there; `warnings` are those of loading the settings."""
    for warning in warnings:
        yield doubt("settings", warning)
    if not warnings:
        yield well("settings", "every value can be used")
    for about, look in looks(session=session, notify=notify):
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                found = await look(settings)
        except TimeoutError:
            found = [problem(about, f"looking at it took longer than {LOOK_SECONDS:g} s", "see whether the host hangs")]
        except StreamerError as error:
            found = [problem(about, error.what, error.remedy)]
        for one in found:
            yield one


async def findings(
    settings: Settings, *, warnings: Sequence[str] = (), session: Look | None = None, notify: bool = False
) -> list[Finding]:
    """All findings at once; a test notification is sent only with `notify`."""
    return [one async for one in check_up(settings, warnings=warnings, session=session, notify=notify)]

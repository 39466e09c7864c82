"""What the pages read of the running service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.commands import Commands
from tg_video_streamer.control.looks import Looks
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.session.web_login import WebLogin
from tg_video_streamer.web.check_runner import CheckRunner
from tg_video_streamer.web.one_at_a_time import OneAtATime
from tg_video_streamer.web.preview.preview import Preview
from tg_video_streamer.web.uploads.uploads import Uploads


async def _no_refresh() -> None:
    """There are no versions to find out."""


async def no_still() -> bytes | None:
    """There is no live input."""
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebContext:
    """One for the running service, shared by all pages. Use it in the event loop's thread only."""

    commands: Commands
    preview: Preview
    clock: Clock
    as_run: Path
    """The as-run log."""
    audience: Path = Path("/nonexistent")
    """The numbers of viewers."""
    long_reads: OneAtATime = field(default_factory=OneAtATime)
    """For what reads the whole as-run log."""
    checks: CheckRunner = field(default_factory=CheckRunner)
    log_tail: Callable[[], Sequence[str]] = tuple
    """The last lines of the log, oldest first, secrets masked."""
    versions: Callable[[], Sequence[tuple[str, str | Message]]] = tuple
    """Names of programs with the versions known so far."""
    refresh_versions: Callable[[], Awaitable[None]] = _no_refresh
    """Finds out the missing versions."""
    live_still: Callable[[], Awaitable[bytes | None]] = no_still
    """The live stream that waits, as JPEG; None where none waits."""
    has_schedule: Callable[[], bool] = lambda: False
    channel: str = "tg-video-streamer"
    """Its name, for guides."""
    looks: Looks | None = None
    """None where nothing can be looked at."""
    uploads: Uploads | None = None
    """None where they are off."""
    login: WebLogin | None = None
    """None where no output needs a Telegram session."""
    account: Callable[[], str] = str
    """The logged-in account, masked; empty while unknown."""

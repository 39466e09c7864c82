"""What the pages read: the running service's verbs, its picture, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.commands import Commands
from tg_video_streamer.telegram.session.web_login import WebLogin
from tg_video_streamer.web.checkup import Checkup
from tg_video_streamer.web.preview.preview import Preview


async def nothing() -> None:
    """There is nothing to find out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebContext:
    """Made once for a running service; every page gets it. All of it belongs to the event loop's thread."""

    verbs: Commands
    preview: Preview
    clock: Clock
    as_run: Path
    """The as-run log."""
    checkup: Checkup = field(default_factory=Checkup)
    log_tail: Callable[[], Sequence[str]] = tuple
    """The last lines of the log, oldest first, masked."""
    versions: Callable[[], Sequence[tuple[str, str]]] = tuple
    """Names of programs with their versions, as far as they are known."""
    ask_versions: Callable[[], Awaitable[None]] = nothing
    """Finds out what is not known of them."""
    has_schedule: Callable[[], bool] = lambda: False
    """Whether there is a schedule to be shown."""
    desk: WebLogin | None = None
    """None where no output needs a Telegram session."""
    account: Callable[[], str] = str
    """Whose session it is, masked; empty while that is not known."""

"""What the pages read: the running service's verbs, its picture, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.verbs import Verbs
from tg_video_streamer.web.checkup import Checkup
from tg_video_streamer.web.preview import Preview


class DeskState(Protocol):
    """Where a renewal of the Telegram session stands."""

    @property
    def step(self) -> str:
        """Such as idle, qr, code, password, done, failed."""

    @property
    def qr_url(self) -> str:
        """To be drawn as a QR code; empty where there is none. As secret as a session while it is valid."""

    @property
    def message(self) -> str:
        """What is to be told, for people."""

    @property
    def account(self) -> str:
        """Whose session it is, masked."""


class Desk(Protocol):
    """Renews the Telegram session for a person who answers one question after the other."""

    def state(self) -> DeskState:
        """Where it stands."""

    async def begin_qr(self) -> None:
        """Show QR codes until one is scanned."""

    async def begin_phone(self, number: str) -> None:
        """Have a code sent to an account."""

    async def code(self, text: str) -> None:
        """The code that was sent."""

    async def password(self, text: str) -> None:
        """The password of the two-step verification."""

    async def cancel(self) -> None:
        """Give it up."""


async def nothing() -> None:
    """There is nothing to find out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """Made once for a running service; every page gets it. All of it belongs to the event loop's thread."""

    verbs: Verbs
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
    desk: Desk | None = None
    """None where no Telegram session is configured at all."""

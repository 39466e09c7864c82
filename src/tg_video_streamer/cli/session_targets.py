"""The places where a new session is kept: the settings file here, and that of a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tg_video_streamer.cli.prompt import Terminal
from tg_video_streamer.envfile.write import update_env
from tg_video_streamer.errors import StreamerError

if TYPE_CHECKING:
    from tg_video_streamer.telegram.session.remote_env import Server

LOGIN_LOCK_SECONDS = 300.0
"""A deployment may build a whole environment while it holds the lock; a person who does not want to wait presses Ctrl-C."""


class SessionTarget(Protocol):
    """Where a session is kept."""

    name: str

    async def write(self, changes: dict[str, str]) -> None:
        """Write; without changes find out whether that will work. Raises EnvFileUnchanged."""


class InFile:
    """In the settings file."""

    def __init__(self, path: Path, terminal: Terminal) -> None:
        self.name = str(path)
        self._path, self._terminal = path, terminal

    async def write(self, changes: dict[str, str]) -> None:
        """Not in a thread: what Ctrl-C leaves behind must not be written after the session was ended for it."""
        update_env(self._path, changes, wait_seconds=LOGIN_LOCK_SECONDS, tell=self._terminal.tell)


class OnServer:
    """In the settings file of a server."""

    def __init__(self, server: Server, terminal: Terminal) -> None:
        self.name = f"{server.path} on {server.host}"
        self._server, self._terminal = server, terminal

    async def write(self, changes: dict[str, str]) -> None:
        """Over ssh."""
        from tg_video_streamer.telegram.session.remote_env import update_remote_env  # noqa: PLC0415 - Telegram only when asked for

        await update_remote_env(self._server, changes, wait_seconds=LOGIN_LOCK_SECONDS, tell=self._terminal.tell)


async def keep(places: list[SessionTarget], changes: dict[str, str], terminal: Terminal) -> StreamerError | None:
    """Write it to every place; the failure of one of two, while that of all is raised, so that the session is ended."""
    failures = []
    for place in places:
        try:
            await place.write(changes)
        except StreamerError as error:
            failures.append(error)
        else:
            terminal.tell(f"Written to {place.name}.")
    if failures and len(failures) == len(places):
        raise failures[0]
    return failures[0] if failures else None

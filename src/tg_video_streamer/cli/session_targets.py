"""Writes a new session to the settings file of this host or of a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tg_video_streamer.cli.prompt import Terminal
from tg_video_streamer.envfile.write import update_env
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.locales.message import Message

if TYPE_CHECKING:
    from tg_video_streamer.telegram.session.remote_env import Server

LOGIN_LOCK_SECONDS = 300.0
"""A deployment may build an environment while it holds the lock; Ctrl-C ends the wait."""


class SessionTarget(Protocol):
    """Where a session is written."""

    name: str | Message

    async def write(self, changes: dict[str, str]) -> None:
        """Write; without changes, test whether writing works. Raises EnvFileUnchanged."""


class InFile:
    """In the settings file."""

    def __init__(self, path: Path, terminal: Terminal) -> None:
        self.name: str | Message = str(path)
        self._path, self._terminal = path, terminal

    async def write(self, changes: dict[str, str]) -> None:
        """Not in a thread: after Ctrl-C ended the session, nothing may be written."""
        update_env(self._path, changes, wait_seconds=LOGIN_LOCK_SECONDS, tell=self._terminal.inform)


class OnServer:
    """In the settings file of a server."""

    def __init__(self, server: Server, terminal: Terminal) -> None:
        self.name: str | Message = Message.of("session.file_on_server", path=server.path, host=server.host)
        self._server, self._terminal = server, terminal

    async def write(self, changes: dict[str, str]) -> None:
        """Over ssh."""
        from tg_video_streamer.telegram.session.remote_env import update_remote_env  # noqa: PLC0415 - Telegram only when asked for

        await update_remote_env(self._server, changes, wait_seconds=LOGIN_LOCK_SECONDS, inform=self._terminal.inform)


async def write_session(
    targets: list[SessionTarget], changes: dict[str, str], terminal: Terminal
) -> StreamerError | None:
    """Write to every target; returns the failure of one, and raises if all failed, so that the session is ended."""
    failures = []
    for target in targets:
        try:
            await target.write(changes)
        except StreamerError as error:
            failures.append(error)
        else:
            terminal.inform(Message.of("session.written", place=target.name))
    if failures and len(failures) == len(targets):
        raise failures[0]
    return failures[0] if failures else None

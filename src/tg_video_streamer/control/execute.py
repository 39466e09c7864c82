"""Executes a command for a caller and writes its audit line: the one path from socket, page, API and chat."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from tg_video_streamer.control.commands import Command, CommandRequest, Commands, run_command
from tg_video_streamer.control.status import STANDBY
from tg_video_streamer.errors import ControlError, StreamerError

log = structlog.get_logger(__name__)

_LOGGED_ARGUMENTS = frozenset({"on", "key", "place", "to"})
"""Not `line` and `text`: a line of the playlist may hold a signed URL."""


_OF_THIS_HOST = frozenset({"reload", "playlist_save", "playlist_remove"})
"""Changes of files and settings, which each host of a fleet has for itself."""


class Origin(StrEnum):
    """Where a command comes from."""

    SOCKET = "socket"
    PAGE = "page"
    API = "api"
    CHAT = "chat"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who gives a command, for the audit line: never a token or a session."""

    origin: Origin
    name: str
    """Such as `uid 1000`, `operator from 127.0.0.1`, or the number of a Telegram account."""


def _refuse_on_standby(commands: Commands, command: Command) -> None:
    """The program is another host's: a change here would be forgotten, and must not look as if it were done."""
    if not command.changes or command.name in _OF_THIS_HOST:
        return
    status = commands.status()
    if status.channel_state == STANDBY and status.fleet is not None:
        raise ControlError.of("refused.standby", host=status.fleet.holder or "?")


async def execute(commands: Commands, request: CommandRequest, caller: Caller) -> Any:
    """The answer as a JSON value; each change, and each refusal of one, leaves an audit line.

    Raises ControlError: the command's own, or for a defect one that names the log.
    """
    command = request.command
    audit = {
        "command": command.name,
        "origin": str(caller.origin),
        "by": caller.name,
        **{name: value for name, value in request.arguments.items() if name in _LOGGED_ARGUMENTS},
    }
    try:
        _refuse_on_standby(commands, command)
        answer = await run_command(commands, request)
    except StreamerError as error:
        if command.changes:
            log.info("command refused", reason=error.what, **audit)
        raise ControlError.because_of(error) from error
    except Exception as error:
        log.exception("command failed", **audit)
        raise ControlError.of("refused.defect", command=command.name) from error
    if command.changes:
        log.info("command executed", answer=answer["text"], **audit)
    return answer

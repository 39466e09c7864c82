"""Executes a command for a caller and writes its audit line: the one path from socket, page, API and chat."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from tg_video_streamer.control.commands import COMMANDS, Command, CommandRequest, Commands, run_command
from tg_video_streamer.control.status import STANDBY
from tg_video_streamer.errors import ControlError, StreamerError

log = structlog.get_logger(__name__)

_LOGGED_ARGUMENTS = frozenset({"on", "key", "place", "to"})
"""Not `line` and `text`: a line of the playlist may hold a signed URL."""


_OF_THIS_HOST = frozenset({"reload"}) | {name for name in COMMANDS if name.startswith("playlist_")}
"""Changes of files and settings, which each host of a fleet has for itself."""


class Origin(StrEnum):
    """Where a command comes from."""

    SOCKET = "socket"
    PAGE = "page"
    API = "api"
    CHAT = "chat"
    FLEET = "fleet"
    """Another host of the fleet, which has checked who gave it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who gives a command, for the audit line: never a token or a session."""

    origin: Origin
    name: str
    """Such as `uid 1000`, `operator from 127.0.0.1`, or the number of a Telegram account."""


def _is_for_the_holder(commands: Commands, command: Command) -> bool:
    """Whether the program is another host's: a change here would be forgotten."""
    return command.changes and command.name not in _OF_THIS_HOST and commands.status().channel_state == STANDBY


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
        if _is_for_the_holder(commands, command):
            answer = await commands.forward(request, f"{caller.name} ({caller.origin})")
        else:
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

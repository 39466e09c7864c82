"""Carries out a verb for somebody and leaves a line that says who it was: one way for socket, web, API and chat."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from tg_video_streamer.control.commands import Commands
from tg_video_streamer.control.socket import protocol
from tg_video_streamer.errors import ControlError, StreamerError

log = structlog.get_logger(__name__)

_SHOWN = frozenset({"on", "key", "place"})
"""The arguments that the audit line repeats: a line of the playlist may hold a signed URL."""


class Origin(StrEnum):
    """How somebody reaches the service."""

    SOCKET = "socket"
    PAGE = "page"
    API = "api"
    CHAT = "chat"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who wants something, for the audit line: never a token or a session."""

    way: Origin
    name: str
    """Such as `uid 1000`, `operator from 127.0.0.1`, or an account's number in Telegram."""


def act(verbs: Commands, request: protocol.Request, actor: Caller) -> Any:
    """What the service answers, as a JSON value; each change and each refusal of one leaves an audit line.

    Raises ControlError, in the verb's own words, and for anything unforeseen in words that say where to look.
    """
    verb = protocol.VERBS[request.verb]
    shown = {name: value for name, value in request.arguments.items() if name in _SHOWN}
    told = {"verb": request.verb, "way": str(actor.way), "by": actor.name, **shown}
    try:
        answer = protocol.carry_out(verbs, request)
    except StreamerError as error:
        if verb.changes:
            log.info("command refused", reason=error.what, **told)
        raise ControlError(error.what, remedy=error.remedy) from error
    except Exception as error:
        log.exception("command failed", **told)
        raise ControlError(
            f"{request.verb} failed inside the service", remedy="see the service's log, and report it"
        ) from error
    if verb.changes:
        log.info("command carried out", answer=answer, **told)
    return answer

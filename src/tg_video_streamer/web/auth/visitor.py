"""The visitor of a request: role, name for the audit line, CSRF token, pending messages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from starlette.requests import Request

from tg_video_streamer.errors import StreamerError
from tg_video_streamer.locales.message import Message


class Role(StrEnum):
    """What a visitor may do: nothing, read, or read and change."""

    ANONYMOUS = "anonymous"
    VIEWER = "viewer"
    OPERATOR = "operator"

    @property
    def may_read(self) -> bool:
        """Whether pages are shown."""
        return self is not Role.ANONYMOUS

    @property
    def may_change(self) -> bool:
        """Whether changes and private data are allowed."""
        return self is Role.OPERATOR


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """The sender of a request. On loopback a visitor without a token is a viewer."""

    role: Role
    name: str
    """Such as `operator from 192.0.2.7`: never a token."""
    csrf: str = ""
    """The hidden field `csrf` of every form, sent by scripts as X-CSRF; empty if not signed in."""
    signed_in: bool = False
    """Whether a token was sent, now or at the sign-in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FlashMessage:
    """The result of the last change, shown once on the next page."""

    ok: bool
    text: Message
    remedy: Message | None = None

    @classmethod
    def of(cls, error: StreamerError) -> Self:
        """The message of a failure."""
        return cls(ok=False, text=error.message, remedy=error.remedy_message)


def visitor(request: Request) -> Visitor:
    """The visitor, as identified by AuthMiddleware."""
    found: Visitor = request.state.visitor
    return found


def take_flash_messages(request: Request) -> tuple[FlashMessage, ...]:
    """The pending messages, each returned once. For pages only, not for streams or images."""
    pending: list[FlashMessage] = request.state.flash_messages
    taken = tuple(pending)
    pending.clear()
    return taken

"""The visitor of a request: role, name for the audit line, CSRF token, pending messages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import Request


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
    text: str
    remedy: str = ""


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

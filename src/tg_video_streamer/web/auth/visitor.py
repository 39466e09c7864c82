"""Who asks, as every route gets it: a role, a name for the audit line, and the word that a form must bring back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import Request


class Role(StrEnum):
    """What somebody may do: nothing, look, or change things too."""

    NOBODY = "nobody"
    VIEWER = "viewer"
    OPERATOR = "operator"

    @property
    def may_look(self) -> bool:
        """Whether pages may be shown."""
        return self is not Role.NOBODY

    @property
    def may_change(self) -> bool:
        """Whether changes, and what is private, are allowed."""
        return self is Role.OPERATOR


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """One who asks. On loopback a visitor without a token is a viewer."""

    role: Role
    name: str
    """Such as `operator from 192.0.2.7`: never a token."""
    csrf: str = ""
    """Put into every form as the hidden field `csrf`, and sent by scripts as X-CSRF; empty for who is not signed in."""
    signed_in: bool = False
    """Whether a token was shown, now or at the sign-in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What became of the last change, for the next page: the service's words and, where it failed, the remedy."""

    ok: bool
    text: str
    remedy: str = ""


def visitor(request: Request) -> Visitor:
    """Who asks, as the gate before all routes found out."""
    found: Visitor = request.state.visitor
    return found


def take_notices(request: Request) -> tuple[Notice, ...]:
    """What is to be told on this page, once: the next call has nothing. For pages, not for streams or pictures."""
    notices: list[Notice] = request.state.notices
    taken = tuple(notices)
    notices.clear()
    return taken

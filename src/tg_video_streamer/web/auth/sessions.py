"""Browser sessions: a random cookie each, stored as a digest, ended by timeout, sign-out or a changed token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from tg_video_streamer.clock import Clock
from tg_video_streamer.web.auth.tokens import Tokens
from tg_video_streamer.web.auth.visitor import FlashMessage, Role

IDLE_SECONDS = 12 * 3600.0
"""A session ends after this time without a request."""
MAX_SECONDS = 7 * 24 * 3600.0
"""And after this time in any case."""
MAX_SESSIONS_PER_ROLE = 128
"""A further one ends the one of the same role that was not used for the longest time."""
MAX_FLASH_MESSAGES = 8


@dataclass(kw_only=True, slots=True)
class Session:
    """One signed-in browser."""

    role: Role
    fingerprint: bytes = field(repr=False)
    csrf: str = field(repr=False)
    started: float
    last_used: float
    ended: bool = False
    """Signed out: its open streams must be closed."""
    flash_messages: list[FlashMessage] = field(default_factory=list)

    def flash(self, message: FlashMessage) -> None:
        """Show `message` on the next page."""
        self.flash_messages.append(message)
        del self.flash_messages[:-MAX_FLASH_MESSAGES]


class Sessions:
    """All open sessions, in memory only: a restart ends them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[bytes, Session] = {}

    def begin(self, role: Role, tokens: Tokens) -> tuple[str, Session]:
        """A new session, and its cookie."""
        now = self._clock.monotonic()
        self._open = {key: one for key, one in self._open.items() if self._is_alive(one, now)}
        same_role = sorted((one.last_used, key) for key, one in self._open.items() if one.role is role)
        for _, key in same_role[: max(0, len(same_role) - MAX_SESSIONS_PER_ROLE + 1)]:
            self._open.pop(key).ended = True
        cookie = secrets.token_urlsafe(32)
        session = self._open[_key(cookie)] = Session(
            role=role, fingerprint=tokens.fingerprint(role), csrf=secrets.token_urlsafe(32), started=now, last_used=now
        )
        return cookie, session

    def find(self, cookie: str, tokens: Tokens) -> Session | None:
        """The session of a cookie, marked as used; None if there is none, or its token was changed."""
        session = self._open.get(_key(cookie)) if cookie else None
        if session is None:
            return None
        if self.is_valid(session, tokens):
            session.last_used = self._clock.monotonic()
            return session
        self.end(cookie)
        return None

    def is_valid(self, session: Session, tokens: Tokens) -> bool:
        """Whether it is still valid; asking does not prolong it."""
        same_token = hmac.compare_digest(session.fingerprint, tokens.fingerprint(session.role))
        return not session.ended and same_token and self._is_alive(session, self._clock.monotonic())

    def end(self, cookie: str) -> None:
        """Invalidate the cookie and close the session's open streams."""
        session = self._open.pop(_key(cookie), None)
        if session is not None:
            session.ended = True

    def _is_alive(self, session: Session, now: float) -> bool:
        return now - session.last_used <= IDLE_SECONDS and now - session.started <= MAX_SECONDS


def _key(cookie: str) -> bytes:
    """Lookup by digest: its timing reveals nothing about existing cookies."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()

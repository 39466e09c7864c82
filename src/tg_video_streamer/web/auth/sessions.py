"""Sign-ins of browsers: a random cookie each, kept here by its digest, that ends by itself, at sign-out, or with its token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from tg_video_streamer.clock import Clock
from tg_video_streamer.web.auth.tokens import Tokens
from tg_video_streamer.web.auth.visitor import Notice, Role

IDLE_SECONDS = 12 * 3600.0
"""A browser that asked nothing for so long has to sign in again."""
LONGEST_SECONDS = 7 * 24 * 3600.0
"""And each has to after so long."""
MOST_SESSIONS = 256
MOST_NOTICES = 8


@dataclass(kw_only=True, slots=True)
class Session:
    """One signed-in browser."""

    role: Role
    fingerprint: bytes = field(repr=False)
    csrf: str = field(repr=False)
    began: float
    used: float
    ended: bool = False
    """Signed out: what it still has open must be closed."""
    notices: list[Notice] = field(default_factory=list)

    def tell(self, notice: Notice) -> None:
        """Keep it for the next page."""
        self.notices.append(notice)
        del self.notices[:-MOST_NOTICES]


class Sessions:
    """All that are signed in. They are kept in memory only: a restart of the service ends them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[bytes, Session] = {}

    def begin(self, role: Role, tokens: Tokens) -> tuple[str, Session]:
        """A new session, and its cookie."""
        now = self._clock.monotonic()
        self._open = {key: one for key, one in self._open.items() if self._lives(one, now)}
        while len(self._open) >= MOST_SESSIONS:
            del self._open[min(self._open, key=lambda key: self._open[key].used)]
        cookie = secrets.token_urlsafe(32)
        session = self._open[_key(cookie)] = Session(
            role=role, fingerprint=tokens.fingerprint(role), csrf=secrets.token_urlsafe(32), began=now, used=now
        )
        return cookie, session

    def find(self, cookie: str, tokens: Tokens) -> Session | None:
        """The session of a cookie, used now; None where there is none (any more), or its token is another now."""
        session = self._open.get(_key(cookie)) if cookie else None
        if session is None:
            return None
        if self.holds(session, tokens):
            session.used = self._clock.monotonic()
            return session
        self.end(cookie)
        return None

    def holds(self, session: Session, tokens: Tokens) -> bool:
        """Whether it is still good; looking does not prolong it."""
        alike = hmac.compare_digest(session.fingerprint, tokens.fingerprint(session.role))
        return not session.ended and alike and self._lives(session, self._clock.monotonic())

    def end(self, cookie: str) -> None:
        """Nobody can use this cookie any more, and what it has open is closed."""
        session = self._open.pop(_key(cookie), None)
        if session is not None:
            session.ended = True

    def _lives(self, session: Session, now: float) -> bool:
        return now - session.used <= IDLE_SECONDS and now - session.began <= LONGEST_SECONDS


def _key(cookie: str) -> bytes:
    """What is looked up is a digest: how long the search takes tells nothing of the cookies that there are."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()

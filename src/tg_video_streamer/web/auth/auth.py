"""Decides who somebody is, by bearer token, cookie or loopback, and whether he may do what he asks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import Response

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.commands import Command
from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.web.auth import client_address
from tg_video_streamer.web.auth.lockout import Lockout
from tg_video_streamer.web.auth.sessions import LONGEST_SECONDS, Session, Sessions
from tg_video_streamer.web.auth.tokens import Tokens, same
from tg_video_streamer.web.auth.visitor import Role, Visitor, visitor

log = structlog.get_logger(__name__)

GET_TOKEN = "the token is in WEB_TOKEN; without one there: tg-video-streamer token"  # noqa: S105 - where to find it


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Who asks, with the session of his browser; None where he has none, or shows a token with each request."""

    visitor: Visitor
    session: Session | None = None


class Access:
    """One for the life of the service, so that sign-ins and lock-outs outlive a restart of the web server."""

    def __init__(
        self, *, tokens: Callable[[], Tokens], clock: Clock, loopback: bool, behind_proxy: bool, port: int
    ) -> None:
        """`tokens`: those in force now. `loopback`: only this host can connect.

        `behind_proxy`: a proxy of ours speaks TLS with browsers. `port`: of the listener; browsers share cookies among
        all ports of a host, so it is in their name.
        """
        self._tokens = tokens
        self.open_reading = loopback and not behind_proxy
        """Whether pages are shown without a token."""
        self._behind_proxy = behind_proxy
        self._sessions = Sessions(clock)
        self._attempts = Lockout(clock)
        self._warned_of_proxy = False
        # The prefix has browsers refuse such a cookie from another host of the domain, and without TLS.
        self._cookie = f"{'__Host-' if behind_proxy else ''}control-{port}"

    def address(self, request: Request) -> str:
        """From where a request came."""
        return client_address.client_address(request, behind_proxy=self._behind_proxy)

    def who(self, request: Request) -> Seen:
        """Who asks. Raises RequestRefused for a bearer token that is wrong, or shown during a lock-out."""
        address = self.address(request)
        word = _bearer(request)
        if word is not None:
            role = self.admit(word, address)
            return Seen(visitor=Visitor(role=role, name=f"{role} from {address}", signed_in=True))
        session = self._sessions.find(request.cookies.get(self._cookie, ""), self._tokens())
        if session is not None:
            name = f"{session.role} from {address}"
            known = Visitor(role=session.role, name=name, csrf=session.csrf, signed_in=True)
            return Seen(visitor=known, session=session)
        role = Role.VIEWER if self.open_reading and not self._strange(request) else Role.NOBODY
        return Seen(visitor=Visitor(role=role, name=f"somebody from {address}"))

    def still_holds(self, request: Request) -> bool:
        """Whether who was let in with `request` would be now: a page that stays open must not outlive its sign-in."""
        session: Session | None = request.state.session
        if session is not None:
            return self._sessions.holds(session, self._tokens())
        word = _bearer(request)
        return word is None or self._tokens().role_name_of(word) != Role.NOBODY

    def admit(self, word: str, address: str) -> Role:
        """The role that a token gives. Raises RequestRefused: 401 for a wrong one, 429 during a lock-out."""
        if (seconds := self._attempts.wait_seconds(address)) > 0:
            raise _locked_out(seconds)
        role = Role(self._tokens().role_name_of(word))
        if role is not Role.NOBODY:
            self._attempts.succeeded(address)
            return role
        seconds = self._attempts.failed(address)
        log.warning("a wrong token was shown", by=address, locked_out_seconds=round(seconds))
        raise RequestRefused("this token is not right", status=401, remedy=GET_TOKEN)

    def sign_in(self, request: Request, word: str) -> tuple[str, Session]:
        """A new session, and its cookie for `set_cookie`. Raises RequestRefused as `admit`, and for a foreign page's."""
        self.same_site(request)
        if self._behind_proxy and client_address.is_plain_http(request):
            raise RequestRefused("a token is not taken without TLS", status=403, remedy="open the page by https://")
        address = self.address(request)
        role = self.admit(word, address)
        self._sessions.end(request.cookies.get(self._cookie, ""))
        log.info("signed in", role=str(role), by=address)
        return self._sessions.begin(role, self._tokens())

    def set_cookie(self, answer: Response, cookie: str) -> None:
        """Have the browser keep it: for this site alone, out of the reach of scripts, and behind a proxy with TLS only."""
        answer.set_cookie(
            self._cookie,
            cookie,
            max_age=round(LONGEST_SECONDS),
            secure=self._behind_proxy,
            httponly=True,
            samesite="strict",
        )

    def sign_out(self, request: Request, csrf: str, answer: Response) -> None:
        """End the session of a request, and have `answer` take its cookie away. Raises RequestRefused for a foreign page's."""
        self.check_form(request, csrf)
        self._sessions.end(request.cookies.get(self._cookie, ""))
        log.info("signed out", by=visitor(request).name)
        answer.delete_cookie(self._cookie, secure=self._behind_proxy, httponly=True, samesite="strict")

    def check_role(self, request: Request, command: Command) -> None:
        """Raises RequestRefused where who asks may not have `verb` carried out: 401 where a token would help, else 403."""
        asker = visitor(request)
        if asker.role.may_change or (asker.role.may_look and not command.for_operators):
            return
        if asker.signed_in:
            raise RequestRefused("viewers may only look", status=403, remedy="sign in with the operator's token")
        raise RequestRefused("this needs a token", status=401, remedy=GET_TOKEN)

    def check_form(self, request: Request, csrf: str) -> None:
        """Raises RequestRefused where a browser's request was not sent by a page of ours that was made for its session.

        Whoever shows his token with the request needs no such proof: no browser adds that by itself.
        """
        asker = visitor(request)
        if asker.signed_in and not asker.csrf:
            return
        self.same_site(request)
        if not asker.csrf or not same(csrf, asker.csrf):
            log.warning("a form without its proof was refused", by=asker.name)
            raise RequestRefused("this form is not from a page of yours", status=403, remedy="load the page again")

    def same_site(self, request: Request) -> None:
        """Raises RequestRefused for what a page of another site sent."""
        if client_address.is_foreign(request):
            log.warning("a foreign page's request was refused", by=self.address(request))
            raise RequestRefused(
                "this was not sent by a page of this site",
                status=403,
                remedy="open the page here; a proxy in between must pass the Host header on",
            )

    def check_address(self, request: Request) -> None:
        """Raises RequestRefused where an address has a token in it: addresses stay in histories and logs."""
        for name, value in request.query_params.multi_items():
            if name.lower() in _TOKEN_NAMES or self._tokens().role_name_of(value) != Role.NOBODY:
                log.warning("an address with a token in it was refused", by=self.address(request))
                raise RequestRefused(
                    "a token in an address is not taken",
                    status=400,
                    remedy="change it, since addresses are kept in histories and logs; then sign in at /login",
                )

    def _strange(self, request: Request) -> bool:
        """Whether a proxy passes the outside on to what is meant for this host alone."""
        if not client_address.came_through_proxy(request):
            return False
        if not self._warned_of_proxy:
            self._warned_of_proxy = True
            log.warning("a proxy is in front of the page: it asks for a token now", remedy="set WEB_BEHIND_PROXY=1")
        return True


_TOKEN_NAMES = frozenset({"token", "access_token", "web_token", "web_viewer_token", "bearer", "authorization"})


def _bearer(request: Request) -> str | None:
    """The token that a request shows in its header; None where it has no such header."""
    scheme, _, word = request.headers.get("authorization", "").partition(" ")
    return word.strip() if scheme.lower() == "bearer" else None


def _locked_out(seconds: float) -> RequestRefused:
    whole = math.ceil(seconds)
    return RequestRefused(
        f"too many wrong tokens: none is taken for {whole} s",
        status=429,
        remedy="wait, or use the command line",
        seconds=whole,
    )

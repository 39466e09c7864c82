"""Identifies visitors by bearer token, cookie or loopback, and decides what they may do."""

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
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.auth import client_address
from tg_video_streamer.web.auth.client_address import Client, TrustedProxies, network_of
from tg_video_streamer.web.auth.sessions import MAX_SECONDS, Session, Sessions
from tg_video_streamer.web.auth.tokens import Tokens, same
from tg_video_streamer.web.auth.visitor import Role, Visitor, visitor
from tg_video_streamer.web.auth.wrong_tokens import WrongTokens

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The visitor, with the browser's session; None without one, or for a bearer token."""

    visitor: Visitor
    session: Session | None = None


class Access:
    """Created once, so that sessions and lock-outs survive a restart of the web server."""

    def __init__(
        self,
        *,
        tokens: Callable[[], Tokens],
        clock: Clock,
        loopback: bool,
        proxies: TrustedProxies | None,
        port: int,
    ) -> None:
        """`tokens` returns the current ones. `loopback`: only this host can connect.

        `proxies`: our own, which terminate TLS; None: there is none. `port` is part of the cookie's name, since browsers
        share cookies among all ports of a host.
        """
        self._tokens = tokens
        self._behind_proxy = proxies is not None
        self.open_reading = loopback and not self._behind_proxy
        """Whether pages are shown without a token."""
        self.proxies = proxies
        self._sessions = Sessions(clock)
        self._wrong_tokens = WrongTokens(clock)
        self._warned_of_proxy = False
        # With this prefix, browsers refuse the cookie from another host of the domain, and without TLS.
        self._cookie = f"{'__Host-' if self._behind_proxy else ''}control-{port}"

    def address(self, request: Request) -> str:
        """The client's address."""
        self._warn_of_stranger(request)
        return client_address.client_address(request, proxies=self.proxies)

    def client(self, request: Request) -> Client:
        """Who is counted as one client."""
        peer = client_address.peer_address(request)
        return Client(network_of(peer), network_of(client_address.client_address(request, proxies=self.proxies)))

    def identify(self, request: Request) -> Identity:
        """The sender. Raises RequestRefused for a wrong bearer token."""
        address = self.address(request)
        token = _bearer(request)
        if token is not None:
            role = self.authenticate(request, token)
            return Identity(visitor=Visitor(role=role, name=f"{role} from {address}", signed_in=True))
        session = self._sessions.find(request.cookies.get(self._cookie, ""), self._tokens())
        if session is not None:
            name = f"{session.role} from {address}"
            known = Visitor(role=session.role, name=name, csrf=session.csrf, signed_in=True)
            return Identity(visitor=known, session=session)
        role = Role.VIEWER if self.open_reading and not self._is_proxied(request) else Role.ANONYMOUS
        return Identity(visitor=Visitor(role=role, name=f"anonymous from {address}"))

    def is_still_valid(self, request: Request) -> bool:
        """Whether the sign-in behind `request` still counts: an open stream must not outlive it."""
        session: Session | None = request.state.session
        if session is not None:
            return self._sessions.is_valid(session, self._tokens())
        token = _bearer(request)
        return token is None or self._tokens().role_of(token) != Role.ANONYMOUS

    def authenticate(self, request: Request, token: str) -> Role:
        """The role of a token. Raises RequestRefused for a wrong one: 401, or 429 after many; the right one always counts."""
        role = Role(self._tokens().role_of(token))
        if role is not Role.ANONYMOUS:
            return role
        failure = self._wrong_tokens.failed(self.client(request))
        if failure.is_logged:
            log.warning("wrong token", by=self.address(request), count=failure.count)
        if failure.delay_seconds:
            seconds = math.ceil(failure.delay_seconds)
            raise RequestRefused(Message.of("web.slowed", seconds=seconds), status=429, seconds=seconds)
        raise RequestRefused(Message.of("web.wrong_token"), status=401)

    async def hold(self, request: Request, refusal: RequestRefused) -> dict[str, str]:
        """Wait before a refusal of many wrong tokens is answered; the headers that its answer needs."""
        if refusal.status != 429 or await self._wrong_tokens.wait(self.client(request), refusal.seconds):
            return {}
        return {"Connection": "close"}

    def sign_in(self, request: Request, token: str) -> tuple[str, Session]:
        """A new session and its cookie. Raises RequestRefused as `authenticate`, and for a request of another site."""
        self.require_same_site(request)
        if self._behind_proxy and client_address.is_plain_http(request):
            raise RequestRefused(Message.of("web.needs_tls"), status=403)
        address = self.address(request)
        role = self.authenticate(request, token)
        self._sessions.end(request.cookies.get(self._cookie, ""))
        log.info("signed in", role=str(role), by=address)
        return self._sessions.begin(role, self._tokens())

    def set_cookie(self, answer: Response, cookie: str) -> None:
        """Set the session cookie: this site only, hidden from scripts, and TLS only behind a proxy."""
        answer.set_cookie(
            self._cookie,
            cookie,
            max_age=round(MAX_SECONDS),
            secure=self._behind_proxy,
            httponly=True,
            samesite="strict",
        )

    def sign_out(self, request: Request, csrf: str, answer: Response) -> None:
        """End the session and delete its cookie. Raises RequestRefused for a request of another site."""
        self.require_form_token(request, csrf)
        self._sessions.end(request.cookies.get(self._cookie, ""))
        log.info("signed out", by=visitor(request).name)
        answer.delete_cookie(self._cookie, secure=self._behind_proxy, httponly=True, samesite="strict")

    def require_role(self, request: Request, command: Command) -> None:
        """Raises RequestRefused unless the visitor may use the command: 401 if a token would help, else 403."""
        sender = visitor(request)
        if sender.role.may_change or (sender.role.may_read and not command.for_operators):
            return
        if sender.signed_in:
            raise RequestRefused(Message.of("web.viewer"), status=403)
        raise RequestRefused(Message.of("web.needs_token"), status=401)

    def require_form_token(self, request: Request, csrf: str) -> None:
        """Raises RequestRefused unless the form comes from a page made for this session.

        A request with a bearer token needs no such proof: browsers never add one by themselves.
        """
        sender = visitor(request)
        if sender.signed_in and not sender.csrf:
            return
        self.require_same_site(request)
        if not sender.csrf or not same(csrf, sender.csrf):
            log.warning("form without a valid CSRF token refused", by=sender.name)
            raise RequestRefused(Message.of("web.form_expired"), status=403)

    def require_same_site(self, request: Request) -> None:
        """Raises RequestRefused for a request of another site."""
        if client_address.is_foreign(request):
            log.warning("request of another site refused", by=self.address(request))
            raise RequestRefused(Message.of("web.other_site"), status=403)

    def refuse_token_in_url(self, request: Request) -> None:
        """Raises RequestRefused for a token in a URL: URLs stay in histories and logs."""
        for name, value in request.query_params.multi_items():
            if name.lower() in _TOKEN_NAMES or self._tokens().role_of(value) != Role.ANONYMOUS:
                log.warning("token in a URL refused", by=self.address(request))
                raise RequestRefused(Message.of("web.token_in_url"), status=400)

    def _warn_of_stranger(self, request: Request) -> None:
        """Once: a proxy that is not configured forwards for others, and its word on them does not count."""
        peer = client_address.peer_address(request)
        if self.proxies is None or self._warned_of_proxy or self.proxies.trusts(peer):
            return
        if client_address.came_through_proxy(request):
            self._warned_of_proxy = True
            log.warning("X-Forwarded-For comes from an unknown proxy and is ignored", by=peer, remedy="set WEB_PROXIES")

    def _is_proxied(self, request: Request) -> bool:
        """Whether a proxy forwards requests from outside to a listener meant for this host only."""
        if not client_address.came_through_proxy(request):
            return False
        if not self._warned_of_proxy:
            self._warned_of_proxy = True
            log.warning("requests come through a proxy: the page now requires a token", remedy="set WEB_BEHIND_PROXY=1")
        return True


_TOKEN_NAMES = frozenset({"token", "access_token", "web_token", "web_viewer_token", "bearer", "authorization"})


def _bearer(request: Request) -> str | None:
    """The bearer token; None without such a header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None

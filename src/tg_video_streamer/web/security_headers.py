"""Middleware before every route: checks the Host header and adds security headers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tg_video_streamer.web.language import plain_answer

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: that also hides the Origin of our own forms, which we check.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """An ASGI application around another one.

    The Host check prevents DNS rebinding: a foreign page can point its own name at this machine's address and then read
    these pages as its own. Such a request carries the foreign name, never an address.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str]) -> None:
        """`hosts`: the names of this service; 0.0.0.0 or :: allows any address (but no name)."""
        names = {host.lower().strip("[]") for host in hosts}
        self._app = app
        self._any_address = bool(names & _ANY_ADDRESS)
        self._names = _LOOPBACK_NAMES | (names - _ANY_ADDRESS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and self.knows(hosts[0]):
            await self._app(scope, receive, send_guarded)
            return
        refusal = plain_answer(Request(scope), "web.unknown_host", status=421)
        await refusal(scope, receive, send_guarded)

    def knows(self, host: str) -> bool:
        """Whether a Host header (`name`, `name:port`, `[address]:port`) names this service."""
        name = host_name(host)
        return name in self._names or (self._any_address and is_address(name))


def host_name(host: str) -> str:
    """The name in a Host header, in lower case, without port and brackets."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def is_address(name: str) -> bool:
    """Whether `name` is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

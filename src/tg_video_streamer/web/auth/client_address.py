"""Finds a request's client address and whether one of our own pages sent it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

_PROXY_HEADERS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "via")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Client:
    """Who is counted as one: the network of the peer and, if that is our proxy, of the client behind it."""

    peer: str
    address: str


class TrustedProxies:
    """The peers whose X-Forwarded-For counts: this host, and the configured addresses and networks."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(one, strict=False) for one in networks]

    def trusts(self, peer: str) -> bool:
        """Whether `peer` is a proxy of ours."""
        try:
            found = ipaddress.ip_address(peer)
        except ValueError:
            return False
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        found = mapped or found
        return found.is_loopback or any(found in network for network in self._networks)


def peer_address(request: Request) -> str:
    """The other end of the connection: a client, or a proxy."""
    return request.client.host if request.client is not None else "unknown"


def client_address(request: Request, *, proxies: TrustedProxies | None) -> str:
    """The peer's address or, where that is one of our `proxies`, the last one in X-Forwarded-For; None: no proxy.

    Everything before the last comes from the client and cannot be trusted.
    """
    peer = peer_address(request)
    if proxies is None or not proxies.trusts(peer):
        return peer
    last = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2]
    return _address(last.strip()) or peer


def network_of(address: str) -> str:
    """The unit of one client: an IPv4 address or an IPv6 /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def came_through_proxy(request: Request) -> bool:
    """Whether any proxy has forwarded this request."""
    return any(name in request.headers for name in _PROXY_HEADERS)


def is_plain_http(request: Request) -> bool:
    """Whether the browser reached our proxy without TLS."""
    return request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower() == "http"


def is_foreign(request: Request) -> bool:
    """Whether a page of another site sent this, or the browser gives no origin at all."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None and site != "same-origin":
        return True
    if origin is None:
        return site is None
    return not _is_own(origin, request.headers.get("host", ""))


def own_path(text: str) -> str:
    """`text` if it is a path of this site, else `/`: no open redirect."""
    if not text.startswith("/") or text.startswith("//") or len(text) > 500 or not text.isascii():
        return "/"
    return "/" if any(letter <= " " or letter in '\\"<>\x7f' for letter in text) else text


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port or _PORTS.get(parts.scheme)
        own = urlsplit(f"//{host}")
        # A TLS proxy forwards the Host header, which names the port only if it is not the default.
        ports = {own.port} if own.port else set(_PORTS.values())
    except ValueError:
        return False
    return parts.scheme in _PORTS and bool(parts.hostname) and parts.hostname == own.hostname and port in ports


def _address(text: str) -> str:
    """The address without port and brackets, mapped IPv4 as IPv4; empty if invalid."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)

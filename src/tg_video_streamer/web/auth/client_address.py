"""Where a request came from, and whether a page of our own sent it: what the proxy and the browser say, where it counts."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

_PROXY_HEADERS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "via")
_PORTS = {"http": 80, "https": 443}


def client_address(request: Request, *, behind_proxy: bool) -> str:
    """The address of who asks: the other end of the connection, or behind our proxy the last that it put down.

    All before the last in X-Forwarded-For was sent by the client, who may write there what he likes.
    """
    peer = request.client.host if request.client is not None else "unknown"
    if not behind_proxy:
        return peer
    last = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2]
    return _address(last.strip()) or peer


def came_through_proxy(request: Request) -> bool:
    """Whether any proxy says that it passed this on."""
    return any(name in request.headers for name in _PROXY_HEADERS)


def is_plain_http(request: Request) -> bool:
    """Whether our proxy says that the browser spoke without TLS."""
    return request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower() == "http"


def is_foreign(request: Request) -> bool:
    """Whether a browser says that a page of somebody else sent this, or says nothing at all of where it came from."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None and site != "same-origin":
        return True
    if origin is None:
        return site is None
    return not _is_own(origin, request.headers.get("host", ""))


def own_path(text: str) -> str:
    """`text` where it is a path of this site, else `/`: nobody is sent elsewhere by a link to us."""
    if not text.startswith("/") or text.startswith("//") or len(text) > 500 or not text.isascii():
        return "/"
    return "/" if any(letter <= " " or letter in '\\"<>\x7f' for letter in text) else text


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port or _PORTS.get(parts.scheme)
        asked = urlsplit(f"//{host}")
        # A proxy with TLS passes the Host header on, and with it a port only where it is not the usual one.
        wanted = {asked.port} if asked.port else set(_PORTS.values())
    except ValueError:
        return False
    return parts.scheme in _PORTS and bool(parts.hostname) and parts.hostname == asked.hostname and port in wanted


def _address(text: str) -> str:
    """An address without port and brackets, an IPv4 one as such; empty for what is none."""
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

"""The child process that reads one address over HTTP: `python -m tg_video_streamer.resolve.http_child`.

The request is JSON on stdin, so that no URL is on a command line. With `check` it prints as JSON what the server states,
and reads nothing; else the body goes to stdout as it is, without the titles of an Icecast server in it, and what is known
about it to stderr, one `@` and JSON a line. ffmpeg could read it too, but it begins a body without a length again and
again, and does not tell why it ended.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from tg_video_streamer.resolve.icy import IcyTitles, decoded_title
from tg_video_streamer.resolve.public_addresses import is_public

MOST_REDIRECTS = 8
BEGINNING_BYTES = 64 * 1024
"""So much is compared with what an earlier connection began with."""
_CHUNK = 32 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OWN = frozenset({"host", "range", "accept-encoding", "icy-metadata", "connection"})
_SUCCESS, _PART = 200, 206
_HEAD_BYTES = 4096
"""An MP4 whose media come before its index shows that in its first boxes."""
_READ_AT_ONCE_BYTES = 1_000_000
"""The probe finds out whether a smaller one can be read."""


class _Response(http.client.HTTPResponse):
    """Understands the status line of old radio servers too."""

    def _read_status(self) -> tuple[str, int, str]:
        line = self.fp.readline(65537)
        if line.startswith(b"ICY "):
            return "HTTP/1.0", int(line.split()[1]), ""
        self.fp = _Prepended(line, self.fp)  # type: ignore[assignment]  # the methods that reading a head needs
        found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in the stubs
        self.fp = self.fp.rest  # type: ignore[attr-defined]  # as above
        return found


class _Prepended:
    def __init__(self, line: bytes, rest: Any) -> None:
        self._line: bytes | None = line
        self.rest = rest

    def readline(self, limit: int = -1) -> bytes:
        line, self._line = self._line, None
        return self.rest.readline(limit) if line is None else line

    def close(self) -> None:
        self.rest.close()


def main() -> int:
    """0 after the end of the body, whatever ended it: the lines on stderr say it."""
    request: dict[str, Any] = json.load(sys.stdin)
    try:
        response, radio = _opened(request)
        if request.get("check"):
            whole_only = not radio and _is_index_last(response) and not _sends_parts(response, request)
            sys.stdout.write(json.dumps(_stated(response, radio=radio) | {"whole_only": whole_only}))
        else:
            _copy(response, known=str(request.get("known_beginning", "")))
    except (OSError, http.client.HTTPException, ValueError) as error:
        _tell(error=_reason(error))
        return 0 if request.get("check") else 1
    return 0


def _opened(request: Mapping[str, Any]) -> tuple[http.client.HTTPResponse, bool]:
    """The answer after all redirects, and whether it is a radio's. Raises OSError, HTTPException or ValueError."""
    url = str(request["url"])
    for _ in range(MOST_REDIRECTS):
        response = _ask(url, request)
        if response.status not in _REDIRECTS:
            break
        url = urljoin(url, response.headers.get("Location") or "")
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError("it leads to an address that is not http")
        response.close()
    if response.status not in {_SUCCESS, _PART}:
        raise ValueError(f"the server answers {response.status}")
    return response, any(name.lower().startswith("icy-") for name in response.headers)


def _ask(url: str, request: Mapping[str, Any]) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    if request["public_only"]:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        if not all(is_public(str(address[0])) for *_, address in found):
            raise ValueError("it leads into a private network")
    connection = _connection(parts.hostname or "", parts.port or (443 if secure else 80), secure, request)
    connection.response_class = _Response
    headers = {name: value for name, value in dict(request["headers"]).items() if name.lower() not in _OWN}
    path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    if request["proxy"] and not secure:
        path = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", parts.query, ""))
    part = {"Range": "bytes=0-0"} if request.get("part") else {}
    sent = {"User-Agent": "Mozilla/5.0", "Accept": "*/*", **headers, **part, "Icy-MetaData": "1", "Connection": "close"}
    connection.request("GET", path, headers={**sent, **_authorization(parts.username, parts.password)})
    transport = connection.sock  # the connection lets go of it with the head of the answer
    response = connection.getresponse()
    transport.settimeout(float(request["stall_seconds"]))
    return response


def _connection(host: str, port: int, secure: bool, request: Mapping[str, Any]) -> http.client.HTTPConnection:  # noqa: FBT001 - of one caller
    timeout, proxy = float(request["first_seconds"]), urlsplit(str(request["proxy"]))
    if not proxy.hostname:
        if secure:
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=timeout)
    if not secure:
        return http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=timeout)
    tunneled = http.client.HTTPSConnection(
        proxy.hostname, proxy.port, timeout=timeout, context=ssl.create_default_context()
    )
    tunneled.set_tunnel(host, port)
    return tunneled


def _authorization(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    from base64 import b64encode  # noqa: PLC0415 - few addresses have a user

    word = f"{user}:{password or ''}"
    return {"Authorization": f"Basic {b64encode(word.encode()).decode()}"}


def _stated(response: http.client.HTTPResponse, *, radio: bool) -> dict[str, Any]:
    return {
        "length": response.length,
        "radio": radio,
        "kind": (response.headers.get_content_type() or "").lower(),
        "name": decoded_title(response.headers.get("icy-name", "").encode("latin-1", "replace")),
    }


def _is_index_last(response: http.client.HTTPResponse) -> bool:
    """Whether it is an MP4 whose media come before its index; reads its head."""
    length = response.length
    if length is None or length < _READ_AT_ONCE_BYTES:
        return False
    head = response.read(_HEAD_BYTES)
    response.length = length
    at = 0
    while head[4:8] == b"ftyp" and at + 8 <= len(head):
        kind, size = head[at + 4 : at + 8], int.from_bytes(head[at : at + 4], "big")
        if kind in {b"mdat", b"moov"} or size < 8:
            return kind == b"mdat"
        at += size
    return False


def _sends_parts(response: http.client.HTTPResponse, request: Mapping[str, Any]) -> bool:
    """Whether its server answers requests for a part of it."""
    if "bytes" in (response.headers.get("Accept-Ranges") or "").lower():
        return True
    response.close()
    part, _radio = _opened({**request, "part": True})
    return part.status == _PART


def _copy(response: http.client.HTTPResponse, *, known: str) -> None:
    """Write the body to stdout, unless it begins with what is `known`: then a file has begun again."""
    body = _body(response)
    held, size = b"", 0
    for data in body:
        held += data
        if len(held) >= BEGINNING_BYTES:
            break
    beginning = hashlib.blake2b(held[:BEGINNING_BYTES], digest_size=16).hexdigest()
    if beginning == known:
        _tell(again=True)
        return
    _tell(beginning=beginning)
    _write(held)
    size += len(held)
    for data in body:
        _write(data)
    _tell(whole=response.length in {None, 0})


def _body(response: http.client.HTTPResponse) -> Iterator[bytes]:
    interval = response.headers.get("icy-metaint") or ""
    titles = IcyTitles(int(interval)) if interval.isascii() and interval.isdigit() and int(interval) > 0 else None
    while data := response.read1(_CHUNK):
        if titles is None:
            yield data
            continue
        media, changed = titles.take(data)
        if changed is not None:
            _tell(title=changed)
        if media:
            yield media


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _tell(**facts: Any) -> None:
    sys.stderr.write(f"@{json.dumps(facts)}\n")
    sys.stderr.flush()


def _reason(error: Exception) -> str:
    """Without the address, which may be secret."""
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


if __name__ == "__main__":
    sys.exit(main())

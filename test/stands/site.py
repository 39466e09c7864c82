"""A video site on loopback: pages, files, HLS recorded and live, lists, and every way in which such a site fails.

    with Site() as site:
        clip = site.file("/clip.mp4", path)            # Range requests; change `clip.bytes_per_second` while it serves
        page = site.page("/watch", "/clip.mp4")        # a page with a <video> tag, as yt-dlp's generic extractor reads it
        site.feed("/list.rss", ["/watch", "/clip.mp4"])  # an RSS feed, which yt-dlp takes for a playlist
        segments = cut_hls(path, folder)               # index.m3u8 and segments, packets copied
        site.hls("/vod/index.m3u8", segments)          # recorded: the whole list, with its end
        live = site.live("/live/index.m3u8", segments) # live: a sliding window that grows in real time, for ever
        live.stall(); live.go_on(); live.end(); live.restart()
        site.status("/broken", 500); site.redirect_loop("/loop"); site.hang("/hang")
        site.url("/watch")                             # what goes into a playlist
        site.requests("/clip.mp4")                     # every request with its headers, query and time

Signed URLs: `site.page("/watch", "/clip.mp4", lives_seconds=3)` writes a fresh link with a token and `expire=` into every
answer; the file answers 403 to that token after its time (or after `lives_requests` requests), and to no token at all
where it was added with `signed=True`. Faults can be switched at any time: `site.fail("/clip.mp4", 403)`, `site.heal(…)`,
`clip.cut_after_bytes = 10_000` with `clip.cuts_left = 1` (once) or None (each time).
"""

from __future__ import annotations

import html
import itertools
import math
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_CHUNK = 16 * 1024
_CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".ts": "video/mp2t",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".jpg": "image/jpeg",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came in; header names in lower case, `monotonic` in seconds."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    monotonic: float


@dataclass(kw_only=True)
class ServedFile:
    """A file and how badly it is served; every field may be changed while it serves."""

    path: Path
    content_type: str
    bytes_per_second: float | None = None
    """Cap on the speed of each answer."""
    cut_after_bytes: int | None = None
    """Close the connection after so many bytes of an answer's body."""
    cuts_left: int | None = None
    """How many more answers are cut; None cuts each."""
    hang_after_bytes: int | None = None
    """Send nothing more after so many bytes, and keep the connection."""
    signed: bool = False
    """Answer 403 to a request without a valid token."""
    cookie: str | None = None
    """Answer 403 to a request without this `name=value`."""


@dataclass(kw_only=True)
class _Token:
    deadline: float
    requests_left: float


@dataclass(kw_only=True)
class Segments:
    """An HLS cut of a clip: names and lengths of its segments."""

    folder: Path
    names: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def target_seconds(self) -> int:
        """What #EXT-X-TARGETDURATION says."""
        return math.ceil(max(self.seconds))


def cut_hls(clip: Path, folder: Path, *, segment_seconds: float = 1.0, ffmpeg: str = "ffmpeg") -> Segments:
    """`clip` as MPEG-TS segments in `folder`, packets copied: cuts fall on its keyframes."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [ffmpeg, "-nostdin", "-loglevel", "error", "-i", str(clip), "-c", "copy", "-f", "hls"]
    command += ["-hls_time", str(segment_seconds), "-hls_list_size", "0", str(folder / "index.m3u8")]
    subprocess.run(command, check=True)
    segments = Segments(folder=folder)
    for line in (folder / "index.m3u8").read_text().splitlines():
        if line.startswith("#EXTINF:"):
            segments.seconds.append(float(line[8:].split(",")[0]))
        elif line and not line.startswith("#"):
            segments.names.append(line)
    return segments


class LiveStream:
    """A live HLS playlist over looped segments: `window` of them at a time, one more as each one's time has passed."""

    def __init__(self, segments: Segments, *, window: int) -> None:
        self._segments = segments
        self._window = window
        self._lock = threading.Lock()
        self._began = time.monotonic() - sum(segments.seconds[0] for _ in range(window))
        self._stalled_at: float | None = None
        self._ended = False

    def stall(self) -> None:
        """No further segment appears; the playlist stays as it is."""
        with self._lock:
            self._stalled_at = self._stalled_at or time.monotonic()

    def go_on(self) -> None:
        """Segments appear again, as if the encoder had paused."""
        with self._lock:
            if self._stalled_at is not None:
                self._began += time.monotonic() - self._stalled_at
                self._stalled_at = None

    def end(self) -> None:
        """The broadcast is over: the playlist gets its end tag and grows no more."""
        self.stall()
        with self._lock:
            self._ended = True

    def restart(self) -> None:
        """A new broadcast at the same address, numbered from 0 again."""
        with self._lock:
            self._began = time.monotonic() - sum(self._segments.seconds[0] for _ in range(self._window))
            self._stalled_at = None
            self._ended = False

    def playlist(self) -> str:
        """The playlist now."""
        with self._lock:
            elapsed = (self._stalled_at or time.monotonic()) - self._began
            ended = self._ended
        count = len(self._segments.names)
        total = sum(self._segments.seconds)
        finished = int(elapsed // total) * count
        rest = elapsed % total
        for seconds in self._segments.seconds:
            rest -= seconds
            if rest < 0:
                break
            finished += 1
        first = max(0, finished - self._window)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{self._segments.target_seconds}"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}", f"#EXT-X-DISCONTINUITY-SEQUENCE:{max(0, first - 1) // count}"]
        for number in range(first, finished):
            if number % count == 0 and number:
                lines.append("#EXT-X-DISCONTINUITY")
            lines += [f"#EXTINF:{self._segments.seconds[number % count]:.6f},", f"live-{number}.ts"]
        return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else [])]) + "\n"

    def segment(self, number: int) -> Path:
        """The file of the `number`-th segment since the beginning."""
        return self._segments.folder / self._segments.names[number % len(self._segments.names)]


class Site:
    """The server; a context manager. Every method may be called while it serves."""

    def __init__(self) -> None:
        self._routes: dict[str, Callable[[_Answer], None]] = {}
        self._failing: dict[str, int] = {}
        self._tokens: dict[str, _Token] = {}
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Answer)
        self._server.site = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="site", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._server.server_address[1])

    def url(self, path: str) -> str:
        """The address of `path`."""
        return f"http://127.0.0.1:{self.port}{path}"

    def requests(self, path: str | None = None) -> list[Request]:
        """Every request for `path` (or for anything) so far, oldest first."""
        with self._lock:
            return [request for request in self._requests if path in {None, request.path}]

    def file(self, path: str, clip: Path, *, content_type: str | None = None, **how: Any) -> ServedFile:
        """Serve `clip` at `path`; `how` is any field of ServedFile, and what is returned can be changed later."""
        known = _CONTENT_TYPES.get(clip.suffix.lower(), "application/octet-stream")
        served = ServedFile(path=clip, content_type=content_type or known, **how)
        self._routes[path] = lambda answer: answer.file(served)
        return served

    def page(
        self,
        path: str,
        target: str,
        *,
        title: str = "A page",
        lives_seconds: float | None = None,
        lives_requests: int | None = None,
        set_cookie: str | None = None,
        agent: str | None = None,
    ) -> None:
        """An HTML page whose video is at `target`; with `lives_…` each answer has a link of its own that expires.

        403 to a client that does not name itself `agent`, as sites do with a yt-dlp that is too old for them.
        """

        def serve(answer: _Answer) -> None:
            if agent is not None and answer.headers.get("User-Agent") != agent:
                answer.status(403)
                return
            link = target
            if lives_seconds is not None or lives_requests is not None:
                link = self.sign(target, lives_seconds=lives_seconds, lives_requests=lives_requests)
            kind = _CONTENT_TYPES.get(Path(urlsplit(target).path).suffix, "video/mp4")
            body = f"<!doctype html><html><head><title>{html.escape(title)}</title></head><body><video controls>"
            body += f'<source src="{html.escape(link)}" type="{kind}"></video></body></html>'
            answer.body(body.encode(), "text/html; charset=utf-8", {"Set-Cookie": set_cookie} if set_cookie else {})

        self._routes[path] = serve

    def sign(self, path: str, *, lives_seconds: float | None = None, lives_requests: int | None = None) -> str:
        """`path` with a fresh token, and `expire=` (seconds since 1970) where it has a time to live."""
        token = secrets.token_hex(8)
        lives = math.inf if lives_seconds is None else lives_seconds
        left = math.inf if lives_requests is None else lives_requests
        with self._lock:
            self._tokens[token] = _Token(deadline=time.monotonic() + lives, requests_left=left)
        expire = f"&expire={math.ceil(time.time() + lives)}" if lives_seconds is not None else ""
        return f"{path}?token={token}{expire}"

    def expire_links(self) -> None:
        """Every link that was signed until now is dead from now on."""
        with self._lock:
            for token in self._tokens.values():
                token.deadline = 0.0

    def feed(self, path: str, targets: Sequence[str], *, title: str = "A feed") -> None:
        """An RSS feed with an item a target (path on this site or whole URL)."""

        def serve(answer: _Answer) -> None:
            items = ""
            for number, target in enumerate(targets, start=1):
                link = html.escape(target if "://" in target else self.url(target))
                items += f"<item><title>Item {number}</title><link>{link}</link></item>"
            body = f'<?xml version="1.0"?><rss version="2.0"><channel><title>{html.escape(title)}</title>{items}'
            answer.body(f"{body}</channel></rss>".encode(), "application/rss+xml")

        self._routes[path] = serve

    def text(self, path: str, body: str, content_type: str = "text/plain") -> None:
        """Any text."""
        self._routes[path] = lambda answer: answer.body(body.encode(), content_type)

    def hls(self, path: str, segments: Segments) -> None:
        """A recorded HLS stream; its segments are ServedFile routes of their own."""
        folder = path.rsplit("/", 1)[0]
        self.file(path, segments.folder / "index.m3u8")
        for name in segments.names:
            self.file(f"{folder}/{name}", segments.folder / name)

    def live(self, path: str, segments: Segments, *, window: int = 4) -> LiveStream:
        """A live HLS stream that begins now, with a full window."""
        stream = LiveStream(segments, window=window)
        folder = path.rsplit("/", 1)[0]
        self._routes[path] = lambda answer: answer.body(stream.playlist().encode(), _CONTENT_TYPES[".m3u8"])
        self._routes[f"{folder}/live-*.ts"] = lambda answer: answer.file(
            ServedFile(path=stream.segment(answer.number), content_type="video/mp2t")
        )
        return stream

    def status(self, path: str, status: int) -> None:
        """Nothing but this status."""
        self._routes[path] = lambda answer: answer.status(status)

    def redirect(self, path: str, target: str) -> None:
        """302 to `target`."""
        self._routes[path] = lambda answer: answer.status(302, {"Location": target})

    def redirect_loop(self, path: str) -> None:
        """302 for ever, each time to another address."""
        counter = itertools.count()
        self._routes[path] = lambda answer: answer.status(302, {"Location": f"{path}?again={next(counter)}"})

    def hang(self, path: str) -> None:
        """Takes the request and never answers."""
        self._routes[path] = lambda answer: answer.hang()

    def fail(self, path: str, status: int) -> None:
        """Answer `path` with this status from now on, whatever it was."""
        self._failing[path] = status

    def heal(self, path: str) -> None:
        """Answer `path` as before `fail`."""
        self._failing.pop(path, None)

    def _route(self, answer: _Answer, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
        if request.path in self._failing:
            answer.status(self._failing[request.path])
            return
        live = re.fullmatch(r"(.*/live-)(\d+)\.ts", request.path)
        if live:
            answer.number = int(live[2])
        route = self._routes.get(f"{live[1]}*.ts" if live else request.path)
        if route is None:
            answer.status(404)
        else:
            route(answer)

    def _token_lives(self, request: Request) -> bool:
        with self._lock:
            token = self._tokens.get(request.query.get("token", [""])[0])
            if token is None or time.monotonic() > token.deadline or token.requests_left < 1:
                return False
            token.requests_left -= 1
            return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    site: Site

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the site."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    number = 0
    request_now: Request

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.request_now = Request(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query),
            headers={name.lower(): value for name, value in self.headers.items()},
            monotonic=time.monotonic(),
        )
        self.server.site._route(self, self.request_now)

    do_HEAD = do_GET  # noqa: N815 - named by http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by http.server
        """Say nothing: the tests read `Site.requests`."""

    def status(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._headers(status, {"Content-Length": "0", **(headers or {})})

    def body(self, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self._headers(200, {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang(self) -> None:
        self.server.site.closing.wait()
        self.close_connection = True

    def file(self, served: ServedFile) -> None:
        cookies = [cookie.strip() for cookie in self.headers.get("Cookie", "").split(";")]
        if served.cookie is not None and served.cookie not in cookies:
            self.status(403)
            return
        brings_token = "token" in self.request_now.query
        if (served.signed or brings_token) and not self.server.site._token_lives(self.request_now):
            self.status(403)
            return
        size = served.path.stat().st_size
        first, last, status = 0, size - 1, 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last, status = int(asked[1]), min(int(asked[2] or size - 1), size - 1), 206
            if first >= size:
                self.status(416, {"Content-Range": f"bytes */{size}"})
                return
        headers = {
            "Content-Type": served.content_type,
            "Content-Length": str(last - first + 1),
            "Accept-Ranges": "bytes",
        }
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._headers(status, headers)
        if self.command != "HEAD":
            self._send(served, first, last - first + 1)

    def _send(self, served: ServedFile, first: int, length: int) -> None:
        began, sent = time.monotonic(), 0
        with served.path.open("rb") as file:
            file.seek(first)
            while sent < length:
                limit = self._limit(served, sent)
                if limit == 0:
                    return
                data = file.read(min(_CHUNK, length - sent, limit))
                self.wfile.write(data)
                sent += len(data)
                if served.bytes_per_second is not None:
                    due = began + sent / served.bytes_per_second
                    self.server.site.closing.wait(max(0.0, due - time.monotonic()))

    def _limit(self, served: ServedFile, sent: int) -> int:
        """How many bytes may follow before the next fault; 0 where the connection was cut or has hung."""
        limit = _CHUNK
        if served.hang_after_bytes is not None:
            if sent >= served.hang_after_bytes:
                self.hang()
                return 0
            limit = served.hang_after_bytes - sent
        if served.cut_after_bytes is not None and served.cuts_left != 0:
            if sent >= served.cut_after_bytes:
                if served.cuts_left is not None:
                    served.cuts_left -= 1
                self.close_connection = True
                return 0
            limit = min(limit, served.cut_after_bytes - sent)
        return limit

    def _headers(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

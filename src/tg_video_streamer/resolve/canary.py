"""Tests the installed yt-dlp on a page that this process serves on loopback.

`python -m tg_video_streamer.resolve.canary` prints the version and exits 0, or prints the error and exits 1.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tg_video_streamer.errors import ResolveError, StreamerError
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Media
from tg_video_streamer.resolve.resolver import Resolver
from tg_video_streamer.resolve.ytdlp import ytdlp_version

TITLE = "The canary sings"
_VIDEO = "/canary.mp4"
_PAGE = (
    f'<!DOCTYPE html><html><head><title>{TITLE}</title><meta property="og:title" content="{TITLE}"></head>'
    f'<body><video src="{_VIDEO}"></video></body></html>'
).encode()
_MP4_BEGIN = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
"""The video itself is never read: only its page is resolved."""


class _Site(BaseHTTPRequestHandler):
    """One page with one video."""

    def do_GET(self) -> None:
        body, kind = (_MP4_BEGIN, "video/mp4") if self.path == _VIDEO else (_PAGE, "text/html; charset=utf-8")
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: stderr is for the error."""


@contextmanager
def _site() -> Iterator[str]:
    """Serve the page; its address without a path."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever, name="canary site", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def resolve_page(python: str = sys.executable) -> str:
    """Resolve the page with the yt-dlp of `python`, and return its version. Raises ResolveError."""
    version = await ytdlp_version(python)
    with _site() as address, tempfile.TemporaryDirectory() as folder:
        resolver = Resolver(
            allowed=lambda: AllowedFolders.of([]), scratch_folder=Path(folder) / "scratch", python=python
        )
        found = await resolver.resolve(Item(LocatorKind.URL, f"{address}/page"))
    if not isinstance(found, Media) or [media.location for media in found.inputs] != [address + _VIDEO]:
        raise ResolveError.of("ytdlp.canary_video", version=version)
    if TITLE not in found.title:
        raise ResolveError.of("ytdlp.canary_title", version=version)
    return version


def main() -> int:
    """Print the version; exit code 0 if it works."""
    try:
        version = asyncio.run(resolve_page())
    except StreamerError as error:
        print(f"canary: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    print(version)  # noqa: T201 - a command's answer
    return 0


if __name__ == "__main__":
    sys.exit(main())

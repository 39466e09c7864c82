"""A client of tus 1.0 that can break off, and the folder that it uploads into."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from stands.page_visitor import Answer, PageVisitor
from stands.waiting import wait_until
from tg_video_streamer.feed.probe.probe import probe
from tg_video_streamer.ffmpeg.source import Measured
from tg_video_streamer.playlist.uses import FileUses
from tg_video_streamer.resolve.media import Media, MediaInput
from tg_video_streamer.web.uploads.files import Space
from tg_video_streamer.web.uploads.uploads import Uploads


def uploads_into(
    folder: Path, *, quota: int = 100_000_000, floor: int = 0, uses: Callable[[], FileUses] = FileUses
) -> Callable[[], Uploads]:
    """Uploads that are probed as the service does it."""

    async def check(path: Path) -> None:
        await probe(Media(inputs=(MediaInput(location=str(path), is_file=True),)), measured=Measured.NOT)

    return lambda: Uploads(folder, space=Space(quota_bytes=quota, floor_bytes=floor), check=check, uses=uses)


@dataclass(kw_only=True)
class Sender:
    """One client with a bearer token."""

    port: int
    token: str

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        """One request with the headers of the protocol."""
        visitor = PageVisitor(port=self.port, token=self.token)
        sent: dict[str, str | None] = {"Tus-Resumable": "1.0.0", "Accept": "application/json"}
        if method == "POST" and body is None:
            body = b""
        return visitor.ask(path, method=method, body=body, headers=sent | (headers or {}))

    def begin(self, name: str, length: int) -> Answer:
        """Announce a file."""
        named = base64.b64encode(name.encode("utf-8", "surrogatepass")).decode()
        headers = {"Upload-Length": str(length), "Upload-Metadata": f"filename {named}"}
        return self.ask("POST", "/uploads/tus", headers)

    def offset(self, place: str) -> int:
        """How much the server has."""
        answer = self.ask("HEAD", place)
        assert answer.status == 200, answer
        return int(answer.headers["upload-offset"])

    def send(self, place: str, data: bytes, offset: int) -> Answer:
        """One piece."""
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        return self.ask("PATCH", place, headers, data)

    def break_off(self, place: str, data: bytes, offset: int, *, announced: int) -> None:
        """Send `data` of a longer piece, and cut the connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.putrequest("PATCH", place)
        for name, value in {
            "Tus-Resumable": "1.0.0",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            "Content-Length": str(announced),
        }.items():
            connection.putheader(name, value)
        connection.endheaders(data)
        wait_until(lambda: self.offset(place) == offset + len(data), what="what was sent is there")
        connection.close()

    def upload(self, name: str, data: bytes) -> str:
        """A whole file at once; its name on the server."""
        begun = self.begin(name, len(data))
        assert begun.status == 201, begun
        answer = self.send(begun.headers["location"], data, 0)
        assert answer.status == 204, answer
        return unquote(answer.headers["upload-name"])

"""Finds out what a server states about a direct link: a file, an endless radio, or a stream that states no length."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.resolve.media import Media, MediaInput

CHECK_SECONDS = 12.0
_STREAMED = frozenset(
    {
        *("video/mp2t", "video/mpeg", "video/x-mpegts", "video/vnd.dlna.mpeg-tts", "video/flv", "video/x-flv"),
        *("audio/mpeg", "audio/mp3", "audio/mpegurl", "audio/aac", "audio/aacp", "audio/x-aac", "audio/ogg"),
        *("application/ogg", "audio/opus", "audio/flac", "application/octet-stream", "video/ogg"),
    }
)
"""Kinds that can be read from any point on; all others are files, which have an end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """One request of the child."""

    url: str
    headers: Mapping[str, str]
    proxy: str
    public_only: bool
    stall_seconds: float
    """A silence of so long ends the connection …"""
    first_seconds: float | None = None
    """… and one of so long before its answer, if that is longer."""

    def as_json(self, **more: Any) -> bytes:
        """What goes to its stdin."""
        return json.dumps(
            {
                "url": self.url,
                "headers": dict(self.headers),
                "proxy": self.proxy if self.proxy.startswith("http://") else "",
                "public_only": self.public_only,
                "stall_seconds": self.stall_seconds,
                "first_seconds": self.first_seconds or self.stall_seconds,
                **more,
            }
        ).encode()


log = structlog.get_logger(__name__)

HTTP_COMMAND = (sys.executable, "-m", "tg_video_streamer.resolve.http_child")


async def checked_direct(media: Media, *, public_only: bool) -> Media:
    """`media` of a direct link with what its server states; as it is where the server does not answer."""
    direct = media.inputs[0]
    request = HttpRequest(
        url=direct.location,
        headers=direct.headers,
        proxy=media.proxy,
        public_only=public_only,
        stall_seconds=CHECK_SECONDS / 2,
    )
    try:
        done = await run(HTTP_COMMAND, stdin=request.as_json(check=True), timeout_seconds=CHECK_SECONDS)
        stated = json.loads(done.stdout or b"{}")
    except (ChildFailed, ValueError) as error:
        log.debug("a direct link was not checked", why=type(error).__name__)
        return media
    if not stated:
        return media
    states_length = stated["length"] is not None
    if states_length or (not stated["radio"] and stated["kind"] not in _STREAMED):
        known = replace(direct, states_length=states_length, whole_only=bool(stated["whole_only"]))
        return replace(media, inputs=(known,))
    received = MediaInput(
        location=direct.location,
        is_file=False,
        headers=direct.headers,
        received=True,
        states_length=False,
        public_only=public_only,
    )
    title = media.title if not stated["radio"] else stated["name"] or media.title
    return replace(media, inputs=(received,), is_live=bool(stated["radio"]), title=title)

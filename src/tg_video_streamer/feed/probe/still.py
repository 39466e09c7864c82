"""One picture of a source as a small JPEG, taken in a child process (`still_child`)."""

from __future__ import annotations

import json
import sys

from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.ffmpeg.inputs import proxy_environment
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.resolve.media import Media

_SECONDS = 30.0
_NICE = 19
_MAX_BYTES = 1 << 18


async def still_of(media: Media) -> bytes:
    """The picture; empty where there is none."""
    source = next((one for one in media.inputs if one.has_video), None)
    if source is None or media.is_live or source.growing is not None:
        return b""
    question = {
        "location": source.location,
        "is_file": source.is_file,
        "is_manifest": source.is_manifest,
        "headers": dict(source.headers),
        "request_bytes": source.request_bytes,
    }
    try:
        done = await run(
            (sys.executable, "-m", "tg_video_streamer.feed.probe.still_child"),
            stdin=json.dumps(question).encode(),
            timeout_seconds=_SECONDS,
            nice=_NICE,
            limit_bytes=_MAX_BYTES,
            environment=proxy_environment(media.proxy),
        )
    except ChildFailed:
        return b""
    return done.stdout

"""The child process that takes one picture out of a source: `python -m tg_video_streamer.feed.probe.still_child`.

It reads the input as JSON from stdin, so that no URL is on its command line, and writes a JPEG, or nothing, to stdout.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import av.error

from tg_video_streamer.feed.probe.opening import opened
from tg_video_streamer.ffmpeg.inputs import library_options
from tg_video_streamer.resolve.media import MediaInput

_WIDTH = 240
_SHARE = 0.1
"""How far into the source: first frames are often black."""
_MOST_FRAMES = 50


def main() -> int:
    """0 in any case: a source without a picture is no error."""
    source = MediaInput(**json.load(sys.stdin))
    with suppress(av.error.FFmpegError, OSError, ValueError):
        sys.stdout.buffer.write(_still(source))
    return 0


def _still(source: MediaInput) -> bytes:
    options = library_options(
        is_file=source.is_file,
        is_manifest=source.is_manifest,
        headers=source.headers,
        request_bytes=source.request_bytes,
    )
    location = f"file:{source.location}" if source.is_file else source.location
    with opened(location, options, is_file=source.is_file) as one:
        if not one.container.streams.video:
            return b""
        if one.container.duration:
            with suppress(av.error.FFmpegError):
                one.container.seek(int(one.container.duration * _SHARE))
        for number, frame in enumerate(one.container.decode(video=0)):
            if frame.key_frame or number >= _MOST_FRAMES:
                return _jpeg(frame)
    return b""


def _jpeg(frame: Any) -> bytes:
    height = max(2, round(frame.height * _WIDTH / frame.width / 2) * 2)
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = _WIDTH, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    small = frame.reformat(width=_WIDTH, height=height, format="yuvj420p")
    small.pts, small.time_base = 0, encoder.time_base
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])


if __name__ == "__main__":
    sys.exit(main())

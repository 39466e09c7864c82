"""A still of a live stream that waits: the newest keyframe that is buffered, decoded by a child."""

from __future__ import annotations

from pathlib import Path

from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import CodecHeaders, Packet
from tg_video_streamer.rtmp import flv

_HEIGHT = 360
_SECONDS = 10.0
_LIMIT_BYTES = 4 * 1024 * 1024


async def jpeg_of(keyframe: Packet, headers: CodecHeaders, *, ffmpeg: Path) -> bytes:
    """The picture as JPEG, 360 lines high. Raises ChildFailed, and ToolMissing."""
    file = flv.SILENT_FILE_HEADER + flv.file_tag(flv.VIDEO, 0, b"", flv.video_header(headers.video))
    file += flv.file_tag(flv.VIDEO, 0, flv.KEYFRAME_HEAD, keyframe.data)
    command = [
        *(str(ffmpeg), "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "pipe"),
        *("-f", "flv", "-i", "pipe:0", "-frames:v", "1", "-vf", f"scale=-2:{_HEIGHT}", "-f", "mjpeg", "pipe:1"),
    ]
    done = await run(command, stdin=file, timeout_seconds=_SECONDS, limit_bytes=_LIMIT_BYTES, nice=10)
    if done.returncode or not done.stdout:
        raise ChildFailed.of("live.no_still", detail=done.stderr_tail or Message.of("no_message"))
    return done.stdout

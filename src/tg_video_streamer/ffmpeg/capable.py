"""Finds the ffmpeg that can do what not every version can: the program's own, or the one of the wheel."""

from __future__ import annotations

from pathlib import Path

from tg_video_streamer.errors import ToolMissing
from tg_video_streamer.ffmpeg.binary import wheel_ffmpeg
from tg_video_streamer.ffmpeg.inputs import PIECES_OPTION
from tg_video_streamer.ffmpeg.runner import run

ANIMATED_WEBP = "webp_anim"
"""The demuxer of animated WebP."""
_ASK_SECONDS = 20.0
_known: dict[tuple[Path, tuple[str, ...]], bool] = {}


async def piecewise_ffmpeg(preferred: Path) -> Path | None:
    """The one that asks a site for a file in pieces, since some sites slow down a request for more; None: neither."""
    return await _first_able(preferred, ("-h", "protocol=http"), f"-{PIECES_OPTION} ")


async def webp_ffmpeg(preferred: Path) -> Path | None:
    """The one that plays animated WebP; None: neither."""
    return await _first_able(preferred, ("-h", f"demuxer={ANIMATED_WEBP}"), f"Demuxer {ANIMATED_WEBP}")


async def loopback_ffmpeg(preferred: Path) -> Path | None:
    """The one that can decode what it has encoded (`-dec`, from 7.1 on); None: neither."""
    return await _first_able(preferred, ("-dec", "0:0", "-h"), "usage:")


async def _first_able(preferred: Path, question: tuple[str, ...], sign: str) -> Path | None:
    """`preferred` if its answer to the arguments has the `sign`, else the wheel's; None where neither has it."""
    for program in (preferred, _wheel()):
        if program is None:
            continue
        if (program, question) not in _known:
            done = await run([program, "-hide_banner", *question], timeout_seconds=_ASK_SECONDS)
            _known[program, question] = sign.encode() in done.stdout
        if _known[program, question]:
            return program
    return None


def _wheel() -> Path | None:
    try:
        return wheel_ffmpeg()
    except ToolMissing:
        return None

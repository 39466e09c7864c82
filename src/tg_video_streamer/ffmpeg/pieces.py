"""Finds the ffmpeg that asks a site for a file in pieces: some sites slow down a request for more."""

from __future__ import annotations

from pathlib import Path

from tg_video_streamer.errors import ToolMissing
from tg_video_streamer.ffmpeg.binary import wheel_ffmpeg
from tg_video_streamer.ffmpeg.inputs import PIECES_OPTION
from tg_video_streamer.ffmpeg.runner import run

_ASK_SECONDS = 20.0
_known: dict[Path, bool] = {}


async def piecewise_ffmpeg(preferred: Path) -> Path | None:
    """`preferred` if it can, else the wheel's; None where neither can."""
    for program in (preferred, _wheel()):
        if program is None:
            continue
        if program not in _known:
            done = await run([program, "-hide_banner", "-h", "protocol=http"], timeout_seconds=_ASK_SECONDS)
            _known[program] = f"-{PIECES_OPTION} ".encode() in done.stdout
        if _known[program]:
            return program
    return None


def _wheel() -> Path | None:
    try:
        return wheel_ffmpeg()
    except ToolMissing:
        return None

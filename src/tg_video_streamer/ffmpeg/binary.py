"""Finds the installed ffmpeg program and font."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from tg_video_streamer.errors import ToolMissing

_LARGEST_SHARED = 8_000_000
"""Bytes of a program that has its libraries apart; a static one is far larger."""


def find_ffmpeg(override: str = "") -> Path:
    """Absolute path of ffmpeg: `override` (the setting), else the host's own, else the one of the imageio-ffmpeg wheel.

    A host's ffmpeg 6 or 7 is used only where the wheel has none: 7 shows the first picture of Matroska files twice.
    Raises ToolMissing if the override is not a program, or if no ffmpeg is installed.
    """
    if override:
        found = shutil.which(override)
        if found is None:
            raise ToolMissing.of("tool.ffmpeg_setting", path=override)
        return Path(found).absolute()
    found = shutil.which("ffmpeg")
    host = Path(found).absolute() if found is not None else None
    if host is not None and not _counts_from_priming(host):
        return host
    try:
        return wheel_ffmpeg()
    except ToolMissing:
        if host is None:
            raise
        return host


def _counts_from_priming(program: Path) -> bool:
    """Whether it is ffmpeg 7 or 6 with shared libraries, as in Debian 13 and Ubuntu 24.04.

    The Matroska demuxer of 7 (measured: 7.1.5) puts the start of a file at the priming of its sound, 21 ms before the first
    picture; 5.1, 9.0 and the probe's library put it at the picture. So every time would be half a picture late. 6 is not
    tested.
    """
    try:
        code = program.read_bytes() if program.stat().st_size < _LARGEST_SHARED else b""
    except OSError:
        return False
    return b"libavformat.so.61" in code or b"libavformat.so.60" in code


def fingerprint(path: Path) -> str:
    """Path, size and modification time, which change with the file's content; a missing file has a fingerprint too."""
    try:
        status = path.stat()
    except OSError:
        return str(path)
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def roboto(face: str) -> Path:
    """The TrueType file of a face of Roboto, such as "Medium", from the font-roboto wheel. Raises ToolMissing."""
    spec = find_spec("font_roboto")
    path = Path(spec.origin).parent / "files" / f"Roboto-{face}.ttf" if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise ToolMissing.of("tool.font", face=face)
    return path


def wheel_ffmpeg() -> Path:
    """Absolute path of the ffmpeg in the imageio-ffmpeg wheel. Raises ToolMissing."""
    # Found without importing the package, which would take 30 ms.
    spec = find_spec("imageio_ffmpeg")
    if spec is not None and spec.origin is not None:
        for binary in sorted((Path(spec.origin).parent / "binaries").glob("ffmpeg-*")):
            if os.access(binary, os.X_OK):
                return binary
    raise ToolMissing.of("tool.ffmpeg")

"""Finds the installed ffmpeg program and font."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from tg_video_streamer.errors import ToolMissing


def find_ffmpeg(override: str = "") -> Path:
    """Absolute path of ffmpeg: `override` (the setting), else the host's own, else the one of the imageio-ffmpeg wheel.

    Raises ToolMissing if the override is not a program, or if no ffmpeg is installed.
    """
    if override:
        found = shutil.which(override)
        if found is None:
            raise ToolMissing.of("tool.ffmpeg_setting", path=override)
        return Path(found).absolute()
    host = shutil.which("ffmpeg")
    return Path(host).absolute() if host is not None else wheel_ffmpeg()


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

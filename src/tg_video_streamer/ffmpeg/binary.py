"""Finds the ffmpeg program that everything is decoded and encoded with."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from tg_video_streamer.errors import ToolMissing


def find_ffmpeg(override: str = "") -> Path:
    """Absolute path of ffmpeg: `override` (the setting), else the host's own, else the one of the imageio-ffmpeg wheel.

    Raises ToolMissing where the override is no program, or where there is none at all.
    """
    if override:
        found = shutil.which(override)
        if found is None:
            raise ToolMissing(f"FFMPEG={override} is no program that can be run", remedy="correct it or leave it empty")
        return Path(found).absolute()
    host = shutil.which("ffmpeg")
    return Path(host).absolute() if host is not None else _wheel_ffmpeg()


def fingerprint(path: Path) -> str:
    """Path, size and time of change: another one means another program (or picture), at no cost of running it.

    A file that is not there has a fingerprint, too.
    """
    try:
        status = path.stat()
    except OSError:
        return str(path)
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _wheel_ffmpeg() -> Path:
    # Looked up without importing the package, which would cost 30 ms.
    spec = find_spec("imageio_ffmpeg")
    if spec is not None and spec.origin is not None:
        for binary in sorted((Path(spec.origin).parent / "binaries").glob("ffmpeg-*")):
            if os.access(binary, os.X_OK):
                return binary
    raise ToolMissing("no ffmpeg was found", remedy="install it with `apt install ffmpeg` or run `make setup` again")

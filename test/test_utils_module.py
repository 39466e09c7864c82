"""The names that are promised at the project's root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_utils_gives_the_promised_names() -> None:
    """`import utils` from the root reads FFMPEG_ARGS from the environment and gives arguments for picture and sound."""
    code = (
        "from utils import build_ffmpeg_av_args, parse_ffmpeg_args\n"
        "video, audio = build_ffmpeg_av_args('720p')\n"
        "assert parse_ffmpeg_args('-b:v 1000k -c:v h264') == ('-b:v', '1000k', '-c:v', 'libx264')\n"
        "assert '1000k' in video and 'libx264' in video and 'aac' in audio, (video, audio)\n"
    )
    environment = {"FFMPEG_ARGS": "-b:v 1000k -c:v h264"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

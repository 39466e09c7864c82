"""A sender of a live feed: ffmpeg that sends a clip in real time, in a loop, to one address or to who connects to it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stands.numbered import any_ffmpeg


@contextmanager
def sending(
    clip: Path, url: str, muxer: str, *, loop: bool = True, speed: float = 1.0, offset_seconds: float = 0.0
) -> Iterator[subprocess.Popen[bytes]]:
    """Send `clip`, packets copied, as long as the block lasts; `speed` 0.96 sends too slowly.

    `offset_seconds`: how much later its timestamps begin.
    """
    pace = ["-re"] if speed == 1.0 else ["-readrate", str(speed)]
    command = [any_ffmpeg(), "-nostdin", "-loglevel", "error", *pace, *(["-stream_loop", "-1"] if loop else [])]
    command += ["-i", str(clip), "-map", "0", "-c", "copy"]
    command += [*(["-output_ts_offset", str(offset_seconds)] if offset_seconds else []), "-f", muxer, url]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(60)

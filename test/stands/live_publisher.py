"""A real publisher, as OBS would be: ffmpeg that sends a numbered clip to the live input, in real time."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stands.numbered import any_ffmpeg


@dataclass(kw_only=True)
class LivePublisher:
    """One running ffmpeg; its stderr is kept for the test to read."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        """What it has said."""
        return self.log_file.read_text(errors="replace")

    def freeze(self) -> None:
        """SIGSTOP: the connection stays, nothing comes."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`, sending at once what was not sent meanwhile."""
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """As its user ends it: with a goodbye."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(120)

    def kill(self) -> None:
        """With no goodbye."""
        self.process.kill()
        self.process.wait(120)


@contextmanager
def publishing(
    clip: Path, url: str, folder: Path, *, encoder: tuple[str, ...] = ("-c", "copy"), container: str = "flv"
) -> Iterator[LivePublisher]:
    """Send `clip` from its beginning, in real time, for as long as the block lasts; by SRT its container is mpegts."""
    # Not a .log: it names the address, as ffmpeg does, and is no word of the product's.
    log_file = folder / f"publisher-{len(list(folder.glob('publisher-*')))}.said"
    command = [any_ffmpeg(), "-nostdin", "-loglevel", "info", "-re", "-i", str(clip), *encoder, "-f", container, url]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    publisher = LivePublisher(process=process, log_file=log_file)
    try:
        yield publisher
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            publisher.kill()

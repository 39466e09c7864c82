"""A person at a terminal: a command in a real pseudo-terminal, read and typed at as people do."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class Person:
    """Sees what the command draws on its terminal (`seen`), and types; its stdout is a pipe of its own."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self.seen = ""
        self._read_up_to = 0

    def waits_for(self, text: str, *, seconds: float = 60.0) -> str:
        """Everything up to `text`, which must come after what was waited for before."""
        deadline = time.monotonic() + seconds
        while (at := self.seen.find(text, self._read_up_to)) < 0:
            assert self._look(deadline - time.monotonic()), f"{text!r} did not come; seen: {self.seen!r}"
        before = self.seen[self._read_up_to : at]
        self._read_up_to = at + len(text)
        return before

    def types(self, line: str) -> None:
        """A line and Enter."""
        os.write(self._terminal, f"{line}\n".encode())

    def presses_ctrl_c(self) -> None:
        """As the keyboard does: through the terminal."""
        os.write(self._terminal, b"\x03")

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ECHO)

    def ends(self, *, seconds: float = 30.0) -> tuple[int, str]:
        """Exit code and stdout, once the command has ended and all it drew was seen."""
        deadline = time.monotonic() + seconds
        while self._look(deadline - time.monotonic()):
            pass
        assert self.process.stdout is not None
        out = self.process.stdout.read().decode()
        return self.process.wait(timeout=120), out

    def _look(self, seconds: float) -> bool:
        """See something more; False where there is nothing more."""
        ready, _, _ = select.select([self._terminal], [], [], max(seconds, 0))
        if not ready:
            return False
        try:
            piece = os.read(self._terminal, 65536)
        except OSError:  # how Linux tells that the other side of a terminal is closed
            return False
        self.seen += piece.decode("utf-8", "replace")
        return bool(piece)


@contextmanager
def at_a_terminal(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    rows: int = 60,
) -> Iterator[Person]:
    """Run `command` in a terminal of `rows` x 120 as its controlling one; it is gone when the block ends."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 120, 0, 0))
    process = subprocess.Popen(
        [*map(str, command)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", **(environment or {})},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - nothing of ours runs threads in the child
    )
    os.close(theirs)
    person = Person(process, ours)
    try:
        yield person
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
        assert process.stdout is not None
        process.stdout.close()

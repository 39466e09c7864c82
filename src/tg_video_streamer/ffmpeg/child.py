"""An ffmpeg child that one thread feeds through its stdin, with deadlines; for outputs, which run outside the event loop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.ffmpeg.runner import child_environment, guarded_command
from tg_video_streamer.locales.message import Message

_STEP_SECONDS = 0.1
_TAIL_LINES = 12
_TAIL_CHARACTERS = 500
_READ_BYTES = 64 * 1024


class FedChild:
    """A running child; the thread that made it uses, ends and reaps it, and must outlive it."""

    def __init__(
        self, command: Sequence[str | Path], *, clock: Clock, cancelled: threading.Event, hidden: Sequence[str] = ()
    ) -> None:
        """Start `command`; the words in `hidden` are removed from its messages. Raises ToolMissing."""
        self._name = Path(command[0]).name
        self._clock = clock
        self._cancelled = cancelled
        self._hidden = [word for word in sorted(hidden, key=len, reverse=True) if word]
        self._lines: deque[str] = deque(maxlen=_TAIL_LINES)
        self._partial = b""
        # Unbuffered pipes: a buffered writer would block past every deadline.
        self._process = subprocess.Popen(
            guarded_command(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101, PT018 - all are pipes
        self._stdin, self._stdout, self._stderr = self._process.stdin, self._process.stdout, self._process.stderr
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)

    @property
    def pid(self) -> int:
        """Process id, which is also its process group."""
        return self._process.pid

    def write(self, data: bytes, *, stall_seconds: float) -> None:
        """Write all of `data`. Raises ChildFailed if the child has ended or stalls, or the work was cancelled."""
        view = memoryview(data)
        moved_at = self._clock.monotonic()
        while view:
            if self._cancelled.is_set():
                raise ChildFailed.of("child.cancelled", name=self._name)
            try:
                # None if the pipe is full.
                written = self._stdin.write(view)
            except BrokenPipeError:
                raise self.failure() from None
            if written:
                view = view[written:]
                moved_at = self._clock.monotonic()
            elif self._clock.monotonic() - moved_at >= stall_seconds:
                raise self._failed("child.stalled", seconds=stall_seconds)
            else:
                self._wait(self._stdin.fileno())

    def read(self) -> bytes:
        """Its stdout so far. Raises ChildFailed if it has ended."""
        data = _available(self._stdout.fileno())
        self._read_stderr()
        if self._process.poll() is not None:
            raise self.failure()
        return data

    def failure(self) -> ChildFailed:
        """The error of its end, with its return code and last lines."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._read_stderr()
        code = self._process.poll()
        return self._failed("child.ended", code=code if code is not None else 0)

    def end(self, grace_seconds: float = 0.5) -> None:
        """Close its stdin, wait, kill it and its children, and reap it."""
        self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stdout.close()
        self._stderr.close()

    def _wait(self, descriptor: int) -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.register(self._stderr, select.POLLIN)
        poll.poll(_STEP_SECONDS * 1000)
        self._read_stderr()

    def _read_stderr(self) -> None:
        """Read its stderr, so that it never blocks, and store the last lines."""
        *lines, self._partial = (self._partial + _available(self._stderr.fileno())).split(b"\n")
        self._lines += [line.decode(errors="replace").strip()[:_TAIL_CHARACTERS] for line in lines]
        self._partial = self._partial[:_TAIL_CHARACTERS]

    def _failed(self, key: str, **values: float) -> ChildFailed:
        """The error with the last lines of its stderr."""
        text = "; ".join(filter(None, [*self._lines, self._partial.decode(errors="replace")]))
        for word in self._hidden:
            text = text.replace(word, "…")
        return ChildFailed.of(key, name=self._name, detail=text or Message.of("no_message"), **values)


def _available(descriptor: int) -> bytes:
    parts: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(descriptor, _READ_BYTES):
            parts.append(part)
    return b"".join(parts)

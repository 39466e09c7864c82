"""Runs child processes: minimal environment, last lines of stderr, always reaped, never outliving the service.

Why they die with the service: docs/decisions/0002-children-die-with-the-service.md.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tg_video_streamer.errors import ChildFailed, ToolMissing
from tg_video_streamer.ffmpeg.task_limit import task_saving_prefix
from tg_video_streamer.locales.message import Message

__all__ = ["DEVNULL", "PIPE", "Child", "Completed", "child_environment", "guarded_command", "run"]

TAIL_LINES = 40
"""How many of a child's last stderr lines are stored."""
LINE_CHARACTERS = 500
"""Longer lines of stderr are cut: ffmpeg can print a megabyte without a newline."""
CAPTURE_BYTES = 64 * 1024 * 1024
"""How much stdout is collected by default."""

_INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")

_PYTHON_SHIM = (
    "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,9);"
    "os.getppid()==int(sys.argv[1]) or os._exit(1);os.execvp(sys.argv[2],sys.argv[2:])"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """How a child ended: `returncode` is negative for a signal, `stderr_tail` has its last lines, joined."""

    returncode: int
    stdout: bytes
    stderr_tail: str


class Child(asyncio.SubprocessProtocol):
    """One running child process, made by `Child.start`; all methods belong to the event loop's thread."""

    def __init__(self, stdin: bytes | None, on_line: Callable[[str], None] | None, capture_bytes: int) -> None:
        self._stdin = stdin
        self._on_line = on_line
        self._capture_bytes = capture_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[None] = loop.create_future()
        self._drained: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self.stdout = bytearray()
        """Its output so far, if it was started with `stdout=PIPE`."""
        self.overflowed = False
        """It was killed because it wrote more than `capture_bytes`."""

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        command: Sequence[str | Path],
        *,
        stdin: bytes | int = DEVNULL,
        stdout: int = DEVNULL,
        pass_fds: Sequence[int] = (),
        nice: int = 0,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        grace_seconds: float = 0.0,
        capture_bytes: int = CAPTURE_BYTES,
    ) -> AsyncIterator[Child]:
        """Run `command` while the block lasts; leaving it kills and reaps the child and all that it started.

        `stdin`: bytes to write, or a descriptor. `stdout`: a descriptor, DEVNULL, or PIPE to collect it in `stdout`. The
        caller closes its descriptors after the start. `environment` is added to the minimal one. `on_line` gets each
        line of stderr. With `grace_seconds` the child gets SIGTERM and so much time to end before it is killed. Raises
        ToolMissing if the program is not installed.
        """
        given, descriptor = (stdin, PIPE) if isinstance(stdin, bytes) else (None, stdin)
        transport, child = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(given, on_line, capture_bytes),
            *guarded_command(command, nice=nice),
            stdin=descriptor,
            stdout=stdout,
            stderr=PIPE,
            pass_fds=tuple(pass_fds),
            env=child_environment(environment),
            cwd=folder,
            start_new_session=True,
        )
        try:
            yield child
        finally:
            await child.end(grace_seconds)
            transport.close()

    @property
    def pid(self) -> int:
        """Process id, which is also its process group and session."""
        assert self._transport is not None  # noqa: S101 - set before `start` yields
        return self._transport.get_pid()

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        assert self._transport is not None  # noqa: S101 - set before `start` yields
        return self._transport.get_returncode()

    @property
    def stderr_tail(self) -> str:
        """The last lines of its stderr."""
        return "\n".join([*self._lines, self._partial] if self._partial else self._lines)

    async def wait(self) -> int:
        """The return code, after its end and all of its output; its own children are killed too."""
        await asyncio.shield(self._drained)
        code = self.returncode
        assert code is not None  # noqa: S101 - drained only after the exit
        return code

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the child and all that it started, if they still run."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def end(self, grace_seconds: float = 0.0) -> None:
        """End it and all that it started, as leaving the block does; safe to cancel and to call again."""
        try:
            if grace_seconds > 0 and not self._exited.done():
                self.kill(signal.SIGTERM)
                self.kill(signal.SIGCONT)
                with suppress(TimeoutError):
                    async with asyncio.timeout(grace_seconds):
                        await asyncio.shield(self._exited)
        finally:
            self.kill()
            await asyncio.shield(self._exited)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio at the start: write the input."""
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - what subprocess_exec makes
        self._transport = transport
        if self._stdin is not None:
            pipe = transport.get_pipe_transport(0)
            assert isinstance(pipe, asyncio.WriteTransport)  # noqa: S101 - stdin is a pipe here
            pipe.write(self._stdin)
            pipe.write_eof()
            self._stdin = None

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Called by asyncio with each chunk of stdout or stderr."""
        if fd == 2:
            self._take_text(self._decoder.decode(data))
        elif len(self.stdout) + len(data) > self._capture_bytes:
            self.overflowed = True
            self.kill()
        else:
            self.stdout += data

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - a child need not read all
        """Called by asyncio when a pipe was read to its end."""
        if fd == 2 and self._partial:
            self._take_text("\n")

    def process_exited(self) -> None:
        """Called by asyncio after the exit: kill what the child has left running."""
        self.kill()
        if not self._exited.done():
            self._exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio always gives None
        """Called by asyncio after the exit, when every pipe was read to its end."""
        if not self._drained.done():
            self._drained.set_result(None)

    def _take_text(self, text: str) -> None:
        # Progress lines of ffmpeg end with a carriage return.
        *lines, rest = (self._partial + text).replace("\r", "\n").split("\n")
        while len(rest) > LINE_CHARACTERS:
            lines.append(rest[:LINE_CHARACTERS])
            rest = rest[LINE_CHARACTERS:]
        self._partial = rest
        for line in lines:
            if not line:
                continue
            self._lines.append(line[:LINE_CHARACTERS])
            if self._on_line is not None:
                self._on_line(line)


async def run(
    command: Sequence[str | Path],
    *,
    stdin: bytes = b"",
    timeout_seconds: float,
    limit_bytes: int = CAPTURE_BYTES,
    pass_fds: Sequence[int] = (),
    nice: int = 0,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Completed:
    """Run `command` to its end, whatever its return code.

    Raises ChildFailed if it takes longer than `timeout_seconds` or writes more than `limit_bytes` to stdout (it is killed
    then), and ToolMissing if the program is not installed.
    """
    name = Path(command[0]).name
    async with Child.start(
        command,
        stdin=stdin,
        stdout=PIPE,
        pass_fds=pass_fds,
        nice=nice,
        environment=environment,
        folder=folder,
        capture_bytes=limit_bytes,
    ) as child:
        try:
            async with asyncio.timeout(timeout_seconds):
                code = await child.wait()
        except TimeoutError:
            detail = child.stderr_tail.strip() or Message.of("no_message")
            raise ChildFailed.of("child.slow", name=name, seconds=timeout_seconds, detail=detail) from None
        if child.overflowed:
            raise ChildFailed.of("child.wrote_too_much", name=name, limit=limit_bytes)
        return Completed(returncode=code, stdout=bytes(child.stdout), stderr_tail=child.stderr_tail)


def guarded_command(command: Sequence[str | Path], *, nice: int = 0) -> list[str]:
    """`command` behind a program that makes the kernel kill it when the service's process ends.

    Only for children that a thread starts; all others use `Child` or `run`. Raises ToolMissing if the program is not
    installed.
    """
    program = shutil.which(command[0])
    if program is None:
        raise ToolMissing.of("tool.program", name=str(command[0]))
    words = [program, *(str(word) for word in command[1:])]
    if nice:
        words = ["nice", "-n", str(nice), *words]
    return [*_death_guard(), *task_saving_prefix(), *words]


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: where programs and certificates are, never the service's settings."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "LANG": "C.UTF-8", **(extra or {})}


@cache
def _death_guard() -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        return (setpriv, "--pdeathsig", "KILL", "--")
    if sys.platform == "linux":
        return (sys.executable, "-I", "-S", "-c", _PYTHON_SHIM, str(os.getpid()))
    return ()

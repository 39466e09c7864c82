"""Child processes: their environment, their output, and that none is ever left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from stands.waiting import wait_until
from tg_video_streamer.errors import ChildFailed, ToolMissing
from tg_video_streamer.ffmpeg import runner
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.runner import PIPE, Child, run


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition: Callable[[], object]) -> None:
    """Wait in the event loop for a fact."""
    async with asyncio.timeout(90):
        while not condition():  # noqa: ASYNC110 - facts about other processes set no event
            await asyncio.sleep(0.01)


def descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def in_loop(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run an async test, bounded, with warnings about left-over tasks and transports turned on."""
    asyncio.run(asyncio.wait_for(body(), 60), debug=True)


def test_run_gives_code_output_and_tail() -> None:
    """The caller gets a child's stdout, stderr and return code, and the child its stdin."""

    async def body() -> None:
        done = await run(
            ["sh", "-c", "cat; echo first >&2; echo last >&2; exit 3"], stdin=b"hello", timeout_seconds=120
        )
        assert (done.returncode, done.stdout, done.stderr_tail) == (3, b"hello", "first\nlast")

    in_loop(body)


def test_a_child_sees_nothing_of_the_services_environment() -> None:
    """Secrets in the service's environment never reach a child; what a caller adds does."""
    os.environ["SESSION_STRING"] = "very-secret"

    async def body() -> None:
        done = await run(["env"], timeout_seconds=120, environment={"https_proxy": "http://127.0.0.1:9"})
        names = {line.split("=")[0] for line in done.stdout.decode().splitlines()}
        assert "SESSION_STRING" not in names
        assert names <= {"PATH", "HOME", "LANG", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "https_proxy"}
        assert {"PATH", "https_proxy"} <= names

    try:
        in_loop(body)
    finally:
        del os.environ["SESSION_STRING"]


def test_a_child_that_hangs_is_killed_at_its_deadline() -> None:
    """A deadline ends a child that ignores SIGTERM; the error has its stderr."""

    async def body() -> None:
        with pytest.raises(ChildFailed, match=r"did not end within 0\.3 s: about to hang"):
            await run(["sh", "-c", "trap '' TERM; echo about to hang >&2; sleep 600"], timeout_seconds=0.3)

    in_loop(body)


def test_a_child_that_floods_is_killed() -> None:
    """Endless output costs no more memory than the limit, on either stream."""

    async def body() -> None:
        with pytest.raises(ChildFailed, match="more than 100000 bytes"):
            await run(["cat", "/dev/zero"], timeout_seconds=120, limit_bytes=100_000)
        noise = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2"
        done = await run(["sh", "-c", noise], timeout_seconds=120)
        assert done.stderr_tail.endswith("end")
        assert len(done.stderr_tail) <= runner.TAIL_LINES * (runner.LINE_CHARACTERS + 1)

    in_loop(body)


def test_an_unread_stdin_is_no_error() -> None:
    """A child that ends before it has read its input is judged by its return code."""

    async def body() -> None:
        done = await run(["true"], stdin=b"x" * 5_000_000, timeout_seconds=120)
        assert done.returncode == 0

    in_loop(body)


def test_a_missing_program_is_named() -> None:
    """A program that is not installed is an error with its name, not a return code of the guard."""

    async def body() -> None:
        with pytest.raises(ToolMissing, match="no-such-program"):
            await run(["no-such-program"], timeout_seconds=5)

    in_loop(body)


def test_lines_arrive_while_the_child_runs() -> None:
    """Lines of stderr are passed on as they come; a carriage return ends a line."""
    seen: list[str] = []

    async def body() -> None:
        script = "printf 'one\\rtwo\\nthree' >&2; sleep 600"
        async with Child.start(["sh", "-c", script], on_line=seen.append) as child:
            await until(lambda: "three" in child.stderr_tail)
            assert seen == ["one", "two"]
            assert child.returncode is None
            assert psutil.Process(child.pid).name() == "sh"

    in_loop(body)


def test_leaving_the_block_kills_the_whole_family() -> None:
    """A child's own children end with it, also those of a child that was stopped and of one that had ended first."""

    async def body() -> None:
        async with Child.start(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=PIPE) as child:
            await until(lambda: child.stdout.endswith(b"\n"))
            grandchild = int(child.stdout)
            assert alive(grandchild)
            os.kill(child.pid, signal.SIGSTOP)
        assert not psutil.pid_exists(child.pid)
        wait_until(lambda: not alive(grandchild), what="grandchild of a stopped child gone")
        done = await run(["sh", "-c", "sleep 600 & echo $!"], timeout_seconds=120)
        wait_until(lambda: not alive(int(done.stdout)), what="child of a child that ended gone")

    in_loop(body)


def test_cancelling_kills_and_reaps() -> None:
    """Cancellation ends the child even while its grace is running."""
    pids: list[int] = []

    async def stubborn() -> None:
        script = "trap '' TERM; echo ready >&2; while :; do sleep 1; done"
        async with Child.start(["sh", "-c", script], grace_seconds=600) as child:
            await until(lambda: "ready" in child.stderr_tail)
            pids.append(child.pid)

    async def body() -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(stubborn())
            await until(lambda: pids)
            await asyncio.sleep(0)
            task.cancel()
        assert task.cancelled()
        assert not psutil.pid_exists(pids[0])

    in_loop(body)


def test_grace_lets_a_child_finish() -> None:
    """With a grace, SIGTERM comes first, so that a file being written gets its end."""

    async def body() -> None:
        script = "trap 'echo bye >&2; exit 0' TERM; echo ready >&2; while :; do sleep 0.01; done"
        async with Child.start(["sh", "-c", script], grace_seconds=30) as child:
            await until(lambda: "ready" in child.stderr_tail)
        assert child.returncode == 0

    in_loop(body)


def test_nice_children_are_nice() -> None:
    """Work with low priority leaves the CPU to the program."""

    async def body() -> None:
        done = await run(["nice"], timeout_seconds=120, nice=7)
        assert int(done.stdout) == os.nice(0) + 7

    in_loop(body)


_SERVICE = """
import asyncio, os, signal, sys
from tg_video_streamer.ffmpeg import runner
if sys.argv[2] == "python":
    runner._death_guard.cache_clear()
    which = runner.shutil.which
    runner.shutil.which = lambda name: None if name == "setpriv" else which(name)

async def main():
    ffmpeg = sys.argv[1]
    full, _ = os.pipe(), None
    blocked = [ffmpeg, "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2", "-c", "rawvideo", "-f", "nut", "pipe:1"]
    silent = [ffmpeg, "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2", "-f", "null", "-"]
    deaf = ["sh", "-c", "trap '' TERM HUP PIPE INT; exec sleep 600"]
    async with (
        runner.Child.start(blocked, stdout=full[1], pass_fds=[full[0]]) as one,
        runner.Child.start(silent) as two,
        runner.Child.start(silent) as three,
        runner.Child.start(deaf) as four,
    ):
        while not all(child.stderr_tail for child in (one, two, three)):
            await asyncio.sleep(0.01)
        os.kill(three.pid, signal.SIGSTOP)
        print(one.pid, two.pid, three.pid, four.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("guard", ["setpriv", "python"])
def test_no_child_outlives_a_killed_service(guard: str) -> None:
    """Kill -9 of the service ends ffmpeg on a full pipe, ffmpeg at work, a stopped one, and a child deaf to signals."""
    command = [sys.executable, "-c", _SERVICE, str(find_ffmpeg()), guard]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        try:
            pids = [int(word) for word in service.stdout.readline().split()]
            assert len(pids) == 4
            assert all(alive(pid) for pid in pids)
        finally:
            service.kill()
        wait_until(lambda: not any(alive(pid) for pid in pids), what="all children gone after kill -9 of the service")


def test_starting_children_is_cheap() -> None:
    """The guard against left-over children costs a fraction of what ffmpeg needs to start."""

    async def fastest(command: list[str | Path]) -> float:
        taken = []
        for _ in range(5):
            began = time.monotonic()
            await run(command, timeout_seconds=120)
            taken.append(time.monotonic() - began)
        return min(taken)

    async def body() -> None:
        assert await fastest(["true"]) < await fastest([find_ffmpeg(), "-version"])

    in_loop(body)


def test_a_hundred_children_leave_no_descriptor() -> None:
    """Months of items use up no file descriptors."""

    async def body() -> None:
        await run(["true"], timeout_seconds=120)
        before = descriptors()
        for _ in range(100):
            await run(["cat"], stdin=b"x", timeout_seconds=120)
        assert descriptors() <= before

    in_loop(body)

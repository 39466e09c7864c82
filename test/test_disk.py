"""File operations apart from the event loop: a disk that hangs holds up only what waits for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tg_video_streamer import disk as disk_module
from tg_video_streamer.disk import THREADS, Disks
from tg_video_streamer.errors import DiskHangs
from tg_video_streamer.mounts import mount_of, parse


def test_a_disk_that_hangs_holds_up_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While every thread of one disk hangs, another one answers, no more threads are started, and its return is reported."""
    monkeypatch.setattr(disk_module, "TRY_AGAIN_SECONDS", 0.05)
    hung, healthy, released = tmp_path / "hung", tmp_path / "healthy", threading.Event()

    async def scene() -> None:
        disks, returned = Disks(), asyncio.Event()
        disks.know((hung, healthy))
        disks.on_return(returned.set)
        before = set(threading.enumerate())
        many = [disks.run_within(0.2, hung / "film.mp4", released.wait) for _ in range(3 * THREADS)]
        outcomes = await asyncio.gather(*many, return_exceptions=True)
        assert all(isinstance(one, DiskHangs) for one in outcomes), outcomes
        started = [one for one in threading.enumerate() if one not in before and one.name == "disk"]
        assert len(started) == THREADS
        assert disks.hangs(hung / "other.mp4")
        assert not disks.hangs(healthy)
        assert await disks.run(healthy, os.getpid) == os.getpid()
        (shown,) = disks.hanging()
        assert shown.folder == str(hung)
        assert shown.mount == mount_of(str(hung))
        with pytest.raises(DiskHangs, match=str(hung)):
            await disks.run(hung, os.getpid)
        released.set()
        async with asyncio.timeout(60):
            await returned.wait()
        assert disks.hanging() == ()
        assert await disks.run(hung, os.getpid) == os.getpid()

    asyncio.run(scene())


def test_a_disk_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that never returns does not end its disk: a later try finds that it answers."""
    monkeypatch.setattr(disk_module, "TRY_AGAIN_SECONDS", 0.05)
    never = threading.Event()

    async def scene() -> None:
        disks = Disks()
        disks.know((tmp_path,))
        with pytest.raises(DiskHangs):
            await disks.run_within(0.1, tmp_path, never.wait)
        await asyncio.sleep(0.1)
        assert await disks.run(tmp_path, os.getpid) == os.getpid()
        assert disks.hanging() == ()

    asyncio.run(scene())
    never.set()


def test_errors_and_answers_come_back(tmp_path: Path) -> None:
    """What the operation raises is raised where it is awaited."""

    async def scene() -> None:
        with pytest.raises(FileNotFoundError):
            await Disks().run(tmp_path, (tmp_path / "none").stat)

    asyncio.run(scene())


_HANGS_AND_ENDS = """
import asyncio, threading
from pathlib import Path
from tg_video_streamer.daemon_executor import DaemonExecutor
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs

async def main():
    asyncio.get_running_loop().set_default_executor(DaemonExecutor())
    threads = [asyncio.ensure_future(asyncio.to_thread(threading.Event().wait)) for _ in range(3)]
    try:
        await DISKS.run_within(0.1, Path("/"), threading.Event().wait)
    except DiskHangs:
        print("hangs", flush=True)
    for one in threads:
        one.cancel()

asyncio.run(main())
"""


def test_the_process_ends_while_a_disk_hangs() -> None:
    """The end of the process waits for no thread that hangs, of the disks or of the event loop."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _HANGS_AND_ENDS], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split()[-1]) == (0, "hangs"), done.stderr
    assert time.monotonic() - began < 50


def test_the_table_of_mounts() -> None:
    """The innermost mount is found by name, escapes are read, and of two at one folder the later one counts."""
    table = (
        b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        b"40 22 0:40 / /mnt/my\\040films rw shared:5 master:2 - nfs4 server:/films rw,hard\n"
        b"41 22 0:41 / /mnt rw - tmpfs tmpfs rw\n"
        b"42 22 0:42 / /mnt rw - autofs systemd-1 rw\n"
        b"garbage\n"
    )
    points = {one.point: str(one) for one in parse(table)}
    assert points == {
        "/": "/ (ext4, /dev/sda1)",
        "/mnt/my films": "/mnt/my films (nfs4, server:/films)",
        "/mnt": "/mnt (autofs, systemd-1)",
    }
    assert next(one.point for one in parse(table)) == "/mnt/my films"

"""SRT outputs, received by a real SRT listener."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from stands.ports import free_port
from stands.program import Program
from stands.received import decoded_pictures
from stands.waiting import wait_until
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.events import OutputChanged
from tg_video_streamer.ffmpeg.child import FedChild
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.state import OutputState

Start = Callable[..., OutputHandler]


@contextmanager
def listener(port: int, path: Path, query: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """An SRT listener that records what it gets."""
    url = f"srt://127.0.0.1:{port}?mode=listener{query}"
    process = subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", "-i", url, "-c", "copy", str(path)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_recorded(path: Path, byte_count: int) -> None:
    """Until the record is so long."""
    wait_until(lambda: path.exists() and path.stat().st_size > byte_count, what="a record")


def test_recorded_whole_and_fed_again(
    tmp_path: Path, program: Program, start: Start, events: list[OutputChanged]
) -> None:
    """Without a listener it retries; each listener gets the program from a keyframe on without a gap."""
    port = free_port()
    handler = start(program, f"srt://127.0.0.1:{port}?passphrase=TheSecret1234&connect_timeout=500")
    wait_until(lambda: any(one.state == "retrying" for one in events), what="a refusal")
    assert handler.status().state is not OutputState.ON_AIR
    for number in range(2):
        path = tmp_path / f"got{number}.ts"
        with listener(port, path, "&passphrase=TheSecret1234") as process:
            wait_until(lambda: handler.status().state is OutputState.ON_AIR, what="on air")
            wait_recorded(path, 400_000)
            if number == 0:
                process.kill()
                wait_until(lambda: handler.status().state is not OutputState.ON_AIR, what="a loss noticed")
            else:
                handler.stop()
                process.wait(120)
    # A listener on a busy host drops what comes later than its latency, as SRT has it: a picture may be torn.
    assert decoded_pictures(tmp_path / "got1.ts", torn=1) >= 25
    assert handler.status().reconnects >= 1
    assert not [one for one in events if "TheSecret" in str(one.error)]
    assert not [one for one in psutil.Process().children() if one.name() == "ffmpeg"]


def child(code: str) -> FedChild:
    """A child that runs some Python."""
    return FedChild(
        [sys.executable, "-c", code], clock=SystemClock(), cancelled=threading.Event(), hidden=["TheSecret"]
    )


def test_child_that_ends_tells_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return code and last lines are in the error, without what is hidden; the service's settings are not in its sight."""
    monkeypatch.setenv("SESSION_STRING", "never seen")
    one = child("import os,sys;print('SESSION_STRING' in os.environ,'at TheSecret',file=sys.stderr);sys.exit(3)")
    with pytest.raises(ChildFailed, match=r"code 3: False at …"):
        wait_until(lambda: one.read() and None, what="its end")
    one.end()
    assert not psutil.pid_exists(one.pid)


def test_child_that_reads_nothing_is_left() -> None:
    """A child that takes nothing costs its deadline, and is killed with what it started."""
    one = child("import subprocess,time;subprocess.Popen(['sleep','60']);print('up',flush=True);time.sleep(60)")
    wait_until(one.read, what="a started child")
    grandchildren = psutil.Process(one.pid).children()
    with pytest.raises(ChildFailed, match=r"took nothing for 0\.2 s"):
        one.write(bytes(10_000_000), stall_seconds=0.2)
    one.end(0.0)
    assert grandchildren
    wait_until(lambda: not [each for each in grandchildren if each.is_running() and each.status() != "zombie"])

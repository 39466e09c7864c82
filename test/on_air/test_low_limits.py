"""A host with few descriptors and tasks: the page may be lost, the picture never."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stands.service import COMMAND, running
from stands.waiting import wait_until

FILES = 64
TASKS = 40
CLIENTS = 60
_PIDS = Path("/sys/fs/cgroup/pids")


@pytest.fixture
def low_limits(tmp_path: Path) -> Iterator[Path]:
    """The command of the service under `ulimit -n 64` and, where this host lets us make a control group, TasksMax=40."""
    start = tmp_path / "start.sh"
    group = _PIDS / f"low-limits-{os.getpid()}"
    enter = ""
    if os.access(_PIDS, os.W_OK):
        group.mkdir()
        (group / "pids.max").write_text(f"{TASKS}\n")
        enter = f"echo $$ > {group}/cgroup.procs\n"
    start.write_text(f'#!/bin/sh\n{enter}ulimit -n {FILES}\nexec {COMMAND} "$@"\n')
    start.chmod(0o755)
    yield start
    if enter:
        wait_until(lambda: not (group / "cgroup.procs").read_text().strip(), what="the group is empty")
        group.rmdir()


@pytest.mark.long
def test_the_picture_outlives_the_page(low_limits: Path, media: Path, tmp_path: Path) -> None:
    """While idle clients hold all that page and metrics give away, items follow each other, and the page returns after them."""
    (tmp_path / "playlist.txt").write_text(f"{media / 'one.mp4'}\n{media / 'two.mp4'}\n")
    settings = {
        "PLAYLIST": str(tmp_path / "playlist.txt"),
        "MEDIA_DIRS": str(media),
        "VIDEO_QUALITY": "480p",
        "FFMPEG_ARGS": "-preset ultrafast",
        "OUTPUTS": f"file:{tmp_path / 'record.mp4'}",
    }
    with running(tmp_path / "service", settings, command=(low_limits,)) as service:
        service.wait_on_air()
        on_air = len(_aired(service.state_dir))
        with ExitStack() as clients:
            for number in range(CLIENTS):
                port = service.metrics_port if number % 2 else service.web_port
                client = clients.enter_context(socket.socket())
                client.setblocking(False)  # noqa: FBT003 - socket's own
                client.connect_ex(("127.0.0.1", port))
            wait_until(lambda: len(_aired(service.state_dir)) >= on_air + 3, timeout=90, what="three more items")
        service.wait_for(lambda status: status["healthy"], what="the page is back")
        shown = _aired(service.state_dir)[on_air:]
    assert {one["level"] for one in shown} == {"item"}, shown
    assert {one["reason"] for one in shown} <= {"ended", "stopped"}, shown
    for fault in ("Too many open files", "new thread", "Resource temporarily unavailable", "encoder_failed"):
        assert fault not in service.log


def _aired(state_dir: Path) -> list[dict[str, str]]:
    """The entries of the as-run log."""
    log = state_dir / "as-run.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

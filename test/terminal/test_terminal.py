"""The live view: what an operator sees in terminals of any size, and that no terminal can hold up the service."""

from __future__ import annotations

import io
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from stands.service import COMMAND
from stands.small_channel import PREVIEW, SmallChannel, served
from stands.waiting import wait_until
from tg_video_streamer.asrun.history import BAND_SECONDS, History, LevelSpan
from tg_video_streamer.control.socket.client import ask
from tg_video_streamer.control.status import ItemStatus, LiveStatus, ServiceStatus, ServiceWarning
from tg_video_streamer.locales.message import Message
from tg_video_streamer.terminal.screen import band, render

TEST_FOLDER = Path(__file__).parents[1]


def drawn(status: ServiceStatus, width: int = 80, height: int = 24, history: History | None = None) -> list[str]:
    """The lines of the view in a terminal of this size."""
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=True, color_system=None)
    console.print(render(status, preview_address=PREVIEW, now_wall=status.since_wall + 75, history=history), end="")
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_channel_on_air_in_80_by_24() -> None:
    """In 80 columns the operator sees address, state, item, progress, what comes next, outputs and warnings."""
    status = replace(SmallChannel().status(), position_seconds=150.0, uptime_seconds=90_061.0)
    assert drawn(status) == [
        "Preview http://127.0.0.1:8080/                                up 1 d 1 h · 0.1.0",
        " ON AIR  for 1 min 15 s  as planned",
        "Now     Big Buck Bunny 🐰",
        "        2:30 ━━━━━━━━━━━━━━━────────────────────────────────────────────── 10:00",
        "Next    10:00  سلام دنیا",
        "        10:00  Sintel",
        "Buffer  14.9 s   missing 0.00 s   lip sync 4 ms   played 1",
        "Output           State         Bit rate    Sent",
        "preview          on air        2.5 Mbit/s  12.3 MB",
        "rtmp-1           reconnecting              0 kB      connection refused, 3 reco…",
        "! playlist line 7: no such file",
    ]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"cached": True}, "cached  "),
        ({"cached": True, "prepared": True}, "prepared  "),
        ({"encode_step": "half"}, "half of the pictures  "),
        ({"cached": True, "channel_state": "on_slate", "level": "slate"}, ""),
    ],
)
def test_where_the_picture_comes_from(changes: dict[str, object], shown: str) -> None:
    """The badge line says whether the item was prepared or cached, or that a busy host encodes it plainer."""
    status = replace(SmallChannel().status(), **changes)  # type: ignore[arg-type]
    assert f"for 1 min 15 s  {shown}as planned" in drawn(status)[1]


def test_the_last_day_is_a_band_in_which_no_slate_is_lost() -> None:
    """Each cell shows the lowest level of its time, however short that was; where nothing was on air, a dot."""
    now = 1_000_000.0

    def span(starts_hours: float, ends_hours: float, level: str) -> LevelSpan:
        return LevelSpan(starts_wall=now - starts_hours * 3600, ends_wall=now - ends_hours * 3600, level=level)

    spans = (span(30, 12, "item"), span(12, 11.99, "slate"), span(11.99, 6, "item"), span(3, 2, "filler"))
    history = History(spans=spans, samples=(), gap_seconds_today=1.25)
    plain = band(history, cells=24, now_wall=now, ascii_only=True).plain
    assert plain == "============.=====   -  "
    assert band(history, cells=24, now_wall=now, ascii_only=False).plain == "▇▇▇▇▇▇▇▇▇▇▇▇▂▇▇▇▇▇···▅··"
    status = replace(SmallChannel().status(), since_wall=now - 75)
    lines = drawn(status, history=history)
    assert lines[6] == "Buffer  14.9 s   missing 0.00 s (today 1.25 s)   lip sync 4 ms   played 1"
    assert lines[7].startswith("24 h    ▇")
    assert len(lines[7]) == 80
    assert BAND_SECONDS == 24 * 3600


def test_a_degraded_channel_is_told_so() -> None:
    """Degraded mode with its reason and remedy, the session's state, the viewers, and what is known of the far end."""
    status = SmallChannel().status()
    output = replace(status.outputs[0], name="telegram-1", kind="telegram", delivery="unconfirmed")
    status = replace(status, outputs=(output,), session_state="valid", viewers=12)
    lines = drawn(status)
    assert "Session valid, 12 viewers" in lines
    assert "telegram-1       on air        2.5 Mbit/s  12.3 MB   delivery unconfirmed" in lines
    assert "DEGRADED" not in " ".join(lines)
    output = replace(output, state="retrying", delivery="missing", error=Message.raw("no stream"))
    status = replace(
        status,
        outputs=(output,),
        viewers=None,
        session_state="expired",
        degraded=True,
        degraded_reason=Message.raw("it has expired"),
    )
    lines = drawn(status, width=100)
    assert "  DEGRADED  " in lines[1]
    assert "Session expired" in lines
    assert "! degraded: it has expired; run: tg-video-streamer session renew --write-env" in lines
    assert any("delivery missing no stream" in line for line in lines)


def test_a_live_takeover_is_told_so() -> None:
    """Next to the state, in place of the item that waits, and with what comes in."""
    live = LiveStatus(state="on_air", since_wall=0.0, takeovers=1, place="local_network", width=1280, height=720)
    lines = drawn(replace(SmallChannel().status(), level="live", live=live, position_seconds=90.0))
    assert lines[1] == " ON AIR  for 1 min 15 s  LIVE TAKEOVER  as planned"
    assert lines[2] == "Now     live takeover; Big Buck Bunny 🐰 waits at 1:30 of 10:00"
    assert any(line.startswith("Live in on air, from the local network, 1280x720") for line in lines)


def test_a_wide_terminal_shows_more() -> None:
    """What is cut off in 80 columns is whole in 140."""
    lines = drawn(SmallChannel().status(), width=140, height=50)
    assert lines[9].endswith("connection refused, 3 reconnects, 12 packets dropped")


def test_on_air_is_not_claimed_alone_where_something_is_wrong() -> None:
    """A channel that is not healthy says so next to its state, with the reasons."""
    status = replace(
        SmallChannel().status(), healthy=False, problems=(Message.raw("rtmp-1 is not on air"),), paused=True
    )
    lines = drawn(status)
    assert lines[1] == " ON AIR  for 1 min 15 s  PAUSED  NOT HEALTHY  as planned"
    assert "! rtmp-1 is not on air" in lines


def test_nothing_on_air() -> None:
    """With no item the view says nothing is on, and shows no progress."""
    status = replace(
        SmallChannel().status(), now=None, next_items=(), channel_state="on_slate", reason=Message.raw("empty playlist")
    )
    lines = drawn(status)
    assert lines[1:4] == [" ON SLATE  for 1 min 15 s  empty playlist", "Now     nothing", ""]


def test_a_live_item_has_no_end() -> None:
    """A live item shows how long it has run."""
    live = ItemStatus(key="k", title="News", is_live=True)
    assert drawn(replace(SmallChannel().status(), now=live, position_seconds=3723))[3] == "        1:02:03 live"


def test_more_than_fits_is_counted() -> None:
    """Outputs, problems and warnings beyond the height are counted instead of pushing the rest away."""
    base = SmallChannel().status()
    status = replace(
        base,
        outputs=base.outputs * 20,
        warnings=(ServiceWarning(message=Message.raw("w")),) * 9,
        problems=(Message.raw("p"),) * 9,
    )
    lines = drawn(status)
    assert len(lines) <= 17
    assert "  and 31 more" in lines


_MESSAGES = st.text().map(Message.raw)


@settings(deadline=None)
@given(
    st.builds(
        replace,
        st.just(SmallChannel().status()),
        now=st.none()
        | st.builds(
            ItemStatus,
            key=st.text(),
            title=st.text(alphabet=st.characters(exclude_categories=())),
            duration_seconds=st.none() | st.floats(0, 1e9),
            is_live=st.booleans(),
        ),
        position_seconds=st.floats(0, 1e9),
        reason=_MESSAGES,
        problems=st.lists(_MESSAGES, max_size=30).map(tuple),
        warnings=st.lists(st.builds(ServiceWarning, message=_MESSAGES), max_size=30).map(tuple),
        outputs=st.integers(0, 20).map(lambda times: SmallChannel().status().outputs * times),
    ),
    st.integers(1, 200),
    st.integers(4, 60),
)
def test_no_status_leaves_the_terminal(status: ServiceStatus, width: int, height: int) -> None:
    """Whatever is shown, no line is wider than the terminal, and the view is never higher."""
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=True, color_system=None)
    console.print(render(status, preview_address=PREVIEW, now_wall=status.since_wall), end="")
    lines = file.getvalue().split("\n")
    assert max(map(cell_len, lines)) <= width
    assert len(lines) - 1 <= max(height, 6)
    assert "\x1b" not in file.getvalue()


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "stands.small_channel", str(folder)]


@contextmanager
def _tmux(command: list[str]) -> Iterator[Callable[..., str]]:
    """Runs tmux commands on a server of our own, whose one window of 80x24 shows `command`."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: apt install tmux")
    server = f"test-{uuid.uuid4().hex}"

    def run(*arguments: str) -> str:
        command = ["tmux", "-u", "-L", server, "-f", "/dev/null", *arguments]
        environment = os.environ | {"PYTHONPATH": str(TEST_FOLDER), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        for size in ("COLUMNS", "LINES"):  # a test runner's own width would hide the terminal's
            environment.pop(size, None)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout

    run("new-session", "-d", "-x", "80", "-y", "24", shlex.join(command), ";", "set", "remain-on-exit", "on")
    try:
        yield run
    finally:
        run("kill-server")


def _pane(tmux: Callable[..., str]) -> list[str]:
    return [line.rstrip() for line in tmux("capture-pane", "-p").splitlines()]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A small channel in the window."""
    with _tmux(_command(tmp_path)) as run:
        yield run


def test_a_service_is_followed_from_another_terminal(tmp_path: Path) -> None:
    """`status --watch` shows what the service shows, waits for it while it is gone, and ends with 0 at Ctrl-C."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"STATE_DIR={tmp_path}\n")
    command = [str(COMMAND), "status", "--watch", "--env-file", str(env_file)]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 3, "there is none"
    # tmux sometimes never learns the exit code of what it has seen close its terminal; a shell writes it down.
    ended = tmp_path / "ended"
    script = f"trap : INT; {shlex.join(command)}; echo $? >{shlex.quote(str(ended))}"
    with served(tmp_path) as channel, _tmux(["sh", "-c", script]) as tmux:
        wait_until(lambda: "rtmp-1           reconnecting" in "\n".join(_pane(tmux)), what="the table is there")
        assert _pane(tmux)[0].startswith("tg-video-streamer")
        assert any(line.startswith("24 h    ") for line in _pane(tmux))
        channel.pause()
        wait_until(lambda: " ON SLATE " in "\n".join(_pane(tmux)), what="the change is seen")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as piped:
            assert piped.stdout is not None
            assert piped.stdout.readline().startswith("on slate (paused) · Big Buck Bunny")
            piped.terminate()
        assert piped.returncode == 0, "where it is no terminal it tells each change in a line"
        channel.resume()
        wait_until(lambda: " ON AIR " in "\n".join(_pane(tmux)), what="back on air")
        (tmp_path / "control.sock").rename(tmp_path / "away.sock")
        wait_until(lambda: " NO ANSWER " in "\n".join(_pane(tmux)), what="it says that it waits")
        assert "waiting for it" in _pane(tmux)[0]
        (tmp_path / "away.sock").rename(tmp_path / "control.sock")
        wait_until(lambda: " ON AIR " in "\n".join(_pane(tmux)), what="it is there again")
        tmux("send-keys", "C-c")
        wait_until(lambda: ended.exists() and ended.read_text(), what="it ends")
        assert ended.read_text() == "0\n", _pane(tmux)


def test_the_view_in_a_real_terminal(tmux: Callable[..., str], tmp_path: Path) -> None:
    """In tmux at 80x24 the table stays below and continues, log lines scroll above it, and only they are left at the end."""

    def lines() -> list[str]:
        return _pane(tmux)

    wait_until(lambda: "rtmp-1           reconnecting" in "\n".join(lines()), what="the table is there")
    for _ in range(30):
        ask(tmp_path, "queue_clear", timeout_seconds=120)
    wait_until(lambda: lines()[13].startswith("Preview"), what="the table is at the bottom")
    screen = wait_until(lambda: lines() if lines()[14].startswith(" ON AIR  for ") else [], what="it is drawn")
    assert "command executed" in "".join(screen[:13])
    assert screen[13].startswith(f"Preview {PREVIEW}")
    assert screen[15] == "Now     Big Buck Bunny 🐰"
    assert screen[22].startswith("rtmp-1           reconnecting              0 kB      connection refused")
    assert screen[23] == "! playlist line 7: no such file"
    wait_until(lambda: lines()[14] != screen[14], what="the time continues")
    ask(tmp_path, "slate", {"on": True}, timeout_seconds=120)
    wait_until(lambda: any(line.startswith(" ON SLATE ") for line in lines()), what="the state is the new one")
    tmux("resize-window", "-x", "130", "-y", "40")
    wait_until(lambda: "3 reconnects, 12 packets dropped" in "\n".join(lines()), what="the width is used")
    os.kill(int(tmux("display-message", "-p", "#{pane_pid}")), signal.SIGTERM)
    last = wait_until(lambda: lines() if "channel has ended" in "\n".join(lines()) else [], what="it has ended")
    assert not [line for line in last if line.startswith("Preview")], "the table is taken away at the end"


@contextmanager
def _on_a_terminal(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A small channel on a terminal, and the terminal's other end, which shows the table by now."""
    master, slave = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(TEST_FOLDER), "TERM": "xterm-256color"}
    with subprocess.Popen(_command(folder), env=environment, stdout=slave, stderr=slave, stdin=slave) as process:
        os.close(slave)
        try:
            shown = b""
            while b"Preview" not in shown:
                shown += os.read(master, 65536)
            yield process, master
        finally:
            process.kill()


def test_a_terminal_that_takes_nothing_holds_up_nobody(tmp_path: Path) -> None:
    """With the terminal stopped (Ctrl-S) and more to log than it keeps, the service answers, and ends on request."""
    with _on_a_terminal(tmp_path) as (process, master):
        for _ in range(200):
            ask(tmp_path, "queue_add", {"line": "x" * 2000}, timeout_seconds=120)
        assert ask(tmp_path, "pause", timeout_seconds=120)["text"] == "paused"
        process.terminate()
        assert process.wait(timeout=120) == 0
        os.close(master)


def test_a_terminal_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    """With the terminal closed the service continues, and ends cleanly on request."""
    with _on_a_terminal(tmp_path) as (process, master):
        os.close(master)
        for _ in range(20):
            ask(tmp_path, "queue_clear", timeout_seconds=120)
        assert ask(tmp_path, "pause", timeout_seconds=120)["text"] == "paused"
        process.terminate()
        assert process.wait(timeout=120) == 0

"""The service itself: killed, stopped, started twice or wrongly, its disk full, its ports taken, and its operator's wishes."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from stands.channel import Channel, on_air
from stands.machine import Stopwatch
from stands.nginx_rtmp import NginxRtmp
from stands.service import Service, command_line, running, warning_texts
from stands.site import Site
from stands.waiting import wait_until

_GOP_SECONDS = 2.0


def _gone(processes: list[psutil.Process]) -> bool:
    """Whether all have ended; a zombie that waits for its parent has."""
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                return False
    return True


def test_a_killed_service_resumes_its_item(media: Path, tmp_path: Path) -> None:
    """After kill -9 no child is left, and a new start continues in the same item where the recorded stream broke off."""
    lines = [media / "long.mp4", media / "one.mp4"]
    with on_air(tmp_path, media, lines=lines) as channel:
        service = channel.service
        service.wait_for(lambda status: status["position_seconds"] > 5 and "long" in status["now"]["title"])
        children = service.children()
        assert children
        service.process.kill()
        service.process.wait(120)
        wait_until(lambda: _gone(children), what="the children of the killed service have ended")
        wait_until(lambda: "disconnect" in channel.server.log(), what="the server has closed its record")
        service.start()
        service.wait_on_air()
        service.wait_for(lambda status: status["program_seconds"] > 3, what="some program")
        status, metrics = service.status(), channel.metrics()
        assert service.stop() == 0
        before, after = channel.aired(record=0), channel.aired(record=-1)

    assert len(channel.server.records()) == 2
    assert (before.faults, after.faults) == ([], [])
    ended = before.stretches[-1]
    begun = next(one for one in after.stretches if one.item_id is not None)
    assert (ended.item_id, begun.item_id) == (5, 5)
    assert abs(begun.numbers[0] - ended.numbers[-1]) <= 50
    assert all(one.frames <= 100 for one in after.of(None)), "the slate at the start"
    killed, *_ = (line for line in channel.as_run() if line["reason"] == "killed")
    assert "long" in killed["title"]
    assert killed["seconds"] == pytest.approx(len(ended.numbers) / 25, abs=4)
    assert status["streams_played"] == 0
    assert re.search(r"^streams_played_total 0(\.0)?$", metrics, re.MULTILINE), metrics


def _with_ytdlp(service: Service) -> list[psutil.Process]:
    """All its children, once yt-dlp is among them."""
    children = service.children()
    return children if any("ytdlp_child" in " ".join(command_line(child)) for child in children) else []


def _stopped(service: Service, number: signal.Signals) -> bool:
    """Whether it has ended in order within three seconds."""
    stopping = Stopwatch()
    return service.stop(number) == 0 and stopping.stop() < 3


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_signal_ends_the_service_in_time(media: Path, tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end a service on air within 3 s with exit 0, its record whole, though yt-dlp hangs; no child stays."""
    with Site() as site:
        site.hang("/hang")
        with on_air(tmp_path, media, lines=[media / "one.mp4", site.url("/hang")]) as channel:
            wait_until(lambda: site.requests("/hang"), what="yt-dlp waits for the site")
            children = wait_until(lambda: _with_ytdlp(channel.service), what="yt-dlp is there")
            assert _stopped(channel.service, number)
            assert _gone(children)
            record = channel.aired()
    assert record.faults == []
    assert "Traceback" not in channel.service.log


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_signal_ends_a_service_that_is_still_starting(media: Path, tmp_path: Path, number: signal.Signals) -> None:
    """The same while it still prepares: its children are gone, and it says nothing but that it stops."""
    with NginxRtmp(tmp_path / "nginx") as server:
        (tmp_path / "playlist.txt").write_text(f"{media / 'one.mp4'}\n")
        settings = {"PLAYLIST": str(tmp_path / "playlist.txt"), "OUTPUTS": server.url(), "MEDIA_DIRS": str(media)}
        with running(tmp_path / "service", settings | {"VIDEO_QUALITY": "1080p"}) as service:
            children = wait_until(service.feeds, what="the first ffmpeg")
            assert _stopped(service, number)
            assert _gone(children)
    assert "Traceback" not in service.log


def test_bad_settings_are_told_all_at_once(tmp_path: Path) -> None:
    """Each wrong value is one line on stderr with its key, and the exit code is 78."""
    (tmp_path / ".env").write_text("VIDEO_QUALITY=9000p\nOUTPUTS=gopher://x\nBUFFER_SECONDS=-1\nWEB_PORT=http\n")
    service = Service(folder=tmp_path, settings={})
    done = service.command("run", "--no-table")
    assert done.returncode == 78, done
    for key in ("VIDEO_QUALITY", "OUTPUTS", "BUFFER_SECONDS", "WEB_PORT"):
        assert len([line for line in done.stderr.splitlines() if key in line]) == 1, done.stderr


_SECRETS = {"stream key": "key-that-nobody-sees", "proxy password": "proxy-word", "site password": "site-word"}


@pytest.fixture(scope="module")
def operated(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    """A channel that its operator works on; the ports for its page and its metrics were taken when it started."""
    folder = tmp_path_factory.mktemp("operated")
    secret = {
        "key": _SECRETS["stream key"],
        "YTDLP_PROXY": f"http://someone:{_SECRETS['proxy password']}@127.0.0.1:9",
        "YTDLP_ARGS": f"--username me --password {_SECRETS['site password']}",
    }
    lines = [media / "long.mp4", media / "one.mp4"]
    with _taken() as web, _taken() as metrics:
        ports = {"WEB_PORT": str(web), "PROMETHEUS_PORT": str(metrics)}
        with on_air(folder, media, lines=lines, wait=False, **secret, **ports) as channel:
            address = r"preview and status .*address=http://127\.0\.0\.1:(\d+)"
            found = wait_until(lambda: re.findall(address, channel.service.log), what="the address of the page")
            channel.service.web_port = int(found[0])
            channel.service.wait_on_air()
            channel.wait_now("long")
            yield channel


@contextlib.contextmanager
def _taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def test_taken_ports_are_told_and_the_next_ones_used(operated: Channel) -> None:
    """Page and metrics are where the log says that they are, each with a WARNING, and the service is on air."""
    log = operated.service.log
    found = re.search(r"\[warning *\] PROMETHEUS_PORT (\d+) is taken; metrics are at port (\d+)", log)
    assert found, log
    assert found[1] == operated.service.settings["PROMETHEUS_PORT"]
    operated.service.metrics_port = int(found[2])
    assert "streams_played_total 1" in operated.metrics()
    assert re.search(r"\[warning *\] web port is taken", log)
    assert operated.service.status()["healthy"]
    assert any("PROMETHEUS_PORT" in warning for warning in warning_texts(operated.service.status()))


@pytest.mark.parametrize(("hold", "release"), [("pause", "resume"), ("slate on", "slate off")])
def test_a_held_item_waits_behind_the_slate(operated: Channel, hold: str, release: str) -> None:
    """Viewers see the slate at once, and then the item from the last picture that they can join at, with no hole."""
    since = operated.mark() - _GOP_SECONDS - 0.5
    operated.ask(*hold.split())
    status = operated.wait_state("on_slate")
    assert status["healthy"]
    position = status["position_seconds"]
    operated.wait_recorded(operated.mark() + 1)
    assert operated.service.status()["position_seconds"] == position
    operated.ask(*release.split())
    operated.wait_now("long")
    operated.wait_recorded(operated.mark() + 1)
    aired = operated.aired(since)

    assert aired.faults == []
    before, slate, after = aired.stretches[-3:]
    assert [before.item_id, slate.item_id, after.item_id] == [5, None, 5]
    assert slate.frames >= 25
    assert before.numbers[-1] - 50 < after.numbers[0] <= before.numbers[-1] + 1


def test_skip_cuts_at_once_to_what_was_queued(operated: Channel, media: Path) -> None:
    """A queued line is what follows, and the cut is made within two frames of the command."""
    # The tests before may have left another item on air, or this one near its end.
    jumps = operated.service.log.count("reason=skipped")
    operated.ask("jump", operated.ask("search", "long").split()[0])
    wait_until(lambda: operated.service.log.count("reason=skipped") > jumps, what="the jump is on air")
    operated.wait_now("long")
    operated.wait_recorded(operated.mark() + 1)
    since = operated.mark() - _GOP_SECONDS - 0.5
    operated.ask("queue", "add", str(media / "three.mp4"))
    # A child that was too quick to be seen has primed it.
    with contextlib.suppress(AssertionError):
        wait_until(lambda: operated.service.feeds_of(media / "three.mp4"), timeout=10, what="three is being primed")
    assert "three" in operated.ask("queue", "list")
    operated.service.wait_for(lambda status: "three" in status["next_items"][0]["title"], what="three comes next")
    wait_until(lambda: not operated.service.feeds_of(media / "three.mp4"), what="three is primed")
    operated.ask("skip")
    operated.wait_now("three")
    operated.wait_now("one")
    operated.wait_recorded(operated.mark() + 1)
    left = next(line for line in reversed(operated.as_run()) if line["title"] == "long")
    cut, asked = _logged(operated, "reason=skipped"), _logged(operated, "command executed .*command=skip")
    aired = operated.aired(since)

    assert (cut - asked).total_seconds() <= 2 / 25
    assert aired.faults == []
    # A busy machine shows the slate until the item behind the queued one is primed.
    assert aired.items[-1] == 1
    queued = aired.items.index(3)
    assert aired.items[queued - 1] == 5
    assert aired.stretches[queued].numbers == list(range(100))
    assert left["reason"] == "skipped"


def _logged(channel: Channel, what: str) -> datetime:
    """When the last line that has `what` in it was logged."""
    stamps = re.findall(rf"^(\S+Z) .*{what}", channel.service.log, re.MULTILINE)
    return datetime.fromisoformat(stamps[-1])


def test_a_second_service_with_the_same_folder_is_refused(operated: Channel) -> None:
    """It exits 1 with one line that says so, and the first continues unharmed."""
    second = subprocess.run(
        [*operated.service.program, "run", "--env-file", operated.service.env_file, "--no-table"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert second.returncode == 1, second
    assert "already running" in second.stderr
    assert second.stderr.count("\n") == 1, second.stderr
    assert operated.service.status()["healthy"]


def test_reload_reads_the_list_again(operated: Channel) -> None:
    """The command answers at once, and the list is read, though nothing has changed in it."""
    before = operated.service.log.count("playlist read")
    operated.ask("reload")
    wait_until(lambda: operated.service.log.count("playlist read") > before, what="the list is read")


def test_health_says_whether_media_leaves(operated: Channel) -> None:
    """The health check is 200 on air, 503 with the reason while the RTMP server is away, and 200 again."""
    operated.service.wait_on_air()
    assert operated.service.page("/healthz")[0] == 200
    operated.server.stop()
    wait_until(lambda: operated.service.page("/healthz")[0] == 503, what="the health check fails")
    why = operated.service.page("/healthz")[1]
    assert "rtmp" in why
    operated.server.start()
    wait_until(lambda: operated.service.page("/healthz")[0] == 200, what="healthy again")


@pytest.mark.parametrize("name", _SECRETS)
def test_no_secret_is_anywhere_to_be_seen(operated: Channel, name: str) -> None:
    """Log, status, page, metrics, `ps` of the service and its children, and the children's environment: no secret."""
    service, secret = operated.service, _SECRETS[name]
    assert secret in service.env_file.read_text()
    assert operated.ask("status")
    children = service.children()
    assert children
    shown = {path: service.page(path)[1] for path in ("/", "/status.json", "/healthz")}
    shown |= {"log": service.log, "metrics": operated.metrics(), "status": operated.ask("status", "--json")}
    for process in (psutil.Process(service.process.pid), *children):
        # A child may have ended by now.
        with contextlib.suppress(OSError):
            shown[f"command line of {process.pid}"] = Path(f"/proc/{process.pid}/cmdline").read_text()
            if process in children:
                shown[f"environment of {process.pid}"] = Path(f"/proc/{process.pid}/environ").read_text()
    for file in (path for path in service.state_dir.rglob("*") if path.is_file() and path.suffix != ".mkv"):
        shown[file.name] = file.read_text(errors="replace")
    assert any(where.startswith("environment") for where in shown)
    assert [where for where, text in shown.items() if secret in text] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB; only root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_costs_the_place_and_not_the_program(media: Path, tmp_path: Path, small_disk: Path) -> None:
    """With STATE_DIR's disk full the program continues; it is logged once, and all is written once there is room again."""
    lines = [media / name for name in ("one.mp4", "two.mp4", "three.mp4")]
    with on_air(tmp_path / "channel", media, lines=lines, STATE_DIR=str(small_disk / "state")) as channel:
        service = channel.service
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        played = service.status()["streams_played"]
        service.wait_for(lambda status: status["streams_played"] >= played + 2, what="two items with a full disk")
        complaint = "the position cannot be saved"
        wait_until(lambda: complaint in service.log, what="the complaint")
        assert service.status()["healthy"]
        filler.unlink()
        wait_until(lambda: "the position is saved again" in service.log, what="it is saved again")
        wait_until(lambda: len(channel.as_run()) >= played + 1, what="the as-run log is complete")
        log = service.log
        assert service.stop() == 0
        aired = channel.aired()

    assert log.count(complaint) == 1
    assert "Traceback" not in log
    assert aired.faults == []
    assert [item for item in aired.items if item is None] in ([], [None])

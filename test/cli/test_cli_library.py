"""The library's commands: cached encodes are listed, made ahead of need, pruned and checked, next to a service and alone."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import psutil
import pytest

from stands import cached
from stands.numbered import Plan, make_clip
from stands.service import COMMAND, running
from stands.site import Site
from stands.virtual_time import SetClock
from stands.waiting import wait_until
from tg_video_streamer.library.cached_encode import CachedEncode

FRAMES = {"one": 50, "two": 75}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one.mp4` and `two.mp4`, two and three seconds, and `long.mp4`, which takes longer to encode than a test waits."""
    folder = tmp_path_factory.mktemp("media")
    for number, (name, frames) in enumerate(FRAMES.items(), start=1):
        make_clip(folder / f"{name}.mp4", Plan(item_id=number, frames=frames, width=426, height=240))
    clip = make_clip(folder / "ten.mp4", Plan(item_id=3, frames=250, width=426, height=240))
    loop = ("ffmpeg", "-nostdin", "-loglevel", "error", "-stream_loop", "360", "-i", str(clip), "-c", "copy")
    subprocess.run([*loop, str(folder / "long.mp4")], check=True)
    clip.unlink()
    return folder


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Somebody in a shell, in the folder of the settings file."""

    folder: Path
    settings: dict[str, str]

    @property
    def library(self) -> Path:
        """Where the copies are."""
        return self.folder / "state" / "library"

    def write(self, lines: Sequence[str | Path] = (), **more: str) -> None:
        """The settings file and the playlist."""
        (self.folder / "playlist.txt").write_text("".join(f"{line}\n" for line in lines))
        values = {**self.settings, **more}
        (self.folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        (self.folder / ".env").chmod(0o600)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command, without waiting for it."""
        return subprocess.Popen(
            [COMMAND, "library", *arguments, "--env-file", ".env"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command."""
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def frames(self) -> list[int]:
        """How many pictures a player finds in each copy, the fewest first."""
        return sorted(pictures(path) for path in self.library.glob("*.flv"))


@pytest.fixture
def operator(tmp_path: Path, media: Path) -> Operator:
    """With no library yet."""
    settings = {
        "STATE_DIR": "state",
        "PLAYLIST": "playlist.txt",
        "MEDIA_DIRS": str(media),
        "VIDEO_SIZE": "320x180",
        "FRAME_RATE": "25",
        "FFMPEG_ARGS": "-preset ultrafast",
    }
    return Operator(folder=tmp_path, settings=settings)


def pictures(path: Path) -> int:
    """How many there are in a file, decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def keep(operator: Operator, *titles: str) -> list[CachedEncode]:
    """Copies of made-up packets with these titles, kept and played in this order, a minute apart."""
    clock = SetClock(1_700_000_000.0)
    library = cached.library(operator.library, clock=clock)
    copies = []
    for title in titles:
        copy = cached.encode(library, cached.item(title))
        clock.now += 60
        library.played(copy)
        copies.append(copy)
    library.close()
    return copies


# list, prune, verify


@pytest.mark.parametrize("command", ["list", "prepare", "prune", "verify"])
def test_a_library_that_is_off(operator: Operator, command: str) -> None:
    """With LIBRARY_MAX_GB=0 every command says so in one line and fails."""
    operator.write(LIBRARY_MAX_GB="0")
    result = operator.run(command)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("tg-video-streamer: the library is off: LIBRARY_MAX_GB is 0; ")
    assert result.stderr.count("\n") == 1


def test_what_changes_in_the_picture_is_not_kept(operator: Operator) -> None:
    """With CLOCK or NOW_PLAYING there is nothing to prepare, and both are named."""
    operator.write(CLOCK="1", NOW_PLAYING="1")
    result = operator.run("prepare")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "nothing is cached with CLOCK, NOW_PLAYING" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may use the folder of another user")
def test_another_users_library_is_left_alone(operator: Operator) -> None:
    """Root learns whose the library is, since the service could not use what root makes in it."""
    operator.write()
    operator.library.mkdir(parents=True)
    os.chown(operator.library, 65534, 65534)
    for command in ("list", "prepare"):
        result = operator.run(command)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1)
        assert " belongs to nobody; run the command as that user: sudo -u nobody" in result.stderr
    assert list(operator.library.iterdir()) == []


def test_a_folder_that_cannot_be_used(operator: Operator) -> None:
    """A library that cannot be opened is reported in one line."""
    operator.write(LIBRARY_DIR="file")
    (operator.folder / "file").touch()
    result = operator.run("list")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "set LIBRARY_DIR" in result.stderr


def test_list(operator: Operator) -> None:
    """What was played last stands first; each copy has its length, size and plays, and all together their limit."""
    operator.write(LIBRARY_MAX_GB="0.001")
    assert operator.run("list").stdout == "0 encodes, 0 kB of 1.0 MB (0 %)\n"
    first, _ = keep(operator, "Nosferatu", "Metropolis")
    result = operator.run("list")
    assert (result.returncode, result.stderr) == (0, "")
    head, *rows, totals = result.stdout.splitlines()
    assert head.split() == ["cached", "last", "played", "plays", "length", "size", "title"]
    assert [row.split()[-1] for row in rows] == ["Metropolis", "Nosferatu"]
    assert rows[1].split()[4:-1] == ["1", "0:04", str(round(first.bytes / 1000)), "kB"]
    assert totals == f"2 encodes, {round(first.bytes / 500)} kB of 1.0 MB ({first.bytes / 5000:.0f} %)"
    told = json.loads(operator.run("list", "--json").stdout)
    assert [copy["title"] for copy in told["encodes"]] == ["Metropolis", "Nosferatu"]
    assert (told["bytes"], told["max_bytes"]) == (2 * first.bytes, 1_000_000)
    assert Path(told["encodes"][1]["file"]).stat().st_size == first.bytes


def test_no_title_reaches_the_terminal(operator: Operator) -> None:
    """Titles come from strangers: no control character of theirs is printed, by no command."""
    evil = "\x1b]0;owned\x07\x1b[2J\r\u202eevil\nline\x9b1m"
    operator.write(LIBRARY_MAX_GB="0.00001")
    keep(operator, evil)[0].path.write_bytes(b"damaged")
    for command in (["list"], ["list", "--json"], ["verify"], ["prune"]):
        result = operator.run(*command)
        printed = (result.stdout + result.stderr).replace("\n", "")
        assert printed.isprintable(), command
        assert "\u202e" not in printed
        keep(operator, f"{evil}{command}")


def test_prune(operator: Operator) -> None:
    """The least recently played go until the limit is kept, and each is named; what is being read stays."""
    oldest, older, _, _ = copies = keep(operator, "first", "second", "third", "fourth")
    operator.write(LIBRARY_MAX_GB=str(copies[0].bytes * 2.5 / 1e9))
    with oldest.open():
        result = operator.run("prune")
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[:2] for line in result.stdout.splitlines()[:-1]] == [
        ["removed:", "second"],
        ["removed:", "third"],
    ]
    assert oldest.path.exists()
    assert not older.path.exists()
    with oldest.open():
        operator.write(LIBRARY_MAX_GB="0.000001")
        result = operator.run("prune")
    assert result.returncode == 1
    assert "stays" in result.stdout


def test_verify(operator: Operator) -> None:
    """A changed byte is found, its copy named and dropped, and the exit code says so; the others stay."""
    operator.write()
    whole, damaged = keep(operator, "whole", "damaged one")
    content = bytearray(damaged.path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.path.write_bytes(content)
    result = operator.run("verify")
    assert (result.returncode, result.stderr) == (1, "")
    first, second = result.stdout.splitlines()
    assert first.startswith("damaged and removed: damaged one;")
    assert second.startswith("1 encode complete (")
    assert whole.path.exists()
    assert not damaged.path.exists()
    assert operator.run("verify").returncode == 0


# prepare


def test_prepare_goes_on_where_it_was(operator: Operator, media: Path) -> None:
    """Everything in the playlist, folders too, is kept whole; once more it is done at once; failures are reported at the end."""
    folder = operator.folder / "more"
    folder.mkdir()
    (folder / "again.mp4").hardlink_to(media / "two.mp4")
    operator.write([media / "one.mp4", "missing.mp4", "file:///etc/passwd", folder])
    result = operator.run("prepare")
    assert result.returncode == 1
    assert operator.frames() == [50, 75]
    *lines, last = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("prepared: ")] == [
        line for line in lines if line.startswith(("prepared: one (0:02, ", "prepared: again (0:03, "))
    ]
    assert last.startswith("2 prepared, 0 already cached, 1 not prepared; 2 encodes, ")
    problems = result.stderr.splitlines()
    assert [("missing.mp4" in line, "line 3" in line) for line in problems] == [(False, True), (True, False)]
    times = {path: path.stat().st_mtime_ns for path in operator.library.glob("*.flv")}

    operator.write([media / "one.mp4", folder])
    again = operator.run("prepare", "-j", "2")
    assert (again.returncode, again.stderr) == (0, "")
    lines = again.stdout.splitlines()[:-1]
    assert [line.partition(": ")[0] for line in lines] == ["already cached", "list", "already cached"]
    assert {path: path.stat().st_mtime_ns for path in operator.library.glob("*.flv")} == times
    assert all(copy["plays"] == 0 for copy in json.loads(operator.run("list", "--json").stdout)["encodes"])


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_preparation_that_is_stopped(operator: Operator, media: Path, number: signal.Signals, code: int) -> None:
    """Stopped in the middle it leaves no file half written and no child, and what was kept before stays."""
    operator.write([media / "one.mp4", media / "long.mp4"])
    with operator.start("prepare") as process:
        wait_until(lambda: list(operator.library.glob("*.flv")), what="the first copy")
        wait_until(lambda: list(operator.library.glob("*.part")), what="the second one begun")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, output.partition(" (")[0]) == (code, "prepared: one")
    assert errors == "tg-video-streamer: stopped; cached encodes stay; the same command continues from there\n"
    assert children
    assert not any(child.is_running() for child in children)
    assert list(operator.library.glob("*.part")) == []
    assert operator.frames() == [50]


@pytest.mark.long
def test_one_preparation_at_a_time(operator: Operator, media: Path) -> None:
    """A second `prepare` on the same state says so and does nothing."""
    operator.write([media / "long.mp4"])
    with operator.start("prepare") as process:
        wait_until(lambda: list(operator.library.glob("*.part")), what="it is at work")
        second = operator.run("prepare")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert second.returncode == 1
    assert "another `library prepare` is running" in second.stderr


def test_a_playlist_larger_than_the_library(operator: Operator, media: Path) -> None:
    """What is kept of the playlist is not pushed out by the rest of it; what has no space is reported."""
    operator.write([media / "one.mp4"])
    assert operator.run("prepare").returncode == 0
    (size,) = [path.stat().st_size for path in operator.library.glob("*.flv")]
    for room, told in (
        (1.3, "two: it was encoded but not cached"),
        (1.0, "1 more not prepared: the library is full"),
    ):
        operator.write([media / "two.mp4", media / "one.mp4"], LIBRARY_MAX_GB=f"{size * room / 1e9:.9f}")
        result = operator.run("prepare")
        assert (result.returncode, result.stderr.count("\n")) == (1, 1)
        assert told in result.stderr
        assert "LIBRARY_MAX_GB" in result.stderr
        assert operator.frames() == [50]


def test_bars_in_a_terminal(operator: Operator, media: Path) -> None:
    """In a terminal each item has a bar with its title, and all together have one; the lines that stay are the same."""
    operator.write([f"{media}/one.mp4 | title=Die Büchse", media / "two.mp4"])
    master, slave = pty.openpty()
    seen = bytearray()

    def read() -> None:
        while select.select([master], [], [], 60)[0]:
            try:
                seen.extend(os.read(master, 65536))
            except OSError:
                return

    reader = threading.Thread(target=read)
    reader.start()
    command = [str(COMMAND), "library", "prepare"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    done = subprocess.run(
        command, cwd=operator.folder, env=environment, stdout=slave, stderr=slave, timeout=120, check=False
    )
    os.close(slave)
    reader.join()
    os.close(master)
    told = seen.decode()
    assert done.returncode == 0
    assert "1 of 2" in told
    assert " of 0:02" in told
    assert told.count("prepared: Die Büchse (0:02, ") == 1
    assert "2 prepared, 0 already cached, 0 not prepared; 2 encodes, " in told


@pytest.mark.long
def test_a_list_on_the_web(operator: Operator, media: Path) -> None:
    """A list is read through yt-dlp, and what is in it is prepared; with the site down what is kept is known without it."""
    with Site() as site:
        for name in FRAMES:
            site.file(f"/{name}.mp4", media / f"{name}.mp4")
        site.feed("/list.rss", [f"/{name}.mp4" for name in FRAMES])
        operator.write([site.url("/list.rss")])
        result = operator.run("prepare", "-j", "2")
        assert (result.returncode, result.stderr) == (0, "")
        assert [round(frames / 25) for frames in operator.frames()] == [2, 3]
        addresses = [site.url(f"/{name}.mp4") for name in FRAMES]
    operator.write(addresses)
    result = operator.run("prepare")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("already cached: ") == 2


@pytest.mark.long
def test_beside_a_running_service(operator: Operator, media: Path) -> None:
    """A service on the same folder plays on without a missing frame, and plays what was prepared without encoding it."""
    operator.write([media / "long.mp4", media / "one.mp4", media / "two.mp4"])
    settings = {
        **operator.settings,
        "STATE_DIR": str(operator.folder / "state"),
        "PLAYLIST": str(operator.folder / "service.txt"),
        "LIBRARY_MAX_GB": "1",
    }
    playlist = operator.folder / "service.txt"
    playlist.write_text(f"{media}/long.mp4\n")
    with running(operator.folder / "service", settings) as service:
        service.wait_on_air()
        prepared = operator.run("prepare")
        assert (prepared.returncode, prepared.stderr) == (0, "")
        # What the service is keeping while it plays is not encoded a second time.
        assert "left to the service that is caching it: long\n" in prepared.stdout
        assert "2 prepared, 0 already cached, 1 being cached by a service, 0 not prepared" in prepared.stdout
        assert len(list(operator.library.glob("*.part"))) == 1
        for command in ("verify", "prune"):
            assert operator.run(command).returncode == 0
        playlist.write_text(f"{media}/long.mp4\n{media}/two.mp4\n")
        assert service.command("reload").returncode == 0
        service.wait_for(
            lambda status: any(one["title"] == "two" for one in status["next_items"]), what="two comes next"
        )
        service.command("skip")
        service.wait_for(lambda status: (status["now"] or {}).get("title") == "two", what="the prepared one on air")
        assert service.status()["gap_seconds"] == 0
        (hits,) = [
            line for line in service.metrics().splitlines() if line.startswith("tg_video_streamer_library_hits_total ")
        ]
        assert float(hits.split()[1]) >= 1

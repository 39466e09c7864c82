"""The installed command: exit codes, one line an error, and answers that people and programs can read."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from stands.small_channel import served
from stands.waiting import wait_until
from tg_video_streamer.cli.locate import state_dir
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.settings.settings import load_settings
from tg_video_streamer.web.auth.tokens import ensure_token

COMMAND = Path(sys.executable).with_name("tg-video-streamer")


def run(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What the installed command does in `folder`, with nothing in its environment but what a shell needs."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "LANG": "C.UTF-8"}
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=clean | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def asked(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command to the service whose STATE_DIR is `folder`."""
    return run(*arguments, folder=folder, environment={"STATE_DIR": str(folder)})


def only_line(result: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line on stderr of a command that failed with `code`."""
    assert (result.returncode, result.stdout) == (code, ""), result
    assert result.stderr.startswith("tg-video-streamer: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr.removeprefix("tg-video-streamer: ").rstrip("\n")


def test_help_names_every_command(tmp_path: Path) -> None:
    """`--help` tells every command in a line."""
    result = run("--help", folder=tmp_path)
    assert result.returncode == 0
    for command in (
        *("run", "check", "status", "now", "next", "skip", "pause", "resume"),
        *("slate", "reload", "queue", "version", "doctor", "session", "library"),
    ):
        assert f"\n  {command} " in result.stdout


def test_version(tmp_path: Path) -> None:
    """`version` prints name and version."""
    result = run("version", folder=tmp_path)
    assert (result.returncode, result.stdout.split()[0]) == (0, "tg-video-streamer")


def test_asking_needs_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    """`status` loads nothing that it can do without, since an operator waits for it."""
    heavy = {"rich", "asyncio", "pydantic_settings", "av", "structlog", "starlette", "prometheus_client"}
    code = (
        "import sys; from tg_video_streamer.cli import main; main(['status']); main(['--help']);"
        f" print('loaded', {heavy!r} & sys.modules.keys())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"STATE_DIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert result.stdout.endswith("loaded set()\n")


def test_every_verb_through_the_installed_command(tmp_path: Path) -> None:
    """Each command does at the service what it says, prints the answer and ends with 0."""
    (tmp_path / "clip one.mp4").touch()
    with served(tmp_path) as channel:
        for arguments, answer in (
            (("now",), "Big Buck Bunny 🐰, 0:0"),
            (("next",), "سلام دنیا (10:00)\nSintel (10:00)\n"),
            (("skip",), "left Big Buck Bunny 🐰\n"),
            (("pause",), "paused\n"),
            (("resume",), "resumed\n"),
            (("slate", "on"), "the slate is on\n"),
            (("slate", "off"), "the slate is off\n"),
            (("queue", "list"), "the queue is empty\n"),
            (
                ("queue", "add", "clip one.mp4 | start=3", "https://example.org/v"),
                f"queued {tmp_path}/clip one.mp4 | start=3\nqueued https://example.org/v\n",
            ),
            (
                ("queue", "list"),
                f"{100:016x}  {tmp_path}/clip one.mp4 | start=3\n{101:016x}  https://example.org/v\n",
            ),
            (("queue", "remove", f"{100:016x}"), f"removed {100:016x}\n"),
            (("queue", "clear"), "the queue is empty\n"),
        ):
            result = asked(tmp_path, *arguments)
            assert (result.returncode, result.stderr) == (0, ""), arguments
            assert result.stdout.startswith(answer), arguments
        assert channel.items[0].title == "سلام دنیا"


def test_status_for_people_and_programs(tmp_path: Path) -> None:
    """`status` has a line an output, `status --json` is one JSON object with everything."""
    with served(tmp_path) as channel:
        people = asked(tmp_path, "status")
        assert people.returncode == 0
        assert "output rtmp-1: reconnecting, 0 kB sent, connection refused" in people.stdout
        programs = asked(tmp_path, "status", "--json")
        assert programs.returncode == 0
        told = json.loads(programs.stdout)
        assert told.keys() == channel.status().as_json().keys()
        assert told["outputs"][0]["name"] == "preview"


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    """What the service refuses ends with 1 and its own words; so does a defect of the service."""
    with served(tmp_path):
        assert only_line(asked(tmp_path, "resume"), 1) == ("nothing is paused; use skip to go on to the next item")
        assert "failed inside the service" in only_line(asked(tmp_path, "reload"), 1)


def test_no_service(tmp_path: Path) -> None:
    """With no service every asking command ends with 3 and says where none is and how to start one."""
    for arguments in (["status"], ["status", "--json"], ["skip"], ["queue", "list"]):
        line = only_line(asked(tmp_path, *arguments), 3)
        assert line.startswith(f"no service runs in {tmp_path}; start it")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "Missing command"),
        (["dance"], "dance"),
        (["status", "--jsn"], "--jsn"),
        (["slate"], "on, off"),
        (["slate", "maybe"], "maybe"),
        (["queue", "add"], "LINE"),
        (["skip", "two"], "two"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], word: str) -> None:
    """A command line that is none ends with 2, names what is wrong, and where to read more."""
    line = only_line(run(*arguments, folder=tmp_path), 2)
    assert word in line
    assert line.endswith("--help")


@pytest.mark.parametrize("command", ["run", "check"])
def test_nothing_to_run_from(tmp_path: Path, command: str) -> None:
    """Without .env and PLAYLIST, `run` and `check` end with 78 and say what to create."""
    line = only_line(run(command, folder=tmp_path), 78)
    assert "cp .env.template .env" in line
    assert "run --demo" in line


def test_a_check_may_leave_the_playlist_out(tmp_path: Path) -> None:
    """What the playlist lists changes at any time, so a release can be tried without it: `check --no-playlist`."""
    (tmp_path / ".env").write_text("VIDEO_QUALITY=480p\nSTATE_DIR=state\n")
    (tmp_path / ".env").chmod(0o600)
    (tmp_path / "playlist.txt").write_text("# none yet\n")
    assert "lists nothing to play" in only_line(run("check", folder=tmp_path), 1)
    result = run("check", "--no-playlist", folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, "settings and encoder are OK\n"), result.stderr


def test_a_logo_that_is_no_picture_is_told_before_it_is_missed(tmp_path: Path) -> None:
    """`check` tries what items will wear, and names what would be left out."""
    (tmp_path / ".env").write_text("VIDEO_QUALITY=480p\nSTATE_DIR=state\nLOGO=logo.png\nCLOCK=1\n")
    (tmp_path / ".env").chmod(0o600)
    (tmp_path / "logo.png").write_text("no picture")
    result = run("check", "--no-playlist", folder=tmp_path)
    assert result.returncode == 1
    assert "LOGO: " in result.stderr.splitlines()[-1]
    assert "not an image that can be read" in result.stderr


def test_each_wrong_setting_has_a_line(tmp_path: Path) -> None:
    """Several wrong settings end with 78 and a line each, named by key."""
    (tmp_path / ".env").write_text("WEB_PORT=x\nBUFFER_SECONDS=lots\n")
    (tmp_path / ".env").chmod(0o600)
    result = run("run", folder=tmp_path)
    assert (result.returncode, result.stdout) == (78, "")
    lines = result.stderr.splitlines()
    assert sorted(line.split(":")[1].strip() for line in lines) == ["BUFFER_SECONDS", "WEB_PORT"]


def test_a_settings_file_that_is_not_there(tmp_path: Path) -> None:
    """An --env-file that is not there ends every command with 78."""
    for command in ("run", "status"):
        assert "missing.env: no such file" in only_line(run(command, "--env-file", "missing.env", folder=tmp_path), 78)


def test_a_wrong_setting_hinders_no_client(tmp_path: Path) -> None:
    """A client finds the service through .env although other lines of it are wrong."""
    settings = tmp_path / "settings"
    settings.mkdir()
    (settings / ".env").write_text("OUTPUTS=nonsense\nthis is no line\nWEB_PORT=x\nSTATE_DIR=state\n")
    with served(settings / "state"):
        assert run("pause", folder=settings).stdout == "paused\n"
        assert run("resume", "--env-file", "settings/.env", folder=tmp_path).stdout == "resumed\n"


def test_a_reader_that_had_enough(tmp_path: Path) -> None:
    """A closed pipe behind a command is no traceback."""
    with served(tmp_path):
        reading, writing = os.pipe()
        os.close(reading)
        result = subprocess.run(
            [COMMAND, "status"],
            env={"STATE_DIR": str(tmp_path)},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def test_a_service_that_hangs(tmp_path: Path) -> None:
    """A service that does not answer ends a command with 1, after seconds, with what to do."""
    with ClaimedFolder(tmp_path):
        line = only_line(asked(tmp_path, "skip"), 1)
    assert line.startswith(f"the service in {tmp_path} does not answer within 5 s; check its log")


def test_an_interrupted_command(tmp_path: Path) -> None:
    """Ctrl-C while a service does not answer ends a command without a traceback."""
    with (
        ClaimedFolder(tmp_path) as claim,
        subprocess.Popen(
            [COMMAND, "status"],
            env={"STATE_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        wait_until(lambda: select.select([claim.listener], [], [], 0)[0], what="the command has asked")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (output, errors) == ("", "")


@pytest.mark.parametrize(
    ("content", "environment"),
    [
        (None, {}),
        (None, {"STATE_DIR": "relative"}),
        (None, {"STATE_DIR": "~/mine"}),
        (None, {"STATE_DIR": "  "}),
        (None, {"XDG_STATE_HOME": "{root}/xdg"}),
        (None, {"XDG_STATE_HOME": "relative"}),
        (None, {"STATE_DIRECTORY": "{root}/systemd:{root}/second"}),
        ("STATE_DIR=beside\n", {"STATE_DIR": "{root}/other"}),
        ("STATE_DIR=\n", {"STATE_DIR": "{root}/other"}),
        ("STATE_DIR='~/with space' # why\n", {}),
        ("LOOP=1\n", {"STATE_DIR": "{root}/other"}),
        ("export STATE_DIR={root}/a\nSTATE_DIR={root}/b\n", {}),
    ],
)
def test_clients_look_where_the_service_is(tmp_path: Path, content: str | None, environment: dict[str, str]) -> None:
    """A client's short way to STATE_DIR leads where the service's full settings do."""
    env_file = None
    if content is not None:
        env_file = tmp_path / "settings" / ".env"
        env_file.parent.mkdir()
        env_file.write_text(content.replace("{root}", str(tmp_path)))
    found = {"HOME": str(tmp_path / "home")} | {
        key: value.replace("{root}", str(tmp_path)) for key, value in environment.items()
    }
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert state_dir(env_file, found) == load_settings(env_file, found).settings.state_dir
    finally:
        os.chdir(before)


def test_a_file_of_nonsense_is_told(tmp_path: Path) -> None:
    """A settings file that is no text at all is an error, not a wrong folder."""
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError):
        state_dir(tmp_path / ".env", {})


def test_token_is_shown_at_the_shell(tmp_path: Path) -> None:
    """The operator gets what opens the page: WEB_TOKEN, else what the first start made; without either, what to do."""
    assert "start the service once" in only_line(asked(tmp_path, "token"), 1)
    kept, _ = ensure_token(tmp_path)
    shown = asked(tmp_path, "token")
    assert (shown.returncode, shown.stdout) == (0, f"{kept}\n")
    (tmp_path / ".env").write_text(f"STATE_DIR={tmp_path}\nWEB_TOKEN=the-token-that-was-set\n")
    assert run("token", folder=tmp_path).stdout == "the-token-that-was-set\n"


def test_page_for_others_needs_a_token_and_tls(tmp_path: Path) -> None:
    """With a WEB_HOST that others reach, and nothing else, the service refuses to start and says what is missing."""
    (tmp_path / ".env").write_text(f"STATE_DIR={tmp_path}/state\nWEB_HOST=0.0.0.0\n")
    result = run("run", folder=tmp_path)
    assert result.returncode == 78
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert "WEB_TOKEN must be set" in lines[0]
    assert "WEB_BEHIND_PROXY=1" in lines[1]

"""The runner that an operator starts, in both layouts; and a session that goes to a server over ssh."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stands.person import Person, at_a_terminal
from stands.service import COMMAND
from stands.ssh_server import SSHD, SshServer, ssh_server
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CODE, PHONE, USER_ID
from stands.waiting import wait_until
from tg_video_streamer.envfile.read import read_env_file
from tg_video_streamer.errors import EnvFileUnchanged
from tg_video_streamer.telegram.client.session_string import masked, read_session_string
from tg_video_streamer.telegram.session.remote_env import Server, ssh_command, update_remote_env
from tg_video_streamer.telegram.session.renewal_command import renewal_command

REPOSITORY = Path(__file__).resolve().parent.parent
RUNNER = Path("test/auto_session_runner.py")
SYSTEM_PYTHON: str = getattr(sys, "_base_executable", sys.executable)
needs_sshd = pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed")


@pytest.fixture(scope="module")
def stand() -> Iterator[TelegramStand]:
    """One for all tests of the module."""
    with TelegramStand() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """One sshd for all tests of the module."""
    with ssh_server(tmp_path_factory.mktemp("ssh")) as running:
        yield running


def _settings(path: Path, stand: TelegramStand) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{key}={value}" for key, value in stand.settings("old").items()]
    path.write_text("# ours\n" + "\n".join(lines) + "\n")
    return path


def _release(folder: Path) -> Path:
    """A folder as a release or checkout, without a virtual environment."""
    (folder / "test").mkdir(parents=True)
    shutil.copy(REPOSITORY / RUNNER, folder / "test")
    (folder / "src").symlink_to(REPOSITORY / "src")
    return folder


def _logs_in(person: Person) -> None:
    person.waits_for("Phone number")
    person.types(PHONE)
    person.waits_for("(r: send another): ")
    person.types(CODE)


def test_it_works_from_a_checkout(stand: TelegramStand, tmp_path: Path) -> None:
    """Started by the system's own Python from anywhere, it finds `.venv` and `.env` of its checkout."""
    checkout = _release(tmp_path / "checkout")
    (checkout / ".venv").symlink_to(sys.prefix)
    env_file = _settings(checkout / ".env", stand)
    with at_a_terminal([SYSTEM_PYTHON, checkout / RUNNER, "--write-env"], folder=tmp_path) as person:
        _logs_in(person)
        code, out = person.ends()
    assert code == 0, person.seen
    assert out == f"SESSION_STRING={masked(read_env_file(env_file).values['SESSION_STRING'])}\n"


def test_it_works_from_a_release_whose_environment_is_beside_it(stand: TelegramStand, tmp_path: Path) -> None:
    """Through the link `current`, with a QR code, it writes the shared file behind the release's link."""
    release = _release(tmp_path / "opt/releases/7")
    (release / "venv").symlink_to(sys.prefix)
    shared = _settings(tmp_path / "opt/shared/.env", stand)
    (release / ".env").symlink_to("../../shared/.env")
    (tmp_path / "opt/current").symlink_to("releases/7")
    runner = tmp_path / "opt/current" / RUNNER
    with at_a_terminal([SYSTEM_PYTHON, runner, "--write-env", "--qr"], folder=tmp_path) as person:
        person.waits_for("Link Desktop Device")
        stand.scan(stand.world.login_tokens[-1].token)
        code, _ = person.ends()
    assert code == 0, person.seen
    assert (release / ".env").is_symlink()
    assert len(read_env_file(shared).values["SESSION_STRING"]) > 300
    assert stat.S_IMODE(shared.stat().st_mode) == 0o600
    assert (shared.parent / ".env.lock").exists()


def test_the_command_that_a_release_gives_goes_by_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the log of a release says to run is this runner, at a path that outlives the next deploy."""
    release = _release(tmp_path / "opt/releases/7")
    (release / "venv").mkdir()
    current = tmp_path / "opt/current"
    current.symlink_to("releases/7")
    monkeypatch.setattr(sys, "prefix", str(release / "venv"))
    words = [current / "venv/bin/python", current / RUNNER, "--write-env", "--env-file", current / ".env"]
    assert renewal_command(current / ".env") == " ".join(map(str, words))


def test_another_file_may_be_named(tmp_path: Path) -> None:
    """--env-file is passed on as it is, and a failure has exit code 1 and one line."""
    folder = _release(tmp_path / "checkout")
    (folder / ".venv").symlink_to(sys.prefix)
    (tmp_path / "mine.env").write_text("API_ID=1\nAPI_HASH=0123456789abcdef0123456789abcdef\n")
    done = subprocess.run(
        [SYSTEM_PYTHON, folder / RUNNER, f"--env-file={tmp_path}/mine.env"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("tg-video-streamer: ")


def test_without_its_packages_it_says_what_to_do(tmp_path: Path) -> None:
    """No virtual environment anywhere: one line, exit code 1."""
    folder = _release(tmp_path / "a/b/checkout")
    (folder / "src").unlink()
    done = subprocess.run(
        [SYSTEM_PYTHON, "-I", "-S", folder / RUNNER], capture_output=True, text=True, check=False, env={}
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "run: make setup" in done.stderr


def _there(server: SshServer, path: Path) -> Server:
    return Server(host=server.host, user=server.user, path=str(path), ssh_config=server.config)


def _renewal(server: SshServer, there: Path) -> list[str | Path]:
    command: list[str | Path] = [COMMAND, "session", "renew", "--remote-host", server.host]
    return [*command, "--remote-user", server.user, "--remote-path", there, "--remote-ssh-config", server.config]


@needs_sshd
def test_a_login_is_sent_to_a_server(stand: TelegramStand, server: SshServer, tmp_path: Path) -> None:
    """--remote-host: the server's file changes as a local one would, and only a masked string is printed."""
    here = _settings(tmp_path / "laptop/.env", stand)
    there = _settings(tmp_path / "server/shared/.env", stand)
    there.chmod(0o644)
    before = here.read_bytes(), there.read_text()
    with at_a_terminal(_renewal(server, there.parent), folder=here.parent) as person:
        _logs_in(person)
        code, out = person.ends()
    assert code == 0, person.seen
    session = read_env_file(there).values["SESSION_STRING"]
    assert out == f"SESSION_STRING={masked(session)}\n"
    assert session not in person.seen
    assert here.read_bytes() == before[0]
    assert there.read_text() == before[1].replace("SESSION_STRING=old", f"SESSION_STRING={session}")
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    assert sorted(path.name for path in there.parent.iterdir()) == [".env", ".env.bak", ".env.lock"]


@needs_sshd
def test_a_session_that_one_of_two_places_took_lives_on(
    stand: TelegramStand, server: SshServer, tmp_path: Path
) -> None:
    """The server has it, the file here cannot be written: exit code 1 with the reason, and the session is not ended."""
    here = _settings(tmp_path / "laptop/.env", stand)
    there = _settings(tmp_path / "server/.env", stand)
    before = here.read_bytes()
    with at_a_terminal([*_renewal(server, there), "--write-env"], folder=here.parent) as person:
        person.waits_for("Phone number")
        (here.parent / ".env.new").mkdir()  # no file can be made there
        person.types(PHONE)
        person.waits_for("(r: send another): ")
        person.types(CODE)
        code, out = person.ends()
    assert (code, out) == (1, "")
    assert f"Written to {there} on stand." in person.seen
    assert "cannot be written" in person.seen
    assert here.read_bytes() == before
    known = read_session_string(read_env_file(there).values["SESSION_STRING"])
    assert [key.user_id for key in stand.world.keys.values() if key.key == known.key] == [USER_ID]


@needs_sshd
def test_the_servers_lock_is_waited_for_and_the_string_is_on_no_command_line(server: SshServer, tmp_path: Path) -> None:
    """While the deploy script holds the lock there, the wait is reported here, and no process shows the secret."""
    path = tmp_path / ".env"
    path.write_text("SESSION_STRING=old\n")
    secret = "wanderer" * 60
    told: list[str] = []
    with (tmp_path / ".env.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sending = threading.Thread(
            target=lambda: asyncio.run(
                update_remote_env(_there(server, path), {"SESSION_STRING": secret}, inform=told.append)
            )
        )
        sending.start()
        wait_until(lambda: any("another program holds" in line for line in told), what="the wait reported")
        lines = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
        assert any("exec sh -c" in line for line in lines)
        assert not any("wanderer" in line for line in lines)
        assert path.read_text() == "SESSION_STRING=old\n"
    sending.join(timeout=60)
    assert path.read_text() == f"SESSION_STRING={secret}\n"


@needs_sshd
async def test_a_server_that_cannot_take_it_says_why(server: SshServer, tmp_path: Path) -> None:
    """A host that is away, a folder that is away, a file that cannot be made: the reason, and nothing written."""
    path = tmp_path / ".env"
    path.write_text("SESSION_STRING=old\n")
    away = Server(host="gone", user=server.user, path=str(path), ssh_config=server.config)
    with pytest.raises(EnvFileUnchanged, match=r"refused.*try: ssh"):
        await update_remote_env(away, {})
    with pytest.raises(EnvFileUnchanged, match="No such file"):
        await update_remote_env(_there(server, tmp_path / "nowhere/.env"), {})
    (tmp_path / ".env.new").mkdir()
    with pytest.raises(EnvFileUnchanged, match="cannot be written"):
        await update_remote_env(_there(server, path), {"SESSION_STRING": "new"})
    assert path.read_text() == "SESSION_STRING=old\n"


def test_half_of_a_message_writes_nothing(tmp_path: Path) -> None:
    """A connection that is cut while the string is on its way leaves the server's file as it was."""
    path = tmp_path / ".env"
    path.write_text("SESSION_STRING=old\n")
    script = ssh_command(Server(host="any"))[-1]
    half = json.dumps({"begin": "raise SystemExit(0)", "modules": [], "path": str(path), "changes": {}})[:-20]
    done = subprocess.run(["sh", "-c", script], input=half.encode(), capture_output=True, check=False)
    assert done.returncode != 0
    assert b"written" not in done.stdout
    assert path.read_text() == "SESSION_STRING=old\n"


@pytest.mark.parametrize("host", ["-oProxyCommand=touch owned", "two words"])
def test_a_host_is_never_taken_for_an_option(host: str, tmp_path: Path) -> None:
    """What is given as a host is a host."""
    command = ssh_command(Server(host=host))
    subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=os.environ)
    assert command[-3:-1] == ["--", host]
    assert list(tmp_path.iterdir()) == []

"""The Telegram session of a deployed service: lost, renewed by the operator's command or by the spare, and rolled back over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stands import secrets
from stands.artefacts import make_light_release
from stands.deployed_host import BASE, SETTINGS, UNIT, DeployedHost, deployed_host
from stands.env_watcher import EnvWatcher
from stands.nginx_rtmp import NginxRtmp
from stands.person import Person, at_a_terminal
from stands.telegram_dc.keys import AuthKey
from stands.telegram_dc.server import StreamState, TelegramStand
from stands.telegram_dc.world import CODE, PHONE
from stands.waiting import wait_until
from tg_video_streamer.envfile.read import read_env_file

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
RUNNER = f"{BASE}/current/test/auto_session_runner.py"


@dataclass(frozen=True, kw_only=True)
class TelegramHost:
    """A server with a channel on Telegram's live stream; Telegram and the RTMP server are on its loopback."""

    host: DeployedHost
    stand: TelegramStand
    nginx: NginxRtmp

    def start(self, session: str, spare: str = "") -> None:
        """Release 1.1 on air with this session, and 1.0 before it."""
        values = self.stand.settings(session) | {
            "SESSION_STRING_SPARE": spare,
            "TELEGRAM_SERVER_KEY": "/srv/server.pem",
            "TELEGRAM_TRANSPORT": "rtmp",
            "CHAT_ID": "@testchan",
        }
        lines = "".join(f"{key}={value}\n" for key, value in values.items())
        self.host.configure(SETTINGS.replace("OUTPUTS=", "OUTPUTS=telegram ") + lines)
        self.host.deploy("--version 1.0")
        self.host.deploy("--version 1.1")
        self.wait("valid")

    def wait(self, session: str) -> dict[str, Any]:
        """Until the service says so of its session, and with a valid one that its output is on air."""

        def is_it() -> dict[str, Any]:
            status = self.host.server.service_status()
            right = status.get("session_state") == session and (session == "valid") != status["degraded"]
            return status if right and (session != "valid" or status["healthy"]) else {}

        return wait_until(is_it, timeout=90, what=f"session {session}", every=0.3)

    def written(self) -> dict[str, str]:
        """The settings now; the file must be private to the service's user."""
        found = self.host.server.sh(f"stat -c '%U:%G %a' {BASE}/shared/.env").stdout.strip()
        assert found == "tgstream:tgstream 600"
        return dict(read_env_file(self.host.env).values)

    def session(self) -> tuple[str, AuthKey]:
        """A new session, and its key as Telegram has it."""
        string = self.stand.session_string()
        return string, self.stand.do(lambda: list(self.stand.world.keys.values())[-1])

    def lose(self, key: AuthKey) -> None:
        """The session ends, as when it is ended on a phone."""
        self.stand.do(lambda: setattr(key, "revoked", (401, "SESSION_REVOKED")))
        self.stand.drop()


@pytest.fixture(scope="module")
def telegram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TelegramHost]:
    """The host with its user, nothing on air yet."""
    artefacts = tmp_path_factory.mktemp("dist")
    make_light_release(artefacts, "1.0")
    with deployed_host(artefacts, tmp_path_factory.mktemp("clips")) as host:
        host.deploy("--create-user --no-restart")
        network = host.server.network
        folder = tmp_path_factory.mktemp("peers") / "nginx"
        with TelegramStand() as stand, NginxRtmp(folder, network=network) as nginx:
            stand.stop()
            stand.do(host.server.enter_network)
            stand.do(lambda: setattr(stand.world, "stream", StreamState.ADVANCING))
            stand.start()
            stand.do(lambda: setattr(stand.chat(), "rtmp", (f"rtmp://127.0.0.1:{nginx.port}/live", "telegram-key")))
            shutil.copy(stand.key_file, host.server.path("/srv/server.pem"))
            host.server.path("/srv/server.pem").chmod(0o644)
            yield TelegramHost(host=host, stand=stand, nginx=nginx)


def _log_in(person: Person) -> None:
    person.waits_for("Phone number", seconds=250)  # a deploy may be at work
    person.types(PHONE)
    person.waits_for("(r: send another): ", seconds=60)
    person.types(CODE)


def _renewing(telegram: TelegramHost, command: str) -> Any:
    """The command of an operator at a terminal of the host."""
    words = telegram.host.server.words(
        f"cd / && exec setpriv --reuid tgstream --regid tgstream --clear-groups {command}"
    )
    return at_a_terminal(words, folder=Path("/"), environment=os.environ)


def _assert_it_outlives_a_rollback(telegram: TelegramHost, session: str) -> None:
    telegram.host.rollback()
    assert telegram.host.current == "1.0"
    assert telegram.written()["SESSION_STRING"] == session
    assert telegram.wait("valid")["healthy"]
    secrets.look(telegram.host.server.journal(UNIT), "the journal")


def test_the_command_that_the_log_gives_renews_the_session(telegram: TelegramHost) -> None:
    """As it stands in the log it works: the service is back with no restart, and a rollback keeps the new session."""
    server = telegram.host.server
    dead, key = telegram.session()
    telegram.start(dead)
    pid = server.main_pid(UNIT)
    telegram.lose(key)
    telegram.wait("expired")
    journal = server.journal(UNIT)
    assert "Degraded mode; SESSION_STRING invalid; run: python test/auto_session_runner.py --write-env" in journal
    python = f"{BASE}/current/venv/bin/python"
    command = f"{python} {RUNNER} --write-env --env-file {BASE}/current/.env"
    assert command in journal
    with EnvWatcher(telegram.host.env) as watcher, _renewing(telegram, command) as person:
        _log_in(person)
        code, _ = person.ends(seconds=60)
    assert code == 0, person.seen
    assert {(look.there, look.mode) for look in watcher.looks} == {(True, 0o600)}
    assert len({look.text for look in watcher.looks}) == 2, "there was something between the old file and the new one"
    fresh = telegram.written()["SESSION_STRING"]
    assert fresh != dead
    assert telegram.wait("valid")["outputs"][0]["state"] == "on_air"
    assert (server.main_pid(UNIT), server.show(UNIT, "NRestarts")["NRestarts"]) == (pid, "0")
    _assert_it_outlives_a_rollback(telegram, fresh)


def test_a_release_that_finds_a_dead_session_stays_and_is_healed(telegram: TelegramHost) -> None:
    """With the session dead before and after the switch nothing is taken back; the new release takes the new session."""
    server = telegram.host.server
    dead, key = telegram.session()
    telegram.start(dead)
    telegram.lose(key)
    telegram.wait("expired")
    telegram.host.deploy("--version 1.3")
    assert telegram.host.current == "1.3"
    telegram.wait("expired")
    pid = server.main_pid(UNIT)
    with _renewing(telegram, f"{BASE}/current/venv/bin/python {RUNNER} --write-env") as person:
        _log_in(person)
        code, _ = person.ends(seconds=60)
    assert code == 0, person.seen
    assert telegram.wait("valid")["healthy"]
    assert (server.main_pid(UNIT), server.show(UNIT, "NRestarts")["NRestarts"]) == (pid, "0")


def test_the_runner_finds_everything_by_itself_and_waits_for_a_deploy(telegram: TelegramHost) -> None:
    """Started by its path alone while a deploy is at work it says that it waits, and then writes; both are done."""
    telegram.start(telegram.stand.session_string())
    server = telegram.host.server
    deploying = server.popen(f"{telegram.host.command('--version 1.2')} >/srv/deploy.log 2>&1")
    log = server.path("/srv/deploy.log")
    wait_until(lambda: log.exists() and "unpack:" in log.read_text(), what="the deploy is at work")
    with _renewing(telegram, f"{BASE}/current/venv/bin/python {RUNNER} --write-env") as person:
        person.waits_for("which another program holds")
        assert "done: 1.2" not in log.read_text()
        _log_in(person)
        code, _ = person.ends(seconds=60)
    assert code == 0, person.seen
    assert deploying.wait(120) == 0, log.read_text()
    assert telegram.host.current == "1.2"
    fresh = telegram.written()["SESSION_STRING"]
    assert f"SESSION_STRING={fresh[:4]}" in person.seen or "Written to" in person.seen
    assert telegram.wait("valid")["healthy"]


def test_the_spare_is_promoted_under_the_sandbox(telegram: TelegramHost) -> None:
    """The service writes `.env` itself: whole, private, no restart; a rollback does not bring back the dead session."""
    server = telegram.host.server
    first, key = telegram.session()
    spare = telegram.stand.session_string()
    telegram.start(first, spare)
    pid = server.main_pid(UNIT)
    with EnvWatcher(telegram.host.env) as watcher:
        telegram.lose(key)
        wait_until(lambda: server.service_status().get("session_renewals", {}).get("spare"), what="the spare")
        telegram.wait("valid")
    assert {(look.there, look.mode) for look in watcher.looks} == {(True, 0o600)}
    assert len({look.owner for look in watcher.looks}) == 1
    assert len({look.text for look in watcher.looks}) == 2
    values = telegram.written()
    assert (values["SESSION_STRING"], values["SESSION_STRING_SPARE"]) == (spare, "")
    assert (server.main_pid(UNIT), server.show(UNIT, "NRestarts")["NRestarts"]) == (pid, "0")
    _assert_it_outlives_a_rollback(telegram, spare)

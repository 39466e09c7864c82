"""The next release, a broken one that is taken back, a deploy that is cut short, and the way back by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stands.artefacts import artefact, make_spoilt
from stands.deployed_host import BASE, SETTINGS, UNIT, DeployedHost, deployed_host
from stands.env_watcher import EnvWatcher, Look
from stands.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def host(artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedHost]:
    """A server on which 1.0 was deployed in the quickstart's two steps."""
    with deployed_host(artefacts, tmp_path_factory.mktemp("clips")) as host:
        host.install()
        yield host


def test_code_is_roots_and_settings_are_the_services(host: DeployedHost) -> None:
    """The service cannot change what it runs, and owns its settings, which no one else may read."""
    found = host.server.sh(
        f"stat -c '%U %a %n' {BASE}/current/venv/bin/python {BASE}/current/main.py {BASE}/shared {BASE}/shared/.env"
    ).stdout
    owners = {line.split()[2]: line.split()[:2] for line in found.splitlines()}
    assert owners[f"{BASE}/current/main.py"] == ["root", "644"]
    assert owners[f"{BASE}/current/venv/bin/python"][0] == "root"
    assert owners[f"{BASE}/shared"] == ["tgstream", "700"]
    assert owners[f"{BASE}/shared/.env"] == ["tgstream", "600"]
    assert host.server.sh(f"find {BASE}/releases ! -user root | head -1").stdout == ""


def test_the_settings_are_private_and_whole_while_a_release_is_deployed(host: DeployedHost) -> None:
    """All the while that 1.1 comes on air, `.env` is there, unreadable for others, and says the same."""
    with EnvWatcher(host.env) as watcher:
        host.deploy("--version 1.1")
    owner = host.env.stat().st_uid
    assert watcher.looks == {Look(there=True, mode=0o600, owner=owner, text=SETTINGS)}
    assert host.current == "1.1"
    assert host.server.wait_on_air()["healthy"]


def test_a_way_back_by_hand(host: DeployedHost) -> None:
    """`rollback.sh` puts the release before on air again, and forward by its name."""
    host.deploy("--version 1.1")
    host.rollback("1.0")
    assert host.current == "1.0"
    assert host.server.wait_on_air()["healthy"]
    host.rollback("1.1")
    assert host.current == "1.1"
    assert host.server.wait_on_air()["healthy"]


def test_a_release_that_does_not_come_up_is_taken_back(host: DeployedHost, artefacts: Path, tmp_path: Path) -> None:
    """A release that passes its check and dies on air: the deploy fails, and the one before is on air again."""
    before = host.current
    make_spoilt(artefacts, tmp_path, source="1.0", version="2.0")
    done = host.deploy(artefact="2.0", check=False)
    assert done.returncode != 0
    assert "2.0 did not come up" in done.stderr
    assert host.current == before
    assert host.server.wait_on_air()["healthy"]


def test_a_damaged_artefact_changes_nothing(host: DeployedHost, artefacts: Path) -> None:
    """An artefact that its checksum does not fit is refused before anything is unpacked."""
    before = host.current
    whole = artefact(artefacts, "1.0").read_bytes()
    artefact(artefacts, "3.0").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    checksum = (artefacts / "tg_video_streamer-1.0.tar.gz.sha256").read_text().replace("-1.0", "-3.0")
    (artefacts / "tg_video_streamer-3.0.tar.gz.sha256").write_text(checksum)
    done = host.deploy(artefact="3.0", check=False)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert host.current == before
    assert not host.server.path(f"{BASE}/releases/3.0").exists()


STEPS = ("unpack:", "venv: with", "venv: built", "settings:", "check:", "switch:")
"""What a deploy says after, or at the beginning of, each of its steps."""


@pytest.mark.parametrize("step", STEPS)
def test_killed_after_any_step_the_old_release_stays_on_air(host: DeployedHost, step: str) -> None:
    """Killed by -9 right after any step: the same process is on air, its settings are whole, and the next deploy goes through."""
    version = f"4.{STEPS.index(step)}"
    before = host.server.show(UNIT, "MainPID")["MainPID"]
    host.server.sh(
        f"setsid /up/remote_deploy.sh --artifact /dist/tg_video_streamer-1.0.tar.gz --version {version} --no-restart"
        " >/srv/deploy.log 2>&1 & echo $! >/srv/deploy.pid"
    )
    log = host.server.path("/srv/deploy.log")
    wait_until(lambda: log.exists() and step in log.read_text(), timeout=120, what=f"the step {step}")
    host.server.sh("kill -9 -- -$(cat /srv/deploy.pid)", check=False)
    assert host.server.show(UNIT, "MainPID", "ActiveState") == {"MainPID": before, "ActiveState": "active"}
    assert host.env.read_text() == SETTINGS
    assert host.server.path(f"{BASE}/current/VERSION").exists()
    if step == "venv: with":
        host.deploy(f"--version {version}")
        assert host.current == version
        assert host.server.wait_on_air()["healthy"]


@pytest.mark.parametrize("name", [".env", ".env.lock", "playlist.txt", "schedule.toml"])
def test_a_link_of_the_services_user_leads_root_nowhere(host: DeployedHost, name: str) -> None:
    """In place of a file of its folder it is refused by name; what it leads to stays as it was, and so does the release."""
    server, current = host.server, host.current
    kept, victim = f"{BASE}/shared/{name}", "/srv/victim"
    server.sh(f"echo something >{victim}; chmod 600 {victim}")
    look = f"stat -c '%U %a %s %i %Y %Z' {victim}"
    before = server.sh(look).stdout
    server.sh(f"setpriv --reuid tgstream --clear-groups sh -c 'mv {kept} {kept}.kept; ln -s {victim} {kept}'")
    try:
        done = host.deploy("--version 1.4", check=False)
    finally:
        server.sh(f"rm {kept}; mv {kept}.kept {kept}")
    assert server.sh(look).stdout == before
    assert done.returncode == 1
    assert f"{kept} is no plain file" in done.stderr
    assert "something" not in done.stdout + done.stderr
    assert host.current == current
    assert server.wait_on_air()["healthy"]


def test_the_interpreter_can_be_chosen(host: DeployedHost) -> None:
    """PYTHON= names it, and the log says which it was; one that is not there is refused before anything is unpacked."""
    server = host.server
    wrong = server.sh(f"PYTHON=/srv/nothing {host.command('--version 1.5')}", check=False)
    assert wrong.returncode == 1
    assert "PYTHON=/srv/nothing is not there or older than 3.11" in wrong.stderr
    assert not server.path(f"{BASE}/releases/1.5").exists()
    server.sh("ln -s $(command -v python3) /srv/chosen")
    real = server.sh("readlink -f /srv/chosen").stdout.strip()
    done = server.sh(f"PYTHON=/srv/chosen {host.command('--version 1.5')}", timeout=300)
    assert f"({real})" in done.stdout
    assert host.current == "1.5"
    assert server.wait_on_air()["healthy"]


def test_an_output_that_was_dead_before_takes_no_release_back(host: DeployedHost) -> None:
    """A channel whose RTMP server is down is no worse off with the next release: it stays, and is well when the server is."""
    host.configure(SETTINGS.replace("OUTPUTS=", "OUTPUTS=rtmp://127.0.0.1:9/live/key-for-nobody "))
    try:
        host.server.run("systemctl", "restart", UNIT)
        wait_until(lambda: host.server.service_status().get("channel_state") == "on_air", what="on air")
        assert not host.server.service_status()["healthy"]
        host.deploy("--version 1.6")
        assert host.current == "1.6"
    finally:
        host.configure(SETTINGS)
        host.server.run("systemctl", "restart", UNIT)
    assert host.server.wait_on_air()["healthy"]


def test_of_two_deploys_at_once_one_waits_for_the_other(host: DeployedHost) -> None:
    """Both go through, one after the other; what comes last is on air."""
    host.server.sh(
        "setsid /up/remote_deploy.sh --artifact /dist/tg_video_streamer-1.0.tar.gz --version 5.0 >/srv/5.log 2>&1 &"
    )
    first = host.server.path("/srv/5.log")
    wait_until(lambda: first.exists() and "unpack:" in first.read_text(), what="the first at work")
    host.deploy("--version 5.1")
    assert "done: 5.0" in first.read_text()
    assert host.current == "5.1"
    assert host.server.wait_on_air()["healthy"]


def test_a_dry_run_changes_nothing(host: DeployedHost) -> None:
    """`--dry-run` says what would be done, and leaves every file as it is."""
    listed = f"find {BASE} /etc/systemd /etc/logrotate.d -printf '%p %T@ %s\\n' | grep -v shared/ | sort"
    before = host.server.sh(listed).stdout
    said = host.deploy("--version 6.0 --dry-run").stdout
    assert "would build" in said
    assert "6.0" in said
    assert host.server.sh(listed).stdout == before


def test_a_user_without_rights_is_told_which_are_missing(host: DeployedHost) -> None:
    """A deploy as somebody else names each right that it lacks, exits with 1, and changes nothing."""
    before = host.current
    host.server.sh("install -m 644 /dist/tg_video_streamer-1.0.tar.gz* /srv")
    words = "/up/remote_deploy.sh --artifact /srv/tg_video_streamer-1.0.tar.gz --version 7.0"
    done = host.server.sh(f"runuser -u nobody -- {words}", check=False)
    assert done.returncode == 1
    for right in (f"to write {BASE}", "to write /etc/systemd/system", "to restart tg_video_streamer.service"):
        assert right in done.stderr
    assert host.current == before


def test_old_releases_go_and_what_serves_stays(host: DeployedHost) -> None:
    """With `--keep 1` the releases on air and before it are there, and one more at the most."""
    host.deploy("--version 8.0 --keep 1")
    assert host.current == "8.0"
    left = {path.name for path in host.server.path(f"{BASE}/releases").iterdir()}
    assert {"8.0", host.previous} <= left
    assert len(left) <= 3
    assert host.server.wait_on_air()["healthy"]

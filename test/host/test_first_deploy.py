"""The first deploy on a host: the user that is missing, and from artefact to on air."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stands.artefacts import make_spoilt
from stands.deployed_host import BASE, SETTINGS, STATE, UNIT, DeployedHost, deployed_host
from stands.systemd_container import SystemdContainer

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def host(artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedHost]:
    """A server with nothing of ours on it."""
    with deployed_host(artefacts, tmp_path_factory.mktemp("clips")) as host:
        yield host


def _owner(server: SystemdContainer, *paths: str) -> list[str]:
    return server.sh(f"stat -c '%U:%G %a' {' '.join(paths)}").stdout.splitlines()


def test_a_user_that_is_missing_is_a_warning_then_made_then_on_air(host: DeployedHost) -> None:
    """Without tgstream a deploy warns and starts nothing; with --create-user the same release is on air, its picture seen."""
    server = host.server
    done = host.deploy("--no-restart")
    assert re.search(
        r"(?m)^deploy: WARNING: there is no user and group tgstream.*run this again with --create-user$", done.stderr
    )
    assert _owner(server, f"{BASE}/shared", f"{BASE}/shared/.env") == ["root:root 700", "root:root 600"]
    assert server.show(UNIT, "ActiveState", "UnitFileState") == {"ActiveState": "inactive", "UnitFileState": "disabled"}

    host.configure(SETTINGS)
    began = time.monotonic()
    host.deploy("--create-user")
    took = time.monotonic() - began
    status = server.wait_on_air()
    assert status["healthy"], status["problems"]
    picture = host.preview_frame()
    assert picture.shape == (180, 320)
    assert picture.std() > 20
    print(f"deploy of a light release to on air: {took:.1f} s")  # noqa: T201 - the measurement

    name, _, number, group, _, home, shell = server.sh("getent passwd tgstream").stdout.strip().split(":")
    assert (name, home, shell) == ("tgstream", STATE, "/usr/sbin/nologin")
    assert int(number) < 1000
    assert server.sh("getent group tgstream").stdout.split(":")[2] == group
    private = [f"{BASE}/shared/{file}" for file in (".env", "playlist.txt", "schedule.toml", ".env.lock")]
    assert _owner(server, f"{BASE}/shared", STATE) == ["tgstream:tgstream 700"] * 2
    assert _owner(server, *private) == ["tgstream:tgstream 600"] * len(private)
    assert server.sh(f"find {STATE} ! -user tgstream").stdout == ""
    assert host.env.read_text() == SETTINGS


@pytest.mark.long
def test_who_has_the_user_already_keeps_it(host: DeployedHost) -> None:
    """--create-user on a host that has user and group changes neither, and the channel is on air again."""
    if not host.current:
        host.install()
    before = host.server.sh("getent passwd tgstream; getent group tgstream").stdout
    host.deploy("--create-user")
    assert host.server.sh("getent passwd tgstream; getent group tgstream").stdout == before
    assert host.server.wait_on_air()["healthy"]


@pytest.mark.long
def test_a_user_without_its_group_gets_it(artefacts: Path, tmp_path: Path) -> None:
    """A host on which somebody made the user with another group: --create-user makes the group that the unit names."""
    with deployed_host(artefacts, tmp_path) as host:
        host.server.sh("useradd --system --no-user-group --gid nogroup tgstream")
        assert "WARNING: there is no user and group tgstream" in host.deploy("--no-restart").stderr
        host.configure(SETTINGS)
        host.deploy("--create-user")
        assert host.server.wait_on_air()["healthy"]


@pytest.mark.long
@pytest.mark.parametrize("steps", ["at once", "started later"])
def test_a_first_release_that_does_not_come_up_is_taken_away(artefacts: Path, tmp_path: Path, steps: str) -> None:
    """Nothing is started, enabled or current afterwards, the settings stay, and a good release goes on air over it."""
    make_spoilt(artefacts, tmp_path / "work", source="1.0", version="2.0")
    clips = tmp_path / "clips"
    clips.mkdir()
    with deployed_host(artefacts, clips) as host:
        server = host.server
        if steps == "started later":
            host.deploy("--create-user --no-restart", artefact="2.0")
            host.configure(SETTINGS)
        done = server.sh(
            f"TG_WAIT_SECONDS=15 {host.command('--create-user', artefact='2.0')}", check=False, timeout=400
        )
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith(
            "deploy: 2.0 does not come up, and there is no release before it; the service is stopped"
        )
        assert host.current == ""
        states = ("ActiveState", "UnitFileState")
        for unit in (UNIT, "yt-dlp-update.timer", "yt-dlp-update.path"):
            assert server.show(unit, *states) == {"ActiveState": "inactive", "UnitFileState": "disabled"}, unit
        assert _owner(server, f"{BASE}/shared/.env") == ["tgstream:tgstream 600"]
        host.configure(SETTINGS)
        host.deploy()
        assert host.current == "1.0"
        assert server.show("yt-dlp-update.timer", *states) == {"ActiveState": "active", "UnitFileState": "enabled"}
        assert server.wait_on_air()["healthy"]

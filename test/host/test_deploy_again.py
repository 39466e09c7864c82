"""Deploys in a row: fifty of them, the same one again, during a session renewal, with a newer yt-dlp; and what viewers miss."""

from __future__ import annotations

import re
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from stands.artefacts import artefact, make_light_release, make_spoilt
from stands.deployed_host import BASE, SETTINGS, STATE, UNIT, DeployedHost, deployed_host
from stands.env_watcher import EnvWatcher
from stands.looking import Looking
from stands.nginx_rtmp import NginxRtmp
from stands.package_index import write_ytdlp_wheel
from stands.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
OURS = version("yt-dlp")
NEWER, NEWEST, BROKEN = "2099.1.2", "2099.2.3", "2099.3.4"
DEPLOYS = 50
_RENEWALS = """
import sys, time
from pathlib import Path
from tg_video_streamer.envfile.write import update_env
number = 0
while not Path("/srv/over").exists():
    number += 1
    update_env(Path(sys.argv[1]), {"SESSION_STRING": f"{number:06}" * 50}, wait_seconds=120, tell=print)
    time.sleep(0.3)
print("renewals", number)
"""


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.0 with the yt-dlp of today in its own environment, 2.0 that does not come up, and newer wheels of yt-dlp."""
    folder = tmp_path_factory.mktemp("dist")
    ytdlp = write_ytdlp_wheel(folder / f"yt_dlp-{OURS}-py3-none-any.whl", OURS)
    make_light_release(folder, "1.0", ytdlp)
    make_spoilt(folder, tmp_path_factory.mktemp("spoilt") / "work", source="1.0", version="2.0")
    for number in (NEWER, NEWEST, BROKEN):
        write_ytdlp_wheel(folder / f"yt_dlp-{number}-py3-none-any.whl", number, broken=number == BROKEN)
    return folder


@pytest.fixture(scope="module")
def host(artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedHost]:
    """A server with 1.0 on air."""
    with deployed_host(artefacts, tmp_path_factory.mktemp("clips")) as host:
        host.install()
        yield host


@pytest.fixture
def on_air(host: DeployedHost) -> DeployedHost:
    """The same with 1.0 current and on air, its own yt-dlp in it, and 1.1 the release before it."""
    if host.env.read_text() != SETTINGS:
        host.configure(SETTINGS)
        host.server.run("systemctl", "restart", UNIT)
    if (host.current, host.previous) != ("1.0", "1.1"):
        host.deploy("--version 1.1")
        host.deploy("--version 1.0")
    for release in ("1.0", "1.1"):
        if not host.server.sh(
            f"ls -d {BASE}/releases/{release}/venv/lib/*/*/yt_dlp-{OURS}.dist-info", check=False
        ).stdout:
            _put_ytdlp(host, release, OURS)
    host.server.wait_on_air()
    return host


def _put_ytdlp(host: DeployedHost, release: str, number: str) -> None:
    """What the weekly update does to a release, without its canary."""
    pip = f"{BASE}/releases/{release}/venv/bin/python -m pip install --quiet --no-index --no-deps --no-compile"
    host.server.sh(f"{pip} --force-reinstall /dist/yt_dlp-{number}-py3-none-any.whl")


def _whole(text: str) -> bool:
    """Nothing but a session of one renewal besides the settings, and both whole."""
    return re.fullmatch(re.escape(SETTINGS) + r"(SESSION_STRING=(\d{6})\2{49}\n)?", text) is not None


def test_fifty_deploys_and_renewals_beside_them(host: DeployedHost) -> None:
    """All the while `.env` is there, whole, its user's, never wider than 0600; every deploy goes through, and no renewal is lost."""
    server = host.server
    for release in ("1.0", "1.1"):
        host.deploy(f"--version {release}")
    host.configure(SETTINGS)
    tgstream = int(server.sh("id -u tgstream").stdout)
    server.path("/srv/renewals.py").write_text(_RENEWALS)
    renewing = server.popen(
        f"runuser -u tgstream -- {BASE}/releases/1.0/venv/bin/python /srv/renewals.py {BASE}/shared/.env",
        stdout=subprocess.PIPE,
    )
    took = []
    with EnvWatcher(host.env) as watcher:
        for number in range(DEPLOYS):
            edited = number % 5 == 0
            if edited:
                # Narrower than it should be, so that the deploy writes it again.
                server.sh(f"chmod 0400 {BASE}/shared/.env")
            began = time.monotonic()
            release = f"1.{number % 2}" if number % 10 else f"3.{number}"
            host.deploy(f"--version {release} {'' if edited else '--no-restart'}")
            took.append(time.monotonic() - began)
            assert stat.S_IMODE(host.env.stat().st_mode) == 0o600
        server.path("/srv/over").touch()
        said = renewing.communicate(timeout=120)[0].decode()
    assert renewing.returncode == 0, said
    renewals = int(re.findall(r"renewals (\d+)", said)[0])
    assert renewals > DEPLOYS // 2
    assert "waiting for" in said, "no renewal came while a deploy was at work"
    bad = [look for look in watcher.looks if not look.there or look.mode & ~0o600 or look.owner != tgstream]
    assert bad == []
    assert [look.text[-120:] for look in watcher.looks if not _whole(look.text)] == []
    assert watcher.count > 100 * DEPLOYS
    assert host.env.read_text().endswith(f"SESSION_STRING={f'{renewals:06}' * 50}\n")
    assert server.wait_on_air()["healthy"]
    print(  # noqa: T201 - the measurement
        f"{DEPLOYS} deploys of {min(took):.1f} to {max(took):.1f} s, {renewals} renewals, {watcher.count} looks at .env"
    )


def test_a_deploy_waits_for_a_renewal_and_says_so(on_air: DeployedHost) -> None:
    """While a renewal holds the lock nothing is switched; the deploy says that it waits, and goes through after it."""
    server = on_air.server
    before = server.main_pid(UNIT)
    held = server.popen(
        f"flock {BASE}/shared/.env.lock sh -c 'touch /srv/held; until [ -e /srv/let-go ]; do sleep 0.1; done'"
    )
    wait_until(server.path("/srv/held").exists, what="the lock is held")
    deploying = server.popen(f"{on_air.command('--version 1.1')} >/srv/waits.log 2>&1")
    log = server.path("/srv/waits.log")
    waits = "waiting for another deployment or session renewal"
    wait_until(lambda: log.exists() and waits in log.read_text(), what="it says that it waits")
    assert (on_air.current, server.main_pid(UNIT)) == ("1.0", before)
    server.path("/srv/let-go").touch()
    assert (held.wait(120), deploying.wait(120)) == (0, 0)
    assert on_air.current == "1.1"


def test_a_deploy_gives_up_on_a_lock_that_stays(on_air: DeployedHost) -> None:
    """After a minute of waiting it exits with 1, says who is in the way, and has changed nothing."""
    server = on_air.server
    before = server.main_pid(UNIT)
    held = server.popen(f"flock {BASE}/shared/.env.lock sh -c 'echo $$ >/srv/holder; exec sleep 1000'")
    try:
        wait_until(server.path("/srv/holder").exists, what="the lock is held")
        done = on_air.deploy("--version 1.1", check=False, timeout=120)
    finally:
        server.sh("kill $(cat /srv/holder)")
        held.wait(120)
    assert done.returncode == 1
    assert "another deployment or session renewal holds" in done.stderr
    assert (on_air.current, server.main_pid(UNIT)) == ("1.0", before)


def test_the_version_that_runs_may_be_deployed_again(on_air: DeployedHost, artefacts: Path) -> None:
    """It is restarted, stays current, keeps its way back, and another artefact of that name is named as left out."""
    before = on_air.server.main_pid(UNIT)
    done = on_air.deploy("--version 1.0")
    assert "1.0 is there already" in done.stdout
    assert "WARNING" not in done.stderr
    assert on_air.server.main_pid(UNIT) != before
    assert (on_air.current, on_air.previous) == ("1.0", "1.1")
    assert artefact(artefacts, "2.0").exists()
    done = on_air.deploy("--version 1.0", artefact="2.0")
    assert "WARNING: 1.0 was made from another artefact and stays as it is" in done.stderr
    assert on_air.server.wait_on_air()["healthy"]


def _ruin(host: DeployedHost, release: str) -> str:
    """Its service ends as it starts from now on, though it passes its check; the command that mends it."""
    spoilt = f"{BASE}/releases/{release}/venv/lib/python3.*/site-packages/tg_video_streamer/preparation.py"
    host.server.sh(f"cp {spoilt} /srv/preparation.py && sed -i '$a prepare = None' {spoilt}")
    return f"cp /srv/preparation.py {spoilt}"


def test_the_one_that_runs_and_does_not_come_up_again_gives_way(on_air: DeployedHost) -> None:
    """Ruined since it went on air: deployed again it fails, and the release before it is on air; built again it works."""
    _ruin(on_air, "1.0")
    done = on_air.deploy("--version 1.0", check=False)
    assert done.returncode == 1
    assert "1.0 did not come up; 1.1 is on air again" in done.stderr
    assert on_air.current == "1.1"
    assert on_air.server.wait_on_air()["healthy"]
    assert "unpack: 1.0 is there already" not in on_air.deploy("--version 1.0").stdout
    assert on_air.current == "1.0"


def test_alone_and_ruined_it_stays_and_is_tried_for_ever(on_air: DeployedHost) -> None:
    """With no release before it, one that was on air stays current and enabled, and is on air once it is mended."""
    on_air.server.sh(f"rm {BASE}/previous")
    mend = _ruin(on_air, "1.0")
    done = on_air.server.sh(f"TG_WAIT_SECONDS=15 {on_air.command('--version 1.0')}", check=False, timeout=150)
    assert done.returncode == 1
    assert "1.0 does not come up again, and there is no release before it; the service keeps trying" in done.stderr
    assert on_air.current == "1.0"
    assert on_air.server.show(UNIT, "UnitFileState") == {"UnitFileState": "enabled"}
    on_air.server.sh(mend)
    assert on_air.server.wait_on_air()["healthy"]


def test_a_release_that_was_never_started_is_not_the_way_back(on_air: DeployedHost) -> None:
    """Two deploys that leave the restart to others: the rollback leads to what was on air."""
    pid = on_air.server.main_pid(UNIT)
    on_air.deploy("--version 1.1 --no-restart")
    on_air.deploy("--no-restart", artefact="2.0")
    assert on_air.server.main_pid(UNIT) == pid
    on_air.rollback()
    assert on_air.current == "1.0"
    assert on_air.server.wait_on_air()["healthy"]


def test_a_newer_ytdlp_goes_along_forward_and_back(on_air: DeployedHost) -> None:
    """What the weekly update brought to the running release is in the next one, and in the one before after a rollback."""
    _put_ytdlp(on_air, "1.0", NEWER)
    done = on_air.deploy("--version 1.1")
    assert f"yt-dlp: {NEWER} of the release before is carried along; this one came with {OURS}" in done.stdout
    assert (on_air.current, on_air.ytdlp) == ("1.1", NEWER)
    _put_ytdlp(on_air, "1.1", NEWEST)
    on_air.rollback()
    assert (on_air.current, on_air.ytdlp) == ("1.0", NEWEST)
    done = on_air.deploy(artefact="2.0", check=False)
    assert "2.0 did not come up; 1.0 is on air again" in done.stderr
    assert (on_air.current, on_air.ytdlp) == ("1.0", NEWEST)
    assert on_air.server.wait_on_air()["healthy"]


def test_a_ytdlp_that_does_not_start_is_left_behind(on_air: DeployedHost) -> None:
    """A newer one that is broken does not come along: the next release keeps its own."""
    _put_ytdlp(on_air, "1.0", BROKEN)
    done = on_air.deploy("--version 1.1")
    assert f"yt-dlp: {BROKEN} of the release before does not start here; {OURS} stays" in done.stdout
    assert (on_air.current, on_air.ytdlp) == ("1.1", OURS)


def test_viewers_miss_less_than_twelve_seconds(on_air: DeployedHost, tmp_path: Path) -> None:
    """A deploy with its restart: the record of an RTMP server and that of a file stand still for less than 12 s."""
    with NginxRtmp(tmp_path / "nginx", network=on_air.server.network) as nginx:
        on_air.configure(SETTINGS.replace("OUTPUTS=", f"OUTPUTS={nginx.url('plain-key')} "))
        on_air.server.run("systemctl", "restart", UNIT)
        on_air.server.wait_on_air()
        state = on_air.server.path(STATE)
        records: dict[str, Callable[[], int]] = {
            "RTMP": nginx.recorded_bytes,
            "file": lambda: sum(path.stat().st_size for path in state.glob("out*.flv")),
        }
        with _Standstill(records) as stood:
            on_air.deploy("--version 7.0")
            on_air.server.wait_on_air()
    print("; ".join(f"{name} stood still for {seconds:.1f} s" for name, seconds in stood.longest.items()))  # noqa: T201 - the measurement
    assert len(nginx.records()) == 2
    assert all(1 < seconds < 12 for seconds in stood.longest.values()), stood.longest


class _Standstill(Looking):
    """A context in which a thread looks at lengths; `longest` says for how long each did not grow."""

    def __init__(self, lengths: Mapping[str, Callable[[], int]]) -> None:
        super().__init__(self._compare, every_seconds=0.02)
        self._lengths = lengths
        self._last = {name: (0, time.monotonic()) for name in lengths}
        self.longest = dict.fromkeys(lengths, 0.0)

    def _compare(self) -> None:
        for name, length in self._lengths.items():
            now, bytes_now = time.monotonic(), length()
            if bytes_now != self._last[name][0]:
                self._last[name] = (bytes_now, now)
            self.longest[name] = max(self.longest[name], now - self._last[name][1])

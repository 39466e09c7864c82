"""Timer, path units and update on a host with a real systemd, and a channel on air that sees nothing of them but its use."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from stands.installed_host import HOME, REPOSITORY, UNIT, installed_host, make_shared
from stands.package_index import PackageIndex, agent, package_index
from stands.site import Site
from stands.systemd_container import SystemdContainer
from stands.waiting import wait_until

STATE = "/var/lib/tg_video_streamer"
REQUEST = "yt-dlp-update-requested"
RECORD = f"{HOME}/yt-dlp-update.json"
WEB = {"LIBRARY_MAX_GB": "0"}
"""Each item is resolved again, not played from its cached encode."""


@pytest.fixture(scope="module")
def host() -> Iterator[SystemdContainer]:
    """A host with a release whose yt-dlp can be replaced, timer and path unit on."""
    with installed_host() as host:
        site = host.sh(f"echo {HOME}/current/venv/lib/python3.*/site-packages").stdout.strip()
        for name in ("yt_dlp", f"yt_dlp-{distribution('yt-dlp').version}.dist-info"):
            host.push(Path(str(distribution("yt-dlp").locate_file(name))), f"{site}/{name}")
        pip = f'#!/bin/sh\nexec {HOME}/current/venv/bin/python -m pip "$@"\n'
        host.sh(f"cat >{HOME}/current/venv/bin/pip; chmod 755 {HOME}/current/venv/bin/pip", text=pip)
        host.sh(f"mkdir -p {HOME}/current/scripts; install -d -o tgstream -m 0700 {STATE}")
        release = host.path(host.sh(f"readlink -f {HOME}/current").stdout.strip())
        shutil.copy(REPOSITORY / "scripts" / "yt-dlp-update.sh", release / "scripts")
        for unit in (REPOSITORY / "deploy" / "systemd").glob("yt-dlp-update*"):
            shutil.copy(unit, host.path("/etc/systemd/system"))
        host.sh("systemctl daemon-reload && systemctl enable --quiet --now yt-dlp-update.timer yt-dlp-update.path")
        yield host


@dataclass(frozen=True, kw_only=True)
class Web:
    """What the host reaches on its loopback: an index of packages and a video site."""

    host: SystemdContainer
    index: PackageIndex
    site: Site

    def make_channel(self, folder: str, settings: dict[str, str], pages: tuple[str, ...]) -> None:
        """A channel of these pages' videos."""
        make_shared(self.host, folder, {**WEB, **settings})
        self.host.sh(f"cat >{folder}/playlist.txt", text="".join(f"{self.site.url(page)}\n" for page in pages))

    def agents(self, page: str) -> list[str]:
        """Who has asked for a page, oldest first."""
        return [request.headers.get("user-agent", "") for request in self.site.requests(page)]

    def record(self) -> dict[str, Any]:
        """What the update has recorded; empty before the first."""
        path = self.host.path(RECORD)
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found


@pytest.fixture(scope="module")
def web(host: SystemdContainer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Both, in the host's own network."""
    with ExitStack() as stands:
        with host.in_network():
            index = stands.enter_context(package_index(tmp_path_factory.mktemp("index")))
            site = stands.enter_context(Site())
        host.sh("cat >/etc/pip.conf", text=f"[global]\nindex-url = {index.url}\n")
        for name in ("one", "two"):
            site.file(f"/{name}.mkv", host.path(f"/srv/clips/{name}.mkv"))
        yield Web(host=host, index=index, site=site)


def test_the_units_are_right_for_systemd(host: SystemdContainer) -> None:
    """`systemd-analyze verify` has nothing to say."""
    units = "yt-dlp-update.* yt-dlp-update@two.path tg_video_streamer@two.service"
    ended = host.sh(f"cd /etc/systemd/system && systemd-analyze verify {units} 2>&1", check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_update_comes_on_sunday_at_two(host: SystemdContainer) -> None:
    """The timer's next elapse is the coming Sunday, 02:00 UTC; one that was slept through is made up for."""
    shown = host.show("yt-dlp-update.timer", "NextElapseUSecRealtime", "Persistent", "ActiveState")
    assert (shown["Persistent"], shown["ActiveState"]) == ("yes", "active")
    elapse = host.sh(f"date -u -d '{shown['NextElapseUSecRealtime']}' +%s").stdout
    moment = dt.datetime.fromtimestamp(int(elapse), dt.UTC)
    assert (moment.isoweekday(), moment.hour, moment.minute, moment.second) == (7, 2, 0, 0)
    assert moment - dt.datetime.now(dt.UTC) <= dt.timedelta(days=7, minutes=1)


def test_the_log_is_rotated_and_stays_private(host: SystemdContainer) -> None:
    """Logrotate takes the rule as it is; the log that follows is as private as the one before."""
    rule = "/etc/logrotate.d/yt-dlp-update"
    shutil.copy(REPOSITORY / "deploy/logrotate/yt-dlp-update", host.path(rule))
    host.sh("umask 027; echo line >>/var/log/yt-dlp-update.log")
    said = host.sh(f"logrotate --force --state /srv/rotated {rule} 2>&1").stdout
    assert said == ""
    shown = host.sh("stat -c '%n %a %U %s' /var/log/yt-dlp-update.log*").stdout.splitlines()
    assert shown == ["/var/log/yt-dlp-update.log 640 root 0", "/var/log/yt-dlp-update.log.1 640 root 5"]


@pytest.mark.long
def test_a_channel_on_air_uses_the_newer_version_from_its_next_item_on(web: Web) -> None:
    """The update restarts nothing and costs no frame; the site is asked by the newer yt-dlp for the item after it."""
    host, newer = web.host, "2099.1.2"
    web.site.page("/watch-1", "/one.mkv", title="One")
    web.site.page("/watch-2", "/two.mkv", title="Two")
    web.make_channel(f"{HOME}/shared", {}, ("/watch-1", "/watch-2"))
    host.run("systemctl", "start", UNIT)
    host.wait_on_air(timeout=90)
    wait_until(lambda: web.agents("/watch-2"), what="the next item is looked up ahead of its time")
    pid = host.main_pid(UNIT)
    web.index.publish(newer)
    host.run("systemctl", "start", "yt-dlp-update.service", timeout=200)
    assert web.record()["result"] == "updated", host.sh("cat /var/log/yt-dlp-update.log").stdout
    assert agent(newer) not in web.agents("/watch-1") + web.agents("/watch-2")

    wait_until(lambda: agent(newer) in web.agents("/watch-1"), timeout=90, what="the next item but one is looked up")
    wait_until(
        lambda: f'tg_video_streamer_ytdlp_version_info{{version="{newer}"}} 1.0' in _metrics(host),
        what="its version is reported",
    )
    assert 'tg_video_streamer_ytdlp_update_total{result="updated"} 1.0' in _metrics(host)
    assert "tg_video_streamer_program_gap_seconds_total 0.0" in _metrics(host)
    assert _untouched(host, UNIT, pid)
    host.run("systemctl", "stop", UNIT)


@pytest.mark.long
def test_a_version_that_does_not_work_fails_no_unit(web: Web) -> None:
    """The canary puts the version before back; for systemd the update is done, and the log says what was wrong."""
    host = web.host
    before = host.sh(f"{HOME}/current/venv/bin/python -I -m yt_dlp --ignore-config --version").stdout
    web.index.publish("2099.1.9", broken=True)
    host.run("systemctl", "start", "yt-dlp-update.service", timeout=200)
    assert host.show("yt-dlp-update.service", "ActiveState", "Result") == {
        "ActiveState": "inactive",
        "Result": "success",
    }
    assert web.record()["result"] == "rolled_back"
    assert "this version is broken" in host.sh("cat /var/log/yt-dlp-update.log").stdout
    assert host.sh(f"{HOME}/current/venv/bin/python -I -m yt_dlp --ignore-config --version").stdout == before


@pytest.mark.long
@pytest.mark.timeout(500)
def test_a_site_that_changes_costs_one_update_and_no_person(web: Web) -> None:
    """Every item fails with the yt-dlp of yesterday: the service asks, systemd brings today's, and the channel is on air.

    All of it within the same process; a second request on the same day is declined.
    """
    host, newest = web.host, "2099.2.3"
    pages = ("/new-1", "/new-2", "/new-3")
    for page in pages:
        web.site.page(page, "/one.mkv", agent=agent(newest))
    web.make_channel(f"{HOME}/shared", {}, pages)
    web.index.publish(newest)
    host.run("systemctl", "start", UNIT)
    pid = host.main_pid(UNIT)
    wait_until(lambda: web.record().get("requested"), timeout=200, what="an update was asked for and is over")
    assert web.record()["result"] == "updated", host.sh("cat /var/log/yt-dlp-update.log").stdout
    assert host.sh("stat -c '%a %U' /var/log/yt-dlp-update.log").stdout.strip() == "640 root"
    host.wait_on_air(timeout=120)
    assert _untouched(host, UNIT, pid)
    assert "update of yt-dlp requested" in host.journal(UNIT)
    host.run("systemctl", "stop", UNIT)
    before = web.record()["counts"]
    _ask(host, STATE)
    _declined(host, 1)
    assert web.record()["counts"] == before


@pytest.mark.long
def test_each_further_channel_asks_by_a_path_unit_of_its_own(web: Web) -> None:
    """It comes with the channel and needs no enabling. All channels of a host together get one update a day."""
    host = web.host
    host.path(RECORD).unlink(missing_ok=True)
    web.index.publish("2099.3.4")
    make_shared(host, f"{HOME}/shared/two", {"WEB_PORT": "8082", "PROMETHEUS_PORT": "9092"})
    host.run("systemctl", "start", "tg_video_streamer@two")
    assert host.show("yt-dlp-update@two.path", "ActiveState")["ActiveState"] == "active"
    declined = _declined(host)
    _ask(host, f"{STATE}@two")
    wait_until(lambda: web.record().get("requested"), timeout=200, what="the update is recorded")
    assert web.record()["result"] == "updated"
    _ask(host, f"{STATE}@two")
    _declined(host, declined + 1)
    host.run("systemctl", "stop", "tg_video_streamer@two")


def _metrics(host: SystemdContainer) -> str:
    return host.fetch("http://127.0.0.1:9090/metrics")[1].decode()


def _untouched(host: SystemdContainer, unit: str, pid: int) -> bool:
    """The unit has the process that it had, and systemd has not restarted it."""
    return host.show(unit, "MainPID", "NRestarts") == {"MainPID": str(pid), "NRestarts": "0"}


def _ask(host: SystemdContainer, state: str) -> None:
    """As the service does, by its user, and while no update runs: who asks then has what it asks for."""
    over = {"ActiveState": "inactive", "Result": "success"}
    wait_until(lambda: host.show("yt-dlp-update.service", *over) == over, what="no update runs")
    host.sh(f"setpriv --reuid tgstream --clear-groups sh -c 'echo please >{state}/{REQUEST}'")


def _declined(host: SystemdContainer, times: int = 0) -> int:
    """How often a request was declined, once that is so many times."""

    def count() -> int:
        return host.sh("cat /var/log/yt-dlp-update.log").stdout.count("asked for again within a day")

    wait_until(lambda: count() >= times, what="the request is declined")
    return count()

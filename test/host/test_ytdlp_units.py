"""Timer, path unit and update on a host with a real systemd."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from stands.installed_host import HOME, REPOSITORY, installed_host
from stands.package_index import package_index
from stands.systemd_container import SystemdContainer
from stands.waiting import wait_until

pytestmark = pytest.mark.timeout(300)
NEWER = "2099.1.2"
REQUEST = "/var/lib/tg_video_streamer/yt-dlp-update-requested"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdContainer]:
    """A host with a release whose yt-dlp can be replaced, timer and path unit on, and an index on its loopback."""
    folder = tmp_path_factory.mktemp("index")
    with package_index(folder) as index:
        index.publish(NEWER)
    with installed_host() as host:
        site = host.sh(f"echo {HOME}/current/venv/lib/python3.*/site-packages").stdout.strip()
        for name in ("yt_dlp", f"yt_dlp-{distribution('yt-dlp').version}.dist-info"):
            host.push(Path(str(distribution("yt-dlp").locate_file(name))), f"{site}/{name}")
        pip = f'#!/bin/sh\nexec {HOME}/current/venv/bin/python -m pip "$@"\n'
        host.sh(f"cat >{HOME}/current/venv/bin/pip; chmod 755 {HOME}/current/venv/bin/pip", text=pip)
        host.sh(
            f"mkdir -p {HOME}/current/scripts /srv/index; install -d -o tgstream -m 0700 /var/lib/tg_video_streamer"
        )
        release = host.path(host.sh(f"readlink -f {HOME}/current").stdout.strip())
        shutil.copy(REPOSITORY / "scripts" / "yt-dlp-update.sh", release / "scripts")
        for unit in (REPOSITORY / "deploy" / "systemd").glob("yt-dlp-update*"):
            shutil.copy(unit, host.path("/etc/systemd/system"))
        host.push(folder / "simple", "/srv/index/simple")
        host.sh("cat >/etc/pip.conf", text="[global]\nindex-url = http://127.0.0.1:8099/simple/\n")
        host.sh("systemd-run --quiet --unit=index python3 -m http.server --bind 127.0.0.1 -d /srv/index 8099")
        host.sh("systemctl daemon-reload && systemctl enable --quiet --now yt-dlp-update.timer yt-dlp-update.path")
        yield host


def test_the_units_are_right_for_systemd(host: SystemdContainer) -> None:
    """`systemd-analyze verify` has nothing to say."""
    ended = host.sh("cd /etc/systemd/system && systemd-analyze verify yt-dlp-update.* 2>&1", check=False)
    about_ours = [line for line in ended.stdout.splitlines() if "yt-dlp" in line]
    assert about_ours == []


def test_the_update_comes_on_sunday_at_two(host: SystemdContainer) -> None:
    """The timer's next elapse is the coming Sunday, 02:00 UTC; one that was slept through is made up for."""
    shown = host.show("yt-dlp-update.timer", "NextElapseUSecRealtime", "Persistent", "ActiveState")
    assert (shown["Persistent"], shown["ActiveState"]) == ("yes", "active")
    elapse = host.sh(f"date -u -d '{shown['NextElapseUSecRealtime']}' +%s").stdout
    moment = dt.datetime.fromtimestamp(int(elapse), dt.UTC)
    assert (moment.isoweekday(), moment.hour, moment.minute, moment.second) == (7, 2, 0, 0)
    assert moment - dt.datetime.now(dt.UTC) <= dt.timedelta(days=7, minutes=1)


@pytest.mark.long
def test_the_service_asks_and_gets_one_update(host: SystemdContainer) -> None:
    """A file that the service's user writes starts the update, which works within its sandbox, tried as that user."""
    ask = f"setpriv --reuid tgstream --clear-groups sh -c 'echo please >{REQUEST}'"
    record = host.path(f"{HOME}/yt-dlp-update.json")
    host.sh(ask)
    wait_until(record.exists, timeout=200, what="the update is recorded")
    assert json.loads(record.read_text())["result"] == "updated", host.sh("cat /var/log/yt-dlp-update.log").stdout
    assert host.sh("stat -c '%a %U' /var/log/yt-dlp-update.log").stdout.strip() == "640 root"
    wait_until(
        lambda: host.show("yt-dlp-update.service", "ActiveState")["ActiveState"] == "inactive", timeout=60, what="end"
    )
    assert host.show("yt-dlp-update.service", "Result")["Result"] == "success"

    host.sh(ask)
    wait_until(
        lambda: "asked for again within a day" in host.sh("cat /var/log/yt-dlp-update.log").stdout,
        timeout=60,
        what="the second request is declined",
    )
    assert json.loads(record.read_text())["counts"] == {"updated": 1}

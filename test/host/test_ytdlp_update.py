"""The weekly update of yt-dlp: real pip against an index on loopback, in a release of the test's own."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from stands.light_release import LightRelease
from stands.package_index import PackageIndex, package_index
from stands.waiting import wait_until

OURS = version("yt-dlp")
NEWER = "2099.1.2"
NO_INDEX = "http://127.0.0.1:9/simple/"
"""The discard port: nothing listens there."""


@pytest.fixture
def release(tmp_path: Path) -> LightRelease:
    """A release with the yt-dlp of today."""
    return LightRelease(tmp_path / "opt")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    """An index that offers nothing yet."""
    with package_index(tmp_path / "index") as index:
        yield index


def _others(release: LightRelease) -> list[str]:
    names = [path.name for path in release.packages.iterdir()]
    return sorted(name for name in names if not name.startswith(("yt_dlp", "__pycache__")))


def test_a_newer_version_is_installed_and_nothing_else_changes(release: LightRelease, index: PackageIndex) -> None:
    """The next item is read by the newest yt-dlp; the log has times and is private, and the record says so."""
    before = _others(release)
    index.publish(NEWER)
    ended = release.update(index.url)
    assert ended.returncode == 0, ended.stderr
    assert release.version() == NEWER
    assert _others(release) == before
    assert not (release.venv / "yt-dlp-before").exists()
    assert stat.S_IMODE(release.log.stat().st_mode) == 0o640
    lines = release.log.read_text().splitlines()
    assert all(re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines)
    record = release.record()
    assert (record["result"], record["version"], record["counts"]) == ("updated", NEWER, {"updated": 1})
    assert record["last_success"] == record["time"]
    assert stat.S_IMODE((release.root / "yt-dlp-update.json").stat().st_mode) == 0o644


def test_a_version_that_does_not_work_is_put_back(release: LightRelease, index: PackageIndex) -> None:
    """The canary finds what pip cannot: the version before works as it did, and the unit does not fail."""
    index.publish(NEWER, broken=True)
    ended = release.update(index.url)
    assert ended.returncode == 0, ended.stderr
    assert release.record()["result"] == "rolled_back"
    assert release.record()["last_success"] == 0
    assert release.version().startswith("202")
    assert not list(release.packages.glob(f"yt_dlp-{NEWER}*"))
    assert "this version is broken" in release.log.read_text()


def test_an_index_that_is_down_changes_nothing(release: LightRelease) -> None:
    """No network is logged and recorded, the old version stays in use, and the exit code stays 0."""
    ended = release.update(NO_INDEX)
    assert ended.returncode == 0, ended.stderr
    record = release.record()
    assert (record["result"], record["version"]) == ("failed", OURS)
    assert "pip could not install it" in record["detail"]
    assert release.version().startswith("202")
    assert len(list(release.packages.glob("yt_dlp-*.dist-info"))) == 1


@pytest.mark.long
def test_no_other_package_is_changed_for_it(release: LightRelease, index: PackageIndex) -> None:
    """A version that would need another mutagen than the release was tried with is not installed, and all stays."""
    before = _others(release)
    index.publish(NEWER, needs=f"mutagen!={version('mutagen')}")
    ended = release.update(index.url)
    assert ended.returncode == 0, ended.stderr
    assert (release.record()["result"], release.record()["version"]) == ("failed", OURS)
    assert f"yt-dlp {NEWER} needs other packages than this release has" in release.record()["detail"]
    assert _others(release) == before
    assert release.version().startswith("202")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_pinned_version_is_kept_and_the_index_not_asked(release: LightRelease, index: PackageIndex) -> None:
    """YTDLP_PIN stops the update where the version is there, and brings it where it is not."""
    release.env_file.write_text(f"YTDLP_PIN='{OURS}'\n")
    assert release.update(NO_INDEX).returncode == 0
    assert release.record()["result"] == "pinned"
    assert release.record()["version"] == OURS
    index.publish("2098.3.4")
    index.publish(NEWER)
    release.env_file.write_text("YTDLP_PIN=2098.03.04\n")
    assert release.update(index.url).returncode == 0
    assert (release.record()["result"], release.version()) == ("pinned", "2098.3.4")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_two_updates_never_run_at_once(release: LightRelease, index: PackageIndex) -> None:
    """The second waits for the first, as both wait for a deployment, and finds nothing left to do."""
    index.publish(NEWER)
    both = [
        subprocess.Popen(release.command(), env=release.environment(index.url), stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(100) for process in both] == [0, 0]
    assert release.record()["counts"] == {"updated": 1, "unchanged": 1}
    told = re.findall(r"Z (begin|result):", release.log.read_text())
    assert told == ["begin", "result", "begin", "result"]


def test_it_gives_way_to_a_deployment(release: LightRelease) -> None:
    """While the lock is held nothing is touched, and the unit does not fail."""
    lock = release.root / ".deploy.lock"
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo held; read line"], stdin=-1, stdout=-1) as deploy:
        assert deploy.stdout is not None
        assert deploy.stdout.readline() == b"held\n"
        ended = release.update(NO_INDEX, "--wait", "1")
        deploy.communicate(b"\n")
    assert ended.returncode == 0
    assert "not now: a deploy or another update" in release.log.read_text()
    assert not (release.root / "yt-dlp-update.json").exists()


@pytest.mark.long
@pytest.mark.timeout(400)
def test_an_update_that_was_cut_short_is_put_right(release: LightRelease, index: PackageIndex) -> None:
    """Killed in the middle, with half of a version installed: the one before is put back and works."""
    index.publish(NEWER, broken=True)
    with subprocess.Popen(
        release.command(), env=release.environment(index.url), stdout=subprocess.DEVNULL, start_new_session=True
    ) as update:
        wait_until((release.packages / f"yt_dlp-{NEWER}.dist-info").exists, what="the new one is there")
        os.killpg(update.pid, signal.SIGKILL)
    ended = release.update(NO_INDEX, "--recover")
    assert ended.returncode == 0, ended.stderr
    assert release.version().startswith("202")
    assert (
        subprocess.run([*release.command()[:1], "--version-of", release.folder], capture_output=True, check=True)
        .stdout.decode()
        .strip()
        == OURS
    )


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_service_is_served_once_a_day(release: LightRelease) -> None:
    """However often the service asks, one update a day comes of it; the timer's is not counted."""
    for _ in range(2):
        assert release.update(NO_INDEX, TRIGGER_PATH="/var/lib/x/yt-dlp-update-requested").returncode == 0
    assert release.record()["counts"] == {"failed": 1}
    assert "asked for again within a day" in release.log.read_text()
    assert release.update(NO_INDEX).returncode == 0
    assert release.record()["counts"] == {"failed": 2}

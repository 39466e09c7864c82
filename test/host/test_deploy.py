"""A release from artefact to on air, the next one, a broken one that is taken back, and the way back by hand."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from stands.systemd_container import SystemdContainer
from stands.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = "/opt/tg_video_streamer"
UNIT = "tg_video_streamer"
SETTINGS = f"MEDIA_DIRS=/srv/clips\nVIDEO_QUALITY=480p\nOUTPUTS=file:/var/lib/{UNIT}/out.flv\n"

# Every wheel for the host's Python is downloaded or built: minutes where no cache holds them.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with release 1.0 as `make release` builds it."""
    folder = tmp_path_factory.mktemp("dist")
    environment = {**os.environ, "DIST": str(folder), "VERSION": "1.0", "WHEELS": "1", "WHEEL_PYTHONS": "3.11"}
    subprocess.run([REPOSITORY / "scripts/release.sh"], env=environment, check=True, stdin=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="module")
def host(artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdContainer]:
    """A server on which 1.0 was deployed in the quickstart's two steps."""
    clips = tmp_path_factory.mktemp("clips")
    source = ["-f", "lavfi", "-i", "testsrc2=s=854x480:r=25", "-f", "lavfi", "-i", "sine", "-t", "20"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-preset", "ultrafast", clips / "a.mp4"], check=True)
    clips.chmod(0o755)  # the service is another user
    options = [f"--bind-ro={artefacts}:/dist", f"--bind-ro={REPOSITORY}/scripts:/up", f"--bind-ro={clips}:/srv/clips"]
    with SystemdContainer("bookworm", options=options) as server:
        _deploy(server, "--create-user --no-restart")
        server.path(f"{BASE}/shared/playlist.txt").write_text("/srv/clips/a.mp4\n")
        server.path(f"{BASE}/shared/.env").write_text(SETTINGS)
        _deploy(server, "")
        yield server


def _deploy(
    server: SystemdContainer, words: str, *, artefact: str = "1.0", check: bool = True
) -> subprocess.CompletedProcess[str]:
    command = f"/up/remote_deploy.sh --artifact /dist/tg_video_streamer-{artefact}.tar.gz {words}"
    return server.sh(command, check=check, timeout=300)


def _current(server: SystemdContainer) -> str:
    return str(server.path(f"{BASE}/current").readlink())


def test_the_preview_of_a_deployed_release_shows_a_picture(host: SystemdContainer) -> None:
    """From artefact to on air: the unit is active, and a frame of the preview decodes to something to see."""
    status = host.wait_on_air()
    assert status["healthy"], status["problems"]
    wait_until(
        lambda: b"segment-" in host.fetch("http://127.0.0.1:8080/preview/live.m3u8")[1], timeout=30, what="preview"
    )
    listed = host.fetch("http://127.0.0.1:8080/preview/live.m3u8")[1].decode().split()
    segment = next(word for word in reversed(listed) if word.endswith(".m4s"))
    parts = [host.fetch(f"http://127.0.0.1:8080/preview/{name}")[1] for name in ("init.mp4", segment)]
    with av.open(io.BytesIO(b"".join(parts)), mode="r") as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (854, 480)
    assert frame.to_ndarray(format="gray").std() > 20


def test_code_is_roots_and_settings_are_the_services(host: SystemdContainer) -> None:
    """The service cannot change what it runs, and owns its settings, which nobody else may read."""
    found = host.sh(
        f"stat -c '%U %a %n' {BASE}/current/venv/bin/python {BASE}/current/main.py {BASE}/shared {BASE}/shared/.env"
    ).stdout
    owners = {line.split()[2]: line.split()[:2] for line in found.splitlines()}
    assert owners[f"{BASE}/current/main.py"] == ["root", "644"]
    assert owners[f"{BASE}/current/venv/bin/python"][0] == "root"
    assert owners[f"{BASE}/shared"] == ["tgstream", "700"]
    assert owners[f"{BASE}/shared/.env"] == ["tgstream", "600"]
    assert host.sh(f"find {BASE}/releases ! -user root | head -1").stdout == ""


def test_the_settings_are_private_and_whole_while_a_release_is_deployed(host: SystemdContainer) -> None:
    """All the while that 1.1 comes on air, `.env` is there, nobody else's to read, and says the same."""
    seen: set[tuple[int, str]] = set()
    over = threading.Event()
    path = host.path(f"{BASE}/shared/.env")

    def watch() -> None:
        while not over.is_set():
            seen.add((stat.S_IMODE(path.stat().st_mode), path.read_text()))
            over.wait(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _deploy(host, "--version 1.1")
    finally:
        over.set()
        watcher.join()
    assert seen == {(0o600, SETTINGS)}
    assert _current(host) == "releases/1.1"
    assert host.wait_on_air()["healthy"]


def test_a_way_back_by_hand(host: SystemdContainer) -> None:
    """`rollback.sh` puts the release before on air again, and forward by its name."""
    _deploy(host, "--version 1.1")
    host.sh("/up/rollback.sh 1.0", timeout=120)
    assert _current(host) == "releases/1.0"
    assert host.wait_on_air()["healthy"]
    host.sh("/up/rollback.sh 1.1", timeout=120)
    assert _current(host) == "releases/1.1"
    assert host.wait_on_air()["healthy"]


def test_a_release_that_does_not_come_up_is_taken_back(host: SystemdContainer, artefacts: Path, tmp_path: Path) -> None:
    """A release that passes its check and dies on air: the deploy fails, and the one before is on air again."""
    before = _current(host)
    _spoil(artefacts, tmp_path)
    done = _deploy(host, "", artefact="2.0", check=False)
    assert done.returncode != 0
    assert "2.0 did not come up" in done.stderr
    assert _current(host) == before
    assert host.wait_on_air()["healthy"]


def test_a_damaged_artefact_changes_nothing(host: SystemdContainer, artefacts: Path) -> None:
    """An artefact that its checksum does not fit is refused before anything is unpacked."""
    before = _current(host)
    whole = (artefacts / "tg_video_streamer-1.0.tar.gz").read_bytes()
    (artefacts / "tg_video_streamer-3.0.tar.gz").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    checksum = (artefacts / "tg_video_streamer-1.0.tar.gz.sha256").read_text().replace("-1.0", "-3.0")
    (artefacts / "tg_video_streamer-3.0.tar.gz.sha256").write_text(checksum)
    done = _deploy(host, "", artefact="3.0", check=False)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert _current(host) == before
    assert not host.path(f"{BASE}/releases/3.0").exists()


def _spoil(artefacts: Path, folder: Path) -> None:
    """Release 2.0: 1.0 with a service that ends as it starts."""
    with tarfile.open(artefacts / "tg_video_streamer-1.0.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    (root / "VERSION").write_text("2.0\n")
    (wheel,) = (root / "wheel").iterdir()
    spoilt = folder / "spoilt.whl"
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(spoilt, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "tg_video_streamer/preparation.py":
                content = content.replace(
                    b"async def prepare(",
                    b"async def prepare(*_a, **_k):\n    raise SystemExit(3)\n\n\nasync def _prepare(",
                )
            new.writestr(name, content)
    shutil.move(spoilt, wheel)
    target = artefacts / "tg_video_streamer-2.0.tar.gz"
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        archive.add(root, arcname="tg_video_streamer-2.0")
    digest = subprocess.run(
        ["sha256sum", target.name], cwd=artefacts, capture_output=True, text=True, check=True
    ).stdout
    Path(f"{target}.sha256").write_text(digest)


STEPS = ("unpack:", "venv: with", "venv: built", "settings:", "check:", "switch:")
"""What a deploy says after, or at the beginning of, each of its steps."""


@pytest.mark.parametrize("step", STEPS)
def test_killed_after_any_step_the_old_release_stays_on_air(host: SystemdContainer, step: str) -> None:
    """Killed by -9 right after any step: the same process is on air, its settings are whole, and the next deploy goes through."""
    version = f"4.{STEPS.index(step)}"
    before = host.show(UNIT, "MainPID")["MainPID"]
    host.sh(
        f"setsid /up/remote_deploy.sh --artifact /dist/tg_video_streamer-1.0.tar.gz --version {version} --no-restart"
        " >/srv/deploy.log 2>&1 & echo $! >/srv/deploy.pid"
    )
    log = host.path("/srv/deploy.log")
    wait_until(lambda: log.exists() and step in log.read_text(), timeout=120, what=f"the step {step}")
    host.sh("kill -9 -- -$(cat /srv/deploy.pid)", check=False)
    assert host.show(UNIT, "MainPID", "ActiveState") == {"MainPID": before, "ActiveState": "active"}
    assert host.path(f"{BASE}/shared/.env").read_text() == SETTINGS
    assert host.path(f"{BASE}/current/VERSION").exists()
    if step == "venv: with":
        _deploy(host, f"--version {version}")
        assert _current(host) == f"releases/{version}"
        assert host.wait_on_air()["healthy"]


def test_of_two_deploys_at_once_one_waits_for_the_other(host: SystemdContainer) -> None:
    """Both go through, one after the other; what comes last is on air."""
    host.sh(
        "setsid /up/remote_deploy.sh --artifact /dist/tg_video_streamer-1.0.tar.gz --version 5.0 >/srv/5.log 2>&1 &"
    )
    first = host.path("/srv/5.log")
    wait_until(lambda: first.exists() and "unpack:" in first.read_text(), timeout=60, what="the first at work")
    _deploy(host, "--version 5.1")
    assert "done: 5.0" in first.read_text()
    assert _current(host) == "releases/5.1"
    assert host.wait_on_air()["healthy"]


def test_a_dry_run_changes_nothing(host: SystemdContainer) -> None:
    """`--dry-run` says what would be done, and leaves every file as it is."""
    listed = f"find {BASE} /etc/systemd /etc/logrotate.d -printf '%p %T@ %s\\n' | grep -v shared/ | sort"
    before = host.sh(listed).stdout
    said = _deploy(host, "--version 6.0 --dry-run").stdout
    assert "would build" in said
    assert "releases/6.0" in said
    assert host.sh(listed).stdout == before


def test_a_user_without_rights_is_told_which_are_missing(host: SystemdContainer) -> None:
    """A deploy as somebody else names each right that it lacks, exits with 1, and changes nothing."""
    before = _current(host)
    host.sh("install -m 644 /dist/tg_video_streamer-1.0.tar.gz* /srv")
    words = "/up/remote_deploy.sh --artifact /srv/tg_video_streamer-1.0.tar.gz --version 7.0"
    done = host.sh(f"runuser -u nobody -- {words}", check=False)
    assert done.returncode == 1
    for right in (f"to write {BASE}", "to write /etc/systemd/system", "to restart tg_video_streamer.service"):
        assert right in done.stderr
    assert _current(host) == before


def test_old_releases_go_and_what_serves_stays(host: SystemdContainer) -> None:
    """With `--keep 1` the releases on air and before it are there, and one more at the most."""
    _deploy(host, "--version 8.0 --keep 1")
    assert _current(host) == "releases/8.0"
    left = {path.name for path in host.path(f"{BASE}/releases").iterdir()}
    assert {"8.0", host.path(f"{BASE}/previous").readlink().name} <= left
    assert len(left) <= 3
    assert host.wait_on_air()["healthy"]

"""The quickstart word for word on a fresh host: each command as it stands there, with stand-ins for names and keys alone.

Its last part is what the workflow does, with its own scripts: a release that is signed goes on air, any other changes
nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import av
import pytest
import yaml  # type: ignore[import-untyped]  # read in tests alone, which need no types of it

from stands.artefacts import artefact, light_wheels, make_light_release
from stands.made import REPOSITORY
from stands.package_index import write_ytdlp_wheel
from stands.quickstart import BASE, VERSION, Walk, block, blocks, rented_host
from stands.waiting import wait_until

WORKFLOW = REPOSITORY / ".github/workflows/deploy-restart.yml"
UNIT = "tg_video_streamer"
NEXT_VERSION = "1.1"
pytestmark = pytest.mark.timeout(900)

WALKED = {
    "1. Make the release (any machine with a checkout)": 1,
    "2. Install it (on the host, as root)": 1,
    "3. Set outputs and playlist": 1,
    "4. On air": 1,
    "Log in to Telegram, and renew the session": 1,
    "The weekly yt-dlp update": 1,
    "Monitoring": 1,
    "Deploys by CI": 2,
}
"""How many blocks of commands each part has; a test below runs each, and test_deployed_session.py the login."""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """A host after the parts 1 to 3, one after the other."""
    with rented_host(tmp_path_factory.mktemp("walk")) as bare:
        _install(bare)
        yield bare


def _install(bare: Walk) -> None:
    clip = bare.host.path("/srv/clips/film.mp4")
    source = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "lavfi", "-i", "sine", "-t", "20"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-preset", "ultrafast", clip], check=True)
    bare.site.page("/watch", "/film.mp4", title="A film from the web")
    bare.site.file("/film.mp4", clip)
    made = light_wheels(bare.folder, _ytdlp(bare.folder))
    try:
        bare.here(block("1."), folder=REPOSITORY, more={"VERSION": VERSION, "VENV": sys.prefix, **made})
    finally:
        for path in (REPOSITORY / "dist").glob(f"tg_video_streamer-{VERSION}.tar.gz*"):
            path.unlink()
    bare.on_host(block("2."))
    light = ("VIDEO_QUALITY=480p", "FFMPEG_ARGS=-preset ultrafast")
    bare.type(".env", f"OUTPUTS={bare.rtmp.url()}", "MEDIA_DIRS=/srv/clips", *light)
    bare.type("playlist.txt", bare.site.url("/watch"), "/srv/clips/film.mp4")
    bare.on_host(block("3."))


def _ytdlp(folder: Path) -> Path:
    """The one package that a release has in its own environment here."""
    ours = version("yt-dlp")
    return write_ytdlp_wheel(folder / f"yt_dlp-{ours}-py3-none-any.whl", ours)


@pytest.fixture(scope="module")
def on_air(walk: Walk) -> tuple[Walk, str]:
    """The same with the last of its steps, and what that said."""
    said = walk.on_host(block("4."))
    return walk, said


def test_every_block_of_the_quickstart_is_walked() -> None:
    """No command stands there that no test runs."""
    assert {heading: len(blocks) for heading, blocks in blocks().items()} == WALKED


@pytest.mark.long
def test_four_steps_lead_on_air(on_air: tuple[Walk, str]) -> None:
    """The last command says so, and a server at the far end has pictures that decode to something to see."""
    walk, said = on_air
    assert said.splitlines()[-1] == "enabled"
    assert "on air" in said
    walk.host.wait_on_air()
    wait_until(lambda: walk.rtmp.recorded_bytes() > 500_000, what="the server records")
    with av.open(walk.rtmp.records()[-1], mode="r") as record:
        frames = [frame for _, frame in zip(range(50), record.decode(video=0), strict=False)]
    assert len(frames) == 50
    assert frames[-1].to_ndarray(format="gray").std() > 20


@pytest.mark.long
def test_status_finds_the_service_for_root_too(on_air: tuple[Walk, str]) -> None:
    """The command finds by itself where systemd keeps the service's state."""
    walk, _ = on_air
    said = walk.on_host(f"cd {BASE}/current && venv/bin/tg-video-streamer status")
    assert "on air" in said


@pytest.mark.long
def test_the_timer_is_on_and_an_update_can_be_had_now(on_air: tuple[Walk, str]) -> None:
    """The commands about yt-dlp show its next Sunday, and bring a newer version without a restart."""
    walk, _ = on_air
    pid = walk.host.main_pid(UNIT)
    walk.index.publish("2099.1.2")
    said = walk.on_host(block("The weekly"))
    assert re.search(r"Sun \d{4}-\d\d-\d\d 02:00:00 UTC", said), said
    assert "result: updated; yt-dlp 2099.1.2" in said
    assert walk.host.main_pid(UNIT) == pid


@pytest.mark.long
def test_prometheus_takes_the_rules_as_it_says(on_air: tuple[Walk, str]) -> None:
    """Copied and named, they are part of a configuration that promtool finds right; the health check answers."""
    walk, _ = on_air
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed; scripts/install-test-packages.sh does it")
    job = (REPOSITORY / "deploy/prometheus/scrape.yml").read_text()
    walk.type("prometheus.yml", "rule_files: [tg_video_streamer/alerts.yml]", *job.splitlines())
    said = walk.on_host(block("Monitoring"))
    assert "SUCCESS: 1 rule files found" in said
    assert walk.host.fetch("http://127.0.0.1:8080/healthz")[0] == 200
    assert b"tg_video_streamer_on_air 1.0" in walk.host.fetch("http://127.0.0.1:9090/metrics")[1]


def _step(beginning: str) -> str:
    """The script of a step of the workflow."""
    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    (script,) = (step["run"] for step in job["steps"] if step.get("name", "").startswith(beginning))
    return str(script)


@pytest.mark.long
def test_what_is_signed_goes_on_air_and_nothing_else(on_air: tuple[Walk, str]) -> None:
    """The workflow's own scripts, as the account that may do this and no more: another key, or a changed byte, is refused."""
    walk, _ = on_air
    keys, checkout = walk.folder / "keys", walk.folder / "checkout"
    keys.mkdir()
    (checkout / "dist").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "ci", checkout / "ci")
    walk.here(block("Deploys"), folder=keys)
    walk.here('ssh-keygen -q -t ed25519 -N "" -f other-key', folder=keys)
    walk.on_host(block("Deploys", 1))
    assert walk.host.sh("runuser -u deploy -- sudo -n id", check=False).returncode != 0
    make_light_release(checkout / "dist", NEXT_VERSION, _ytdlp(walk.folder))
    artifact = artefact(checkout / "dist", NEXT_VERSION)
    before = _state(walk)

    refused = _deploy(walk, checkout, keys / "other-key")
    assert "is not signed by a key of" in refused.stderr
    assert (refused.returncode, _state(walk)) == (1, before)
    _change_one_byte(artifact, walk.folder / "changed")
    walk.here(f"ssh-keygen -q -Y sign -f {keys}/signing-key -n {UNIT} {artifact}", folder=checkout)
    sent = f"cat {artifact}.sig {walk.folder}/changed | ssh host sudo -n /usr/local/sbin/{UNIT}-deploy install {NEXT_VERSION}"
    refused = walk.here(sent, folder=checkout, check=False)
    assert "is not signed by a key of" in refused.stderr
    assert (refused.returncode, _state(walk)) == (1, before)

    asked = walk.here(_step("Was the channel"), folder=checkout, more=_environment(walk))
    assert (walk.folder / "output").read_text() == "healthy=true\n", asked.stderr
    taken = _deploy(walk, checkout, keys / "signing-key")
    assert taken.returncode == 0, taken.stderr
    assert walk.current() == NEXT_VERSION
    restarted = walk.here(_step("Restart"), folder=checkout, more={**_environment(walk), "WAS_HEALTHY": "true"})
    assert "tg_video_streamer is on air" in restarted.stdout
    assert _state(walk) != before
    walk.host.wait_on_air()


def _deploy(walk: Walk, checkout: Path, key: Path) -> subprocess.CompletedProcess[str]:
    """The workflow's step that signs and deploys, with a key."""
    for signature in (checkout / "dist").glob("*.sig"):
        signature.unlink()
    more = {**_environment(walk), "SIGNING_KEY": key.read_text()}
    return walk.here(_step("Sign the release"), folder=checkout, check=False, more=more)


def _environment(walk: Walk) -> dict[str, str]:
    return {"HOST": "deploy@host", "RUNNER_TEMP": str(walk.folder), "GITHUB_OUTPUT": str(walk.folder / "output")}


def _state(walk: Walk) -> tuple[str, list[str], int]:
    """What a deploy changes: the release in place, those that are there, and the process on air."""
    there = sorted(path.name for path in walk.host.path(f"{BASE}/releases").iterdir())
    return walk.current(), there, walk.host.main_pid(UNIT)


def _change_one_byte(artifact: Path, to: Path) -> None:
    content = bytearray(artifact.read_bytes())
    content[len(content) // 2] ^= 1
    to.write_bytes(content)

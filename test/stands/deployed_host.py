"""A server on which releases are deployed from their artefacts, by the scripts that operators run."""

from __future__ import annotations

import io
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from stands.artefacts import PACKAGES
from stands.installed_host import suite_for_this_python
from stands.made import REPOSITORY
from stands.systemd_container import SystemdContainer
from stands.waiting import wait_until

BASE = "/opt/tg_video_streamer"
UNIT = "tg_video_streamer.service"
STATE = "/var/lib/tg_video_streamer"
SETTINGS = f"MEDIA_DIRS=/srv/clips\nVIDEO_SIZE=320x180\nFRAME_RATE=25\nFFMPEG_ARGS=-preset ultrafast\nOUTPUTS=file:{STATE}/out.flv\n"


@dataclass(frozen=True, kw_only=True)
class DeployedHost:
    """The host; artefacts lie in its /dist, the scripts in /up, clips in /srv/clips."""

    server: SystemdContainer

    def deploy(
        self, words: str = "", *, artefact: str = "1.0", check: bool = True, timeout: float = 600.0
    ) -> subprocess.CompletedProcess[str]:
        """Run the deploy script with an artefact."""
        return self.server.sh(self.command(words, artefact=artefact), check=check, timeout=timeout)

    @staticmethod
    def command(words: str = "", *, artefact: str = "1.0") -> str:
        """The deploy's command line."""
        return f"/up/remote_deploy.sh --artifact /dist/tg_video_streamer-{artefact}.tar.gz {words}"

    def rollback(self, words: str = "") -> subprocess.CompletedProcess[str]:
        """Run the rollback script."""
        return self.server.sh(f"/up/rollback.sh {words}", timeout=150)

    def configure(self, settings: str) -> None:
        """Write `.env` and the playlist as an editor does: content changes, the files stay."""
        self.server.path(f"{BASE}/shared/playlist.txt").write_text("/srv/clips/a.mkv\n")
        self.env.write_text(settings)

    def install(self, settings: str = SETTINGS) -> None:
        """The quickstart's two steps; 1.0 is on air afterwards."""
        self.deploy("--create-user --no-restart")
        self.configure(settings)
        self.deploy()

    @property
    def env(self) -> Path:
        """The settings file, from outside."""
        return self.server.path(f"{BASE}/shared/.env")

    @property
    def current(self) -> str:
        """The release that `current` leads to; empty where it leads nowhere."""
        return self._target("current")

    @property
    def previous(self) -> str:
        """The release that a rollback leads to; empty where there is none."""
        return self._target("previous")

    def _target(self, name: str) -> str:
        link = self.server.path(f"{BASE}/{name}")
        return link.readlink().name if link.is_symlink() else ""

    @property
    def ytdlp(self) -> str:
        """What the yt-dlp of the current release says of itself."""
        python = f"{BASE}/current/venv/bin/python"
        return self.server.sh(f"{python} -I -m yt_dlp --ignore-config --version").stdout.strip()

    def preview_frame(self) -> np.ndarray:
        """A decoded picture of the preview page's stream, in grey."""
        fetch = self.server.fetch
        listing = "http://127.0.0.1:8080/preview/live.m3u8"
        wait_until(lambda: b"segment-" in fetch(listing)[1], timeout=30, what="preview", every=0.2)
        segment = next(word for word in reversed(fetch(listing)[1].decode().split()) if word.endswith(".m4s"))
        parts = [fetch(f"http://127.0.0.1:8080/preview/{name}")[1] for name in ("init.mp4", segment)]
        with av.open(io.BytesIO(b"".join(parts)), mode="r") as container:
            return next(container.decode(video=0)).to_ndarray(format="gray")


@contextmanager
def deployed_host(
    artefacts: Path,
    clips: Path,
    *,
    suite: str = "",
    light: bool = True,
    options: Sequence[str] = (),
) -> Iterator[DeployedHost]:
    """A booted host on which nothing is deployed yet; with `light` it has the packages of light artefacts.

    Without a `suite` it is the one whose Python these packages are for.
    """
    source = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "lavfi", "-i", "sine=r=48000", "-t", "20"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-preset", "ultrafast", clips / "a.mkv"], check=True)
    clips.chmod(0o755)  # the service is another user
    bound = {artefacts: "/dist", REPOSITORY / "scripts": "/up", clips: "/srv/clips"}
    if light:
        bound[Path(sysconfig.get_path("purelib"))] = PACKAGES
    binds = [f"--bind-ro={outside}:{inside}" for outside, inside in bound.items()]
    with SystemdContainer(suite or suite_for_this_python(), options=[*binds, *options]) as server:
        yield DeployedHost(server=server)

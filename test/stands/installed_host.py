"""A release on a host with systemd, laid out as the deployment lays it out, without what a deployment does to get there.

The interpreter is the host's own, the packages are this environment's, bound in read-only; the program's code is
copied, so that it lies where it lies on a server and belongs to root there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]  # the wheel ships no types
import pytest

from stands.systemd_container import SystemdContainer

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = "/opt/tg_video_streamer"
UNIT = "tg_video_streamer.service"
_RELEASE = f"{HOME}/releases/0.1.0"
_PACKAGES = "/usr/local/lib/tg_video_streamer_packages"
_SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Debian's own Python, which must be the one that the packages here are for."""


def suite_for_this_python() -> str:
    """Debian's suite with this Python; skips the test where there is none."""
    suite = _SUITES.get(sys.version_info[:2])
    if suite is None:
        pytest.skip("no Debian has this Python as its own; the packages here would not load there")
    return suite


@contextmanager
def installed_host() -> Iterator[SystemdContainer]:
    """A booted host with the release, its units and the user, nothing of it started; two clips are its playlist."""
    packages = Path(sysconfig.get_path("purelib"))
    bound = [f"--bind-ro={packages}:{_PACKAGES}", f"--bind-ro={Path(sys.executable).parent}/deno:/usr/local/bin/deno"]
    with SystemdContainer(suite_for_this_python(), options=bound) as host:
        host.sh("useradd --system --home-dir /var/lib/tg_video_streamer --shell /usr/sbin/nologin tgstream")
        _install_code(host)
        _install_units(host)
        make_shared(host, f"{HOME}/shared", {})
        host.sh(f"ln -s {HOME}/shared/.env {_RELEASE}/.env && ln -sfn {_RELEASE} {HOME}/current")
        yield host


def make_shared(host: SystemdContainer, folder: str, settings: Mapping[str, str]) -> None:
    """A channel's settings and playlist, as they lie in shared/."""
    values = {
        "PLAYLIST": "playlist.txt",
        "MEDIA_DIRS": "/srv/clips",
        "VIDEO_SIZE": "320x180",
        "FRAME_RATE": "25",
        "FFMPEG_ARGS": "-preset ultrafast",
        "BUFFER_SECONDS": "2",
    }
    host.sh(f"install -d -o tgstream -g tgstream -m 0700 {folder}")
    for name, text in {
        ".env": "".join(f"{key}={value}\n" for key, value in {**values, **settings}.items()),
        "playlist.txt": "/srv/clips/one.mkv\n/srv/clips/two.mkv\n",
    }.items():
        host.sh(f"umask 077; cat >{folder}/{name}; chown tgstream:tgstream {folder}/{name}", text=text)


def _install_code(host: SystemdContainer) -> None:
    venv = f"{_RELEASE}/venv"
    host.sh(f"mkdir -p {_RELEASE} {HOME}/shared && python3 -m venv --without-pip {venv}")
    site = host.sh(f"echo {venv}/lib/python3.*/site-packages").stdout.strip()
    host.push(REPOSITORY / "src", site)
    metadata = distribution("tg-video-streamer").locate_file(f"tg_video_streamer-{_version()}.dist-info")
    host.push(Path(str(metadata)), f"{site}/{Path(str(metadata)).name}")
    host.sh(f"echo {_PACKAGES} >{site}/packages.pth && python3 -m compileall -q {site}/tg_video_streamer")
    entry = f"#!{venv}/bin/python\nimport sys\nfrom tg_video_streamer.cli import main\nsys.exit(main())\n"
    host.sh(f"cat >{venv}/bin/tg-video-streamer && chmod 755 {venv}/bin/tg-video-streamer", text=entry)
    shutil.copy(REPOSITORY / "main.py", host.path(_RELEASE))
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    clips = host.path("/srv/clips")
    clips.mkdir(parents=True)
    for name, seconds, tone in (("one", 12, 440), ("two", 12, 880)):
        command = (
            f"-f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i sine=f={tone}:r=48000 -t {seconds} -preset ultrafast"
        )
        subprocess.run([ffmpeg, "-v", "error", *command.split(), clips / f"{name}.mkv"], check=True)


def _install_units(host: SystemdContainer) -> None:
    for unit in (REPOSITORY / "deploy" / "systemd").glob("tg_video_streamer*.service"):
        shutil.copy(unit, host.path("/etc/systemd/system"))
    host.sh("systemctl daemon-reload")


def _version() -> str:
    return distribution("tg-video-streamer").version

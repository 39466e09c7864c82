"""A person with the quickstart: its blocks of commands, a host as it is rented, and what stands at the far ends.

Stand-ins are for names and keys alone: `scp` and `ssh` reach the host without a network, and the editor types by itself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stands.artefacts import PACKAGES
from stands.installed_host import suite_for_this_python
from stands.made import REPOSITORY
from stands.nginx_rtmp import NginxRtmp
from stands.package_index import PackageIndex, package_index
from stands.site import Site
from stands.systemd_container import SystemdContainer
from stands.telegram_dc.server import TelegramStand

BASE = "/opt/tg_video_streamer"
VERSION = "1.0"
"""What stands for VERSION in a block."""
_QUICKSTART = REPOSITORY / "specs/002-prod-broadcast-improvements/quickstart.md"
_SCRIPT = REPOSITORY / "test/stands/systemd_container.sh"
_EDITOR = """\
#!/usr/bin/env python3
# A person at an editor: what is in /srv/typed/NAME is in the file afterwards, in the place of the same KEY= where it has one.
import pathlib, sys
path = pathlib.Path(sys.argv[1])
lines = path.read_text().splitlines() if path.exists() else []
for typed in pathlib.Path("/srv/typed", path.name).read_text().splitlines():
    lines = [line for line in lines if not line.startswith(typed.partition("=")[0] + "=")] + [typed]
path.write_text("".join(line + "\\n" for line in lines))
"""
_SCP = '#!/bin/bash\ncp "${{@:1:$#-1}}" {target}\n'
_SSH = '#!/bin/bash\nshift\nexec {script} sh {name} "runuser -u deploy -- sh -c $(printf %q "$*")"\n'


def blocks() -> dict[str, list[str]]:
    """The blocks of commands by the heading that they stand under."""
    parts = re.split(r"(?m)^## (.*)\n", _QUICKSTART.read_text())[1:]
    found = {
        heading: re.findall(r"(?ms)^```\n(.*?)^```$", text) for heading, text in zip(*[iter(parts)] * 2, strict=True)
    }
    return {heading: blocks for heading, blocks in found.items() if blocks}


def block(beginning: str, number: int = 0) -> str:
    """One of them, with the release's version in it."""
    (found,) = (each for heading, each in blocks().items() if heading.startswith(beginning))
    return re.sub(r"\bVERSION\b", VERSION, found[number])


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A host, a machine of somebody who looks after it, and what is at the far ends."""

    host: SystemdContainer
    folder: Path
    """On that machine: programs that stand for ssh and scp, and whatever is made there."""
    rtmp: NginxRtmp
    site: Site
    index: PackageIndex
    telegram: TelegramStand

    def here(
        self, script: str, *, folder: Path, check: bool = True, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a script on the operator's own machine."""
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", **(more or {})}
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def on_host(self, block: str) -> str:
        """Run a block as root in root's home; what it says. A slow machine is no reason for a release to be taken back."""
        script = f"export TG_WAIT_SECONDS=400\ncd /root\n{block}"
        return self.host.run("bash", "-e", "-c", script, timeout=600).stdout

    def type(self, name: str, *lines: str) -> None:
        """What the editor is to put into a file of this name."""
        self.host.path("/srv/typed").mkdir(exist_ok=True)
        self.host.path(f"/srv/typed/{name}").write_text("".join(f"{line}\n" for line in lines))

    def current(self) -> str:
        """The release that is in place."""
        return self.host.path(f"{BASE}/current").readlink().name


@contextmanager
def rented_host(folder: Path) -> Iterator[Walk]:
    """A host as it is rented: Debian with Python and sudo, an editor, an installed Prometheus, and what light artefacts need."""
    promtool = shutil.which("promtool")
    options = [f"--bind-ro={promtool}:/usr/local/bin/promtool"] if promtool else []
    options += [f"--bind-ro={sysconfig.get_path('purelib')}:{PACKAGES}"]
    with SystemdContainer(suite_for_this_python(), options=options) as host, ExitStack() as stands:
        with host.in_network():
            rtmp = stands.enter_context(NginxRtmp(folder / "rtmp"))
            site = stands.enter_context(Site())
            index = stands.enter_context(package_index(folder / "index"))
            telegram = stands.enter_context(TelegramStand())
        host.path("/usr/local/bin/nano").write_text(_EDITOR)
        host.sh("chmod 755 /usr/local/bin/nano; mkdir -p /etc/prometheus /srv/clips")
        host.sh("cat >/etc/pip.conf", text=f"[global]\nindex-url = {index.url}\n")
        (folder / "bin").mkdir()
        for name, text in {
            "scp": _SCP.format(target=host.path("/root")),
            "ssh": _SSH.format(script=_SCRIPT, name=host.name),
        }.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        yield Walk(host=host, folder=folder, rtmp=rtmp, site=site, index=index, telegram=telegram)

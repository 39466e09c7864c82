"""A real sshd on the loopback, with keys of its own, that lets in the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stands.ports import accepts, free_port
from stands.waiting import wait_until

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
"""None where openssh-server is not installed."""


@dataclass(frozen=True, kw_only=True)
class SshServer:
    """Where it is, and the client's configuration (ssh -F) that leads there without a question."""

    config: Path
    user: str
    host: str = "stand"


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Runs while the block lasts; `folder` gets its keys."""
    assert SSHD is not None, "openssh-server is not installed"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(
            mode=0o755, exist_ok=True
        )  # sshd as root insists on it, and the package's unit makes it
    port = free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\nPidFile none\n"
    )
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    config = folder / "ssh_config"
    config.write_text(
        f"Host stand\n HostName 127.0.0.1\n Port {port}\n IdentityFile {folder}/user\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {folder}/known_hosts\nHost gone\n HostName 127.0.0.1\n Port {free_port()}\n"
    )
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stdout=log, stderr=log)
        try:
            wait_until(lambda: accepts(port), what="sshd listening")
            yield SshServer(config=config, user=getpass.getuser())
        finally:
            process.terminate()
            process.wait(timeout=120)

"""Real NATS servers with JetStream, one or a cluster of three, on loopback with their data in a folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from stands.ports import accepts, free_port
from stands.waiting import wait_until

_SERVER = """
server_name: {name}
listen: 127.0.0.1:{port}
jetstream {{ store_dir: "{folder}/data", max_memory_store: 64MB, max_file_store: 256MB }}
log_file: "{folder}/nats.log"
{cluster}
{more}
"""
_CLUSTER = """
cluster {{ name: fleet, listen: 127.0.0.1:{port}, routes: [{routes}] }}
"""


def nats_program() -> str:
    """Debian's, which lies where only root looks."""
    program = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "nats-server is not installed: scripts/install-test-packages.sh"
    return program


class NatsServer:
    """One server; it can be killed, started again, frozen and thawed."""

    def __init__(self, folder: Path, *, name: str = "nats", cluster: str = "", more: str = "") -> None:
        """`cluster` and `more` are put into its configuration."""
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        text = _SERVER.format(name=name, port=self.port, folder=folder, cluster=cluster, more=more)
        (folder / "nats.conf").write_text(text)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """What FLEET gets."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Run it and wait until it listens."""
        self._process = subprocess.Popen(
            [nats_program(), "-c", str(self.folder / "nats.conf")], stderr=subprocess.DEVNULL
        )
        wait_until(lambda: accepts(self.port), what="NATS listens")

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._send(signal.SIGCONT)

    def forget(self) -> None:
        """Kill it and empty its disk."""
        self.stop()
        shutil.rmtree(self.folder / "data")

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class NatsCluster:
    """Three servers that know each other."""

    def __init__(self, folder: Path) -> None:
        ports = [free_port() for _ in range(3)]
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
        self.servers: Sequence[NatsServer] = [
            NatsServer(
                folder / f"nats-{number}", name=f"nats-{number}", cluster=_CLUSTER.format(port=port, routes=routes)
            )
            for number, port in enumerate(ports)
        ]

    def __enter__(self) -> Self:
        for server in self.servers:
            server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for server in self.servers:
            server.stop()

    @property
    def url(self) -> str:
        """What FLEET gets."""
        return ",".join(server.url for server in self.servers)

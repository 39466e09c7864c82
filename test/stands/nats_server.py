"""Real NATS servers with JetStream, one or a cluster of three, on loopback with their data in a folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from stands.networks import Bridge
from stands.ports import accepts, free_port
from stands.waiting import wait_until

_SERVER = """
server_name: {name}
listen: {address}:{port}
jetstream {{ store_dir: "{folder}/data", max_memory_store: 64MB, max_file_store: 256MB }}
log_file: "{folder}/nats.log"
{cluster}
{more}
"""
_CLUSTER = """
cluster {{ name: fleet, listen: {address}:{port}, routes: [{routes}] }}
"""


def nats_program() -> str:
    """Debian's, which lies where only root looks."""
    program = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "nats-server is not installed: scripts/install-test-packages.sh"
    return program


class NatsServer:
    """One server; it can be killed, started again, frozen and thawed."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "nats",
        cluster: str = "",
        more: str = "",
        network: Sequence[str] = (),
        address: str = "127.0.0.1",
    ) -> None:
        """`cluster` and `more` are put into its configuration, `network` before its command line."""
        self.folder = folder
        self._network = network
        self._address = address
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        text = _SERVER.format(name=name, address=address, port=self.port, folder=folder, cluster=cluster, more=more)
        (folder / "nats.conf").write_text(text)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """What FLEET gets."""
        return f"nats://{self._address}:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Run it and wait until it listens."""
        self._process = subprocess.Popen(
            [*self._network, nats_program(), "-c", str(self.folder / "nats.conf")], stderr=subprocess.DEVNULL
        )
        # In another network it cannot be reached from here.
        wait_until(lambda: self._ready() if self._network else accepts(self.port), what="NATS listens")

    def _ready(self) -> bool:
        log = self.folder / "nats.log"
        return log.exists() and "Server is ready" in log.read_text(errors="replace")

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

    def __init__(self, folder: Path, *, bridge: Bridge | None = None, names: Sequence[str] = ()) -> None:
        """On this host, or each on the host of `bridge` with its name."""
        here = [(free_port(), "127.0.0.1", ()) for _ in range(3)]
        there = [(free_port(), bridge.address(name), bridge.inside(name)) for name in names] if bridge else []
        places: Sequence[tuple[int, str, Sequence[str]]] = there or here
        routes = ", ".join(f"nats://{address}:{port}" for port, address, _ in places)
        self.servers: Sequence[NatsServer] = [
            NatsServer(
                folder / f"nats-{number}",
                name=f"nats-{number}",
                cluster=_CLUSTER.format(address=address, port=port, routes=routes),
                address=address,
                network=network,
            )
            for number, (port, address, network) in enumerate(places)
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

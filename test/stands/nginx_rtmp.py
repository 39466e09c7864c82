"""A real RTMP server: Debian's nginx with its RTMP module, in a folder of its own, recording every stream to FLV."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from stands.ports import accepts, free_port
from stands.waiting import wait_until

_CONFIGURATION = """
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 512; }}
rtmp {{
  access_log {folder}/access.log;
  server {{
    listen {address}:{port};
    chunk_size {chunk_size};
    ack_window {window};
    ping 2s;
    ping_timeout 2s;
    application live {{
      live on;
      record all;
      record_path {folder}/records;
      record_unique on;
      record_suffix -%s.flv;
      {more}
    }}
  }}
}}
"""


class NginxRtmp:
    """A context in which the server runs; it can be stopped, started again on its port, frozen and thawed."""

    def __init__(
        self,
        folder: Path,
        *,
        chunk_size: int = 4096,
        window: int = 5_000_000,
        more: str = "",
        network: Sequence[str] = (),
        address: str = "127.0.0.1",
    ) -> None:
        """`more` is put into the application's block, such as `on_publish URL;`; `network` before the command line."""
        self.folder = folder
        self._address = address
        self._network = network
        self.port = free_port()
        (folder / "records").mkdir(parents=True)
        (folder / "nginx.conf").write_text(
            _CONFIGURATION.format(
                folder=folder, address=address, port=self.port, chunk_size=chunk_size, window=window, more=more
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def url(self, key: str = "key") -> str:
        """Where to publish."""
        return f"rtmp://{self._address}:{self.port}/live/{key}"

    def start(self) -> None:
        """Run it and wait until it listens."""
        running = self.folder / "nginx.pid"
        running.unlink(missing_ok=True)
        command = [*self._network, "nginx", "-e", str(self.folder / "error.log"), "-p", str(self.folder)]
        self._process = subprocess.Popen([*command, "-c", str(self.folder / "nginx.conf")])
        # In another network it cannot be reached from here; its own file comes after it listens.
        wait_until(lambda: running.exists() if self._network else accepts(self.port), what="nginx listens")

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it; by default with no goodbye."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(120)
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections and bytes, no one reads them."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._send(signal.SIGCONT)

    def records(self) -> list[Path]:
        """The recorded streams, oldest first; complete once the publisher has gone."""
        return sorted((self.folder / "records").iterdir(), key=lambda path: (path.stat().st_ctime_ns, path.name))

    def recorded_bytes(self) -> int:
        """Length of all records so far."""
        return sum(path.stat().st_size for path in self.records())

    def log(self) -> str:
        """What it wrote into its error log."""
        return (self.folder / "error.log").read_text()

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

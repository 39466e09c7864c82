"""Two hosts of one channel on this machine: services with their own STATE_DIR, one NATS, one RTMP server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from stands.nats_server import NatsServer
from stands.nginx_rtmp import NginxRtmp
from stands.service import Service, running

CHANNEL = "tv"


class FleetStand:
    """A context with `nats`, `rtmp` and the services `a` and `b`."""

    def __init__(self, folder: Path, lines: Sequence[object], **settings: str) -> None:
        """`lines`: of the playlist that both hosts have."""
        self.folder = folder
        (folder / "playlist.txt").write_text("".join(f"{line}\n" for line in lines))
        self.nats = NatsServer(folder / "nats")
        self.rtmp = NginxRtmp(folder / "rtmp", more="drop_idle_publisher 5s; notify_method get;")
        self._settings = settings
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.nats)
        self._stack.enter_context(self.rtmp)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def host(self, name: str, **settings: str) -> Service:
        """A started service, killed at the end of the stand."""
        more = {
            "FLEET": self.nats.url,
            "CHANNEL": CHANNEL,
            "HOST_NAME": name,
            "PLAYLIST": str(self.folder / "playlist.txt"),
            "OUTPUTS": self.rtmp.url(),
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
            "PREPARE_PRESET": "ultrafast",
        }
        return self._stack.enter_context(running(self.folder / name, {**more, **self._settings, **settings}))

"""The web application as a browser meets it: served on the loopback from a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil

from stands.programme import Programme
from tg_video_streamer.control.status import ItemStatus, OutputStatus, ServiceStatus
from tg_video_streamer.web.app import build_web_app
from tg_video_streamer.web.server import Listener, listen, serve


def example_status() -> ServiceStatus:
    """A healthy service in the middle of an item."""
    return ServiceStatus(
        version="0.1.0",
        channel_state="on_air",
        reason="item 2 of 3 from the playlist",
        since_wall=time.time() - 754,
        rung="item",
        healthy=True,
        problems=(),
        paused=False,
        now=ItemStatus(key="a" * 16, title="Harbour at dawn", duration_seconds=1800),
        position_seconds=754.2,
        next_items=(
            ItemStatus(key="b" * 16, title="Night train, part two", duration_seconds=2730),
            ItemStatus(key="c" * 16, title="Market square", is_live=True),
            ItemStatus(key="d" * 16, title="Interview: the lighthouse keeper", duration_seconds=642),
        ),
        buffer_seconds=14.8,
        program_seconds=93_784.0,
        gap_seconds=0.0,
        skew_seconds=0.0083,
        streams_played=57,
        uptime_seconds=93_790.0,
        outputs=(
            output_status("telegram", "rtmp", "on_air", bits_per_second=2_612_000.0),
            output_status("archive", "file", "on_air", bits_per_second=2_588_000.0),
        ),
    )


def output_status(name: str, kind: str, state: str, *, bits_per_second: float = 0.0, error: str = "") -> OutputStatus:
    """One output's status."""
    return OutputStatus(
        name=name, kind=kind, state=state, since_wall=time.time(), bytes_sent=10_000,
        bits_per_second=bits_per_second, reconnects=0, dropped_packets=0, error=error,
    )  # fmt: skip


@dataclass(kw_only=True)
class Site:
    """The web application, served on the loopback from a thread with its own event loop."""

    listener: Listener
    status: ServiceStatus = field(default_factory=example_status)
    """What the application is told; tests put another one."""
    preview_running: Callable[[], bool] = lambda: False
    asked: int = 0
    """How often the status was asked for."""

    def tell(self) -> ServiceStatus:
        """The status, for the application."""
        self.asked += 1
        return self.status

    @property
    def url(self) -> str:
        """The page's address."""
        return self.listener.url

    def connections(self) -> int:
        """How many clients the server holds a connection to."""
        mine = psutil.Process().net_connections("tcp")
        return sum(one.laddr.port == self.listener.port and one.status != psutil.CONN_LISTEN for one in mine)


@contextlib.contextmanager
def served(
    programme: Programme,
    *,
    grace_seconds: float = 10.0,
    unread_seconds: float = 20.0,
    port: int = 0,
    status: ServiceStatus | None = None,
) -> Iterator[Site]:
    """Serve the web application until the end of the block."""
    listener = listen("127.0.0.1", port, unread_seconds=unread_seconds)
    site = Site(listener=listener, status=status or example_status())
    app = build_web_app(
        status=site.tell,
        fanout=programme.fanout,
        width=programme.clip.house.width,
        height=programme.clip.house.height,
        grace_seconds=grace_seconds,
    )
    site.preview_running = lambda: app.state.preview.running
    started = threading.Event()
    end: list[Callable[[], object]] = []

    async def run() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None
        end.append(lambda: loop.call_soon_threadsafe(task.cancel))
        started.set()
        await serve(app, listener)

    def thread() -> None:
        with contextlib.suppress(asyncio.CancelledError):  # how it is told to end
            asyncio.run(run())

    server = threading.Thread(target=thread, name="site")
    server.start()
    try:
        assert started.wait(10)
        yield site
    finally:
        end[0]()
        server.join(10)
        assert not server.is_alive(), "the web server did not end"

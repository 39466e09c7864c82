"""The web application, served on the loopback from a thread with its own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from stands.program import Program
from stands.small_channel import SmallChannel
from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.control.commands import Commands
from tg_video_streamer.control.status import DownloadStatus, ItemStatus, OutputStatus, ServiceStatus, SpoolStatus
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.app import build_web_app
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.client_address import TrustedProxies
from tg_video_streamer.web.auth.tokens import Tokens
from tg_video_streamer.web.connection import ConnectionLimits
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.preview.preview import Preview
from tg_video_streamer.web.server import Listener, listen, serve
from tg_video_streamer.web.uploads.uploads import Uploads


def example_status() -> ServiceStatus:
    """A healthy service in the middle of an item."""
    return ServiceStatus(
        version="0.1.0",
        channel_state="on_air",
        reason=Message.raw("item 2 of 3 from the playlist"),
        since_wall=time.time() - 754,
        level="item",
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
        spool=SpoolStatus(
            used_bytes=61_000_000,
            max_bytes=5_000_000_000,
            ready_items=1,
            downloads=12,
            failures=0,
            download=DownloadStatus(
                item_key="c" * 16,
                title="Market square",
                have_bytes=43_000_000,
                whole_bytes=100_000_000,
                percent=43,
                bytes_per_second=12_000_000.0,
                ready_seconds=4.75,
            ),
        ),
    )


def output_status(name: str, kind: str, state: str, *, bits_per_second: float = 0.0, error: str = "") -> OutputStatus:
    """One output's status."""
    return OutputStatus(
        name=name, kind=kind, state=state, since_wall=time.time(), bytes_sent=10_000,
        bits_per_second=bits_per_second, reconnects=0, dropped_packets=0, error=Message.raw(error) if error else None,
    )  # fmt: skip


OPERATOR = "the-operators-token-of-the-stand"
VIEWER = "the-viewers-token-of-the-stand"
TOKENS = Tokens(operator=OPERATOR, viewer=VIEWER)


class StatusChannel(SmallChannel):
    """A small channel whose status the test sets."""

    def __init__(self, tell: Callable[[], ServiceStatus]) -> None:
        super().__init__()
        self.status = tell  # type: ignore[method-assign]

    def reload(self) -> Message:
        """See Commands."""
        return Message.of("answer.reloaded")


def context_of(
    program: Program,
    commands: Commands,
    *,
    as_run: Path = Path("/nonexistent"),
    grace_seconds: float = 10.0,
    uploads: Callable[[], Uploads] | None = None,
) -> WebContext:
    """The context of a program."""
    house = program.clip.house
    preview = Preview(program.fanout, house, grace_seconds=grace_seconds)
    return WebContext(
        commands=commands,
        preview=preview,
        clock=SystemClock(),
        as_run=as_run,
        audience=as_run.with_name("audience.jsonl"),
        uploads=uploads() if uploads is not None else None,
    )


def access_to(
    *,
    port: int,
    tokens: Callable[[], Tokens] = lambda: TOKENS,
    clock: Clock | None = None,
    loopback: bool = True,
    behind_proxy: bool = False,
) -> Access:
    """Access with the stand's tokens."""
    proxies = TrustedProxies() if behind_proxy else None
    return Access(tokens=tokens, clock=clock or SystemClock(), loopback=loopback, proxies=proxies, port=port)


@dataclass(kw_only=True)
class Site:
    """The web application, served on the loopback from a thread with its own event loop."""

    listener: Listener
    status: ServiceStatus = field(default_factory=example_status)
    """The status that the application reads; tests replace it."""
    preview_running: Callable[[], bool] = lambda: False
    channel: SmallChannel = field(init=False)
    """The channel that receives the commands."""
    asked: int = 0
    """How often the status was read."""

    def tell(self) -> ServiceStatus:
        """The status, for the application."""
        self.asked += 1
        return self.status

    def __post_init__(self) -> None:
        self.channel = StatusChannel(self.tell)

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
    program: Program,
    *,
    grace_seconds: float = 10.0,
    unread_seconds: float = 20.0,
    port: int = 0,
    status: ServiceStatus | None = None,
    access: Callable[..., Access] = access_to,
    hosts: tuple[str, ...] = (),
    body_seconds: float = 15.0,
    request_seconds: float = 20.0,
    as_run: Path = Path("/nonexistent"),
    limits: ConnectionLimits | None = None,
    uploads: Callable[[], Uploads] | None = None,
) -> Iterator[Site]:
    """Serve the web application until the end of the block; `access` is called with the port."""
    listener = listen("127.0.0.1", port, unread_seconds=unread_seconds)
    site = Site(listener=listener, status=status or example_status())
    context = context_of(program, site.channel, as_run=as_run, grace_seconds=grace_seconds, uploads=uploads)
    app = build_web_app(context, access=access(port=listener.port), hosts=hosts, body_seconds=body_seconds)
    site.preview_running = lambda: app.state.preview.running
    started = threading.Event()
    end: list[Callable[[], object]] = []

    async def run() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None
        end.append(lambda: loop.call_soon_threadsafe(task.cancel))
        started.set()
        await serve(app, listener, request_seconds=request_seconds, limits=limits)

    def thread() -> None:
        with contextlib.suppress(asyncio.CancelledError):  # how it is stopped
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

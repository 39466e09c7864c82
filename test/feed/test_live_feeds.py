"""Live feeds of every scheme: received over one connection, in the house format, their secrets on no command line."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import trustme

from stands.feeding import Played, feed_of
from stands.house import FRAME_TICKS
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import Plan, make_clip
from stands.ports import free_port
from stands.rtsp_server import RtspCamera
from stands.sender import sending
from stands.tls_proxy import Relay
from tg_video_streamer.errors import SourceLost
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.media import CodecHeaders, Kind, Packet
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.resolve.live import resolve_live

WORD = "hidden-word-1234"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve numbered seconds with a keyframe each second."""
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p")
    return make_clip(tmp_path_factory.mktemp("live") / "live.mp4", Plan(item_id=7, frames=300, encoder=encoder))


@contextmanager
def _rtmp(clip: Path, folder: Path) -> Iterator[str]:
    with NginxRtmp(folder / "nginx") as server, sending(clip, server.url(WORD), "flv"):
        yield server.url(WORD)


@contextmanager
def _rtmps(clip: Path, folder: Path) -> Iterator[str]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with _rtmp(clip, folder) as plain, Relay(urlsplit(plain).port or 0, tls=tls) as relay:
        yield f"rtmps://127.0.0.1:{relay.port}/live/{WORD}"


@contextmanager
def _srt_caller(clip: Path, folder: Path) -> Iterator[str]:
    del folder
    address = f"srt://127.0.0.1:{free_port()}"
    # ffmpeg as a listener takes one visitor and ends with it.
    with sending(clip, f"{address}?mode=listener&passphrase={WORD}", "mpegts"):
        yield f"{address}?passphrase={WORD}&latency=200000"


@contextmanager
def _srt_listener(clip: Path, folder: Path) -> Iterator[str]:
    del folder
    port = free_port()
    with sending(clip, f"srt://127.0.0.1:{port}?passphrase={WORD}&connect_timeout=20000", "mpegts"):
        yield f"srt://127.0.0.1:{port}?mode=listener&passphrase={WORD}"


@contextmanager
def _udp_group(clip: Path, folder: Path) -> Iterator[str]:
    del folder
    address = f"udp://239.255.7.7:{free_port()}?localaddr=127.0.0.1"
    with sending(clip, f"{address}&pkt_size=1316", "mpegts"):
        yield address


@contextmanager
def _udp(clip: Path, folder: Path) -> Iterator[str]:
    del folder
    address = f"udp://127.0.0.1:{free_port()}"
    with sending(clip, f"{address}?pkt_size=1316", "mpegts"):
        yield address


@contextmanager
def _rtsp(clip: Path, folder: Path) -> Iterator[str]:
    with RtspCamera(clip, folder, password=WORD) as camera:
        yield camera.url()
        assert camera.visitors == 1
        assert all("TCP" in one for one in camera.transports), camera.transports


KINDS: dict[str, Callable[[Path, Path], AbstractContextManager[str]]] = {
    "rtmp": _rtmp,
    "rtmps": _rtmps,
    "srt-caller": _srt_caller,
    "srt-listener": _srt_listener,
    "udp-group": _udp_group,
    "udp": _udp,
    "rtsp": _rtsp,
}


def live_item(line: str) -> Item:
    """The item of a playlist line."""
    return parse_line(line, base="/media", allowed=AllowedFolders.of(["/media"]))


async def play_frames(feed: Feed, frames: int, *, after: Callable[[Packet], None] = lambda _packet: None) -> Played:
    """Take what comes until there were so many frames, then leave; `after` is called with each packet."""
    packets: list[Packet] = []
    async with asyncio.timeout(90):
        task = asyncio.create_task(feed.run())
        feed.on_air()
        while frames > 0 and not feed.buffer.drained:
            if feed.buffer.head() is None:
                await asyncio.sleep(0.01)
                continue
            packet = feed.buffer.pop()
            packets.append(packet)
            frames -= packet.kind is Kind.VIDEO
            after(packet)
        task.cancel()
        await asyncio.wait([task])
    return Played(feed=feed, packets=tuple(packets), events=())


async def test_a_sender_that_begins_again_is_joined_again(
    clip: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An encoder that restarts behind its server sends timestamps from zero again: it is connected anew, not waited for."""
    with ExitStack() as first, NginxRtmp(tmp_path / "nginx") as server, ExitStack() as second:
        first.enter_context(sending(clip, server.url(WORD), "flv"))
        feed = feed_of(
            live_item(server.url(WORD)), each_ffmpeg, headers=headers, resolve=resolve_live, buffer_seconds=4
        )
        frames = 0

        def restart(packet: Packet) -> None:
            nonlocal frames
            frames += packet.kind is Kind.VIDEO
            if frames == 150 and packet.kind is Kind.VIDEO:
                first.close()
                second.enter_context(sending(clip, server.url(WORD), "flv"))

        played = await play_frames(feed, 320, after=restart)
    assert len(played.pictures) == 320, feed.last_error
    assert isinstance(feed.last_error, SourceLost)
    numbers = played.decoded(tmp_path, headers).numbers(7)
    assert [(after - before) % 300 for before, after in pairwise(numbers)].count(0) == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_live_feed_plays(
    kind: str, clip: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """What a sender sends is aired without a hole, and neither key nor passphrase nor password is on a command line."""
    with KINDS[kind](clip, tmp_path) as line:
        feed = feed_of(live_item(line), each_ffmpeg, headers=headers, resolve=resolve_live)
        seen: list[str] = []

        async def watch() -> None:
            while True:
                for child in psutil.Process().children(recursive=True):
                    try:
                        words = child.cmdline()
                    except psutil.Error:
                        continue
                    if "pipe:1" in words:
                        seen.append(" ".join(words))
                await asyncio.sleep(0.2)

        watching = asyncio.create_task(watch())
        played = await play_frames(feed, 75)
        watching.cancel()
    assert [one.ticks for one in played.pictures] == [n * FRAME_TICKS for n in range(75)], feed.last_error
    numbers = played.decoded(tmp_path, headers).numbers(7)
    steps = [(after - before) % 300 for before, after in pairwise(numbers)]
    assert len(numbers) > 65
    assert set(steps) == {1}, numbers
    assert seen
    assert not [line for line in seen if WORD in line]

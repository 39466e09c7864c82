"""The preview works only while someone watches, and a slow viewer harms no other."""

from __future__ import annotations

import asyncio
import http.client
import io
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from pathlib import Path

import av
import pytest

from stands.machine import Stopwatch
from stands.page import Site, served
from stands.program import Clip, Program
from stands.waiting import wait_until
from tg_video_streamer.web.preview.preview import Preview


def subscriptions(program: Program) -> int:
    """How many open subscriptions the fan-out serves."""
    return sum(not one.closed for one in program.fanout._subscriptions)


def preview_threads() -> int:
    """The number of running preview threads."""
    return sum(thread.name == "preview" for thread in threading.enumerate())


@contextmanager
def opened(site: Site, path: str) -> Iterator[http.client.HTTPResponse]:
    """The open answer."""
    connection = http.client.HTTPConnection("127.0.0.1", site.listener.port, timeout=60)
    with closing(connection):
        connection.request("GET", path)
        yield connection.getresponse()


def get(site: Site, path: str) -> bytes:
    """The whole answer."""
    with opened(site, path) as answer:
        return answer.read()


def video_times(content: bytes) -> list[int]:
    """The time of each picture of an MP4 file, in ticks."""
    with av.open(io.BytesIO(content), mode="r") as container:
        return [packet.pts or 0 for packet in container.demux(container.streams.video[0]) if packet.size]


def steps(times: list[int]) -> set[int]:
    """All distances between neighbours."""
    return {later - one for one, later in pairwise(times)}


def silent_client(port: int) -> socket.socket:
    """A client that asks for the stream and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /preview/live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def test_nothing_is_done_while_nobody_watches(program: Program) -> None:
    """The first viewer subscribes; some time after the last one there is no subscription and no thread."""
    with served(program, grace_seconds=0.5) as site:
        get(site, "/")
        get(site, "/status.json")
        assert subscriptions(program) == 0
        assert preview_threads() == 0
        assert b"#EXTINF" in get(site, "/preview/live.m3u8")
        assert subscriptions(program) == preview_threads() == 1
        wait_until(lambda: subscriptions(program) == 0 and preview_threads() == 0, what="the end of the preview")
        assert not site.preview_running()
        with opened(site, "/preview/live.mp4") as stream:
            assert stream.read(50_000)[4:8] == b"ftyp"
            assert subscriptions(program) == 1


def test_many_viewers_share_one_subscription(program: Program) -> None:
    """Ten viewers of both kinds cost the program one subscription."""
    with served(program) as site, ExitStack() as stack:
        for _ in range(10):
            assert stack.enter_context(opened(site, "/preview/live.mp4")).read(100_000)
        get(site, "/preview/live.m3u8")
        assert subscriptions(program) == preview_threads() == 1


def test_listed_segments_are_one_unbroken_file(program: Program, tmp_path: Path) -> None:
    """An HLS player gets the program with no packet missing, doubled or shifted."""
    with served(program) as site:
        text = get(site, "/preview/live.m3u8").decode()
        names = [line for line in text.splitlines() if not line.startswith("#")]
        path = tmp_path / "hls.mp4"
        path.write_bytes(get(site, "/preview/init.mp4") + b"".join(get(site, f"/preview/{one}") for one in names))
    assert len(names) >= 3
    with av.open(str(path)) as container:
        for stream, step in ((container.streams.video[0], 120), (container.streams.audio[0], 1024)):
            times = [packet.pts or 0 for packet in container.demux(stream) if packet.size]
            container.seek(0)
            assert len(times) > 100
            assert steps(times) == {step}
        assert sum(1 for _ in container.decode(video=0)) == round(
            25 * sum(float(line[8:-1]) for line in text.splitlines() if line.startswith("#EXTINF:"))
        )


def test_client_that_never_reads_harms_nobody(program: Program) -> None:
    """A viewer that does not read does not count and is disconnected; others get every fragment."""
    with served(program, grace_seconds=1.0, unread_seconds=2.0) as site:
        before = site.connections()
        with silent_client(site.listener.port) as silent:
            wait_until(lambda: site.connections() > before, what="the silent client")
            with opened(site, "/preview/live.mp4") as reader:
                content = reader.read(700_000)
            assert steps(video_times(content)) == {120}
            wait_until(lambda: subscriptions(program) == 0, what="the silent client not being a viewer")
            wait_until(lambda: site.connections() == 0, what="the silent client's end")
            assert silent.fileno() >= 0


class Viewer:
    """One progressive viewer that reads on demand."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self.content = b""

    async def read(self, parts: int) -> None:
        """Take the next parts of the stream."""
        for _ in range(parts):
            self.content += await anext(self._stream)

    def times(self) -> list[int]:
        """The time of each picture so far, in ticks."""
        return video_times(self.content)


async def test_slow_viewer_loses_its_own_and_goes_on_without_a_hole(clip: Clip) -> None:
    """A viewer that reads again after a minute continues at the newest keyframe, without a frozen minute."""
    program = Program(clip)
    preview = Preview(program.fanout, clip.house)
    try:
        viewer = Viewer(preview.stream())
        program.publish(27)
        await viewer.read(3)
        for _ in range(30):
            program.publish(50)
            await asyncio.to_thread(wait_until, lambda: not program.fanout._subscriptions[0]._packets)
        await viewer.read(2)
        times = viewer.times()
        assert times == [120 * index for index in range(len(times))]
        assert len(times) > 40
    finally:
        preview.close()
    assert preview_threads() == 0


async def test_viewers_outlive_a_pause_of_the_preview(clip: Clip) -> None:
    """A viewer that arrives while the preview stops still gets a picture."""
    program = Program(clip)
    preview = Preview(program.fanout, clip.house, grace_seconds=0.02)
    try:
        for _ in range(20):
            viewer = Viewer(preview.stream())
            await viewer.read(1)
            pending = asyncio.ensure_future(viewer.read(1))
            while not pending.done():
                program.publish(5)
                await asyncio.sleep(0.01)
            assert viewer.times()[0] == 0
    finally:
        preview.close()


def test_server_ends_within_a_second_while_clients_stream(program: Program) -> None:
    """No viewer delays the stop, and no thread remains."""
    with ExitStack() as clients:
        with served(program) as site:
            clients.enter_context(silent_client(site.listener.port))
            clients.enter_context(opened(site, "/preview/live.mp4")).read(100_000)
            wait_until(lambda: site.connections() >= 2, what="both clients")
            ending = Stopwatch()
        assert ending.stop() < 1.0
        assert preview_threads() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", site.listener.port), 1)

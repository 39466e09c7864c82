"""The live input on the network: which publishers are accepted and refused."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog

from stands import secrets
from stands.house import house_of
from stands.numbered import any_ffmpeg
from stands.ports import accepts, free_port
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import OutputRejected
from tg_video_streamer.ingest import connection, srt_listener, takeover
from tg_video_streamer.ingest.address import IngestAddress
from tg_video_streamer.ingest.admission import MAX_PER_PEER, MAX_UNAUTHENTICATED
from tg_video_streamer.ingest.encoder import EncoderParts
from tg_video_streamer.ingest.listener import Listener
from tg_video_streamer.ingest.srt_address import SrtAddress
from tg_video_streamer.ingest.srt_listener import SrtListener
from tg_video_streamer.ingest.state import LiveState
from tg_video_streamer.ingest.takeover import Takeover
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.rtmp.address import parse_rtmp_url
from tg_video_streamer.rtmp.chunks import MessageKind, RtmpMessage
from tg_video_streamer.rtmp.publisher import VIDEO_CHUNKS, Publisher

_KEY = "a-key-that-nobody-guesses"
secrets.never_shown(_KEY)


@dataclass(kw_only=True)
class _Input:
    """A listener on the loopback, and what it has logged."""

    port: int
    takeover: Takeover
    logs: list[Any] = field(default_factory=list)

    def logged(self, event: str) -> list[Any]:
        """The lines with this text."""
        return [line for line in self.logs if line["event"] == event and line["log_level"] != "debug"]


def _parts() -> EncoderParts:
    return EncoderParts(
        house=house_of("480p"), headers=CodecHeaders(video=b"", audio=b""), ffmpeg=Path("ffmpeg"), clock=SystemClock()
    )


@asynccontextmanager
async def _open(port: int | None = None) -> AsyncIterator[_Input]:
    clock = SystemClock()
    takeover = Takeover(_parts(), key=_KEY, offer=lambda _showing: None, withdraw=lambda _showing: True)
    address = IngestAddress(host="127.0.0.1", port=port or free_port(), app="live", key=_KEY)
    with structlog.testing.capture_logs() as logs:
        task = asyncio.ensure_future(takeover.run(Listener(address, takeover, clock).run))
        ingest = _Input(port=address.port, takeover=takeover, logs=logs)
        try:
            await _until(lambda: port is not None or bool(ingest.logged("the live input listens")))
            yield ingest
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        secrets.look(str(logs), "the log of the live input")


async def _until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not fact():  # noqa: ASYNC110 - facts of the product, which tells no test of them
            await asyncio.sleep(0.01)


@dataclass(kw_only=True)
class _Publisher:
    """Our own publisher on a connection."""

    publisher: Publisher
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def talk(self) -> None:
        """Until it is live. Raises OutputError where it is refused, and ConnectionError without an answer."""
        while not self.publisher.live:
            self.writer.write(self.publisher.outgoing())
            data = await self.reader.read(65536)
            if not data:
                raise ConnectionError
            self.publisher.receive(data)
        self.writer.write(self.publisher.outgoing())


@asynccontextmanager
async def _publisher(port: int, key: str = _KEY, app: str = "live") -> AsyncIterator[_Publisher]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield _Publisher(
            publisher=Publisher(parse_rtmp_url(f"rtmp://127.0.0.1:{port}/{app}/{key}")), reader=reader, writer=writer
        )
    finally:
        writer.close()


async def _closed(reader: asyncio.StreamReader) -> None:
    """Until the far end has closed, in order or not."""
    async with asyncio.timeout(90):
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                pass


def _run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await story()

    asyncio.run(bounded())


def test_the_key_admits_one_publisher_until_it_ends() -> None:
    """A second publisher with the right key is refused; after the first has left it is accepted."""

    async def story() -> None:
        async with _open() as ingest:
            assert ingest.takeover.facts().state is LiveState.WAITING
            async with (
                _publisher(ingest.port) as first,
                _publisher(ingest.port) as second,
                _publisher(ingest.port) as third,
            ):
                await first.talk()
                await _until(lambda: ingest.takeover.facts().state is LiveState.ARRIVING)
                publisher = ingest.takeover.facts().publisher
                assert publisher is not None
                assert publisher.peer_class == "this_host"
                with pytest.raises(OutputRejected, match="another publisher is live already"):
                    await second.talk()
                first.writer.write(first.publisher.unpublish())
                await _until(lambda: ingest.takeover.facts().state is LiveState.WAITING)
                await third.talk()
            assert len(ingest.logged("a second publisher was refused")) == 1

    _run(story)


def test_a_silent_publisher_gives_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose cable was pulled is replaced by the next with the key, long before it is dropped itself."""

    async def story() -> None:
        async with _open() as ingest, _publisher(ingest.port) as first, _publisher(ingest.port) as second:
            await first.talk()
            await _until(lambda: ingest.takeover.facts().publisher is not None)
            before = ingest.takeover.facts().publisher
            assert before is not None
            monkeypatch.setattr(takeover, "REPLACED_SECONDS", 0.3)
            await _until(lambda: before.silent_seconds >= 0.3)
            header = RtmpMessage(kind=MessageKind.AUDIO, payload=b"\xaf\x00\x12\x10", stream=first.publisher.stream)
            monkeypatch.setattr(takeover, "REPLACED_SECONDS", 60.0)
            first.writer.write(first.publisher.writer.message(VIDEO_CHUNKS, header))
            await _until(lambda: before.silent_seconds < 0.3)
            monkeypatch.setattr(takeover, "REPLACED_SECONDS", 0.3)
            await _until(lambda: before.silent_seconds >= 0.3)
            await second.talk()
            await _closed(first.reader)
            assert ingest.takeover.facts().publisher is not before
            assert ingest.takeover.facts().state is LiveState.ARRIVING
            assert before.replaced
            await _until(lambda: bool(ingest.logged("the live stream has ended")))
            assert ingest.logged("the live stream has ended")[0]["reason"] == "another publisher took its place"

    _run(story)


def test_a_guesser_locks_no_one_out() -> None:
    """Each wrong key is refused with BadName and logged once; the right key is taken from the very same address."""

    async def story() -> None:
        async with _open() as ingest:

            async def guess(number: int) -> None:
                async with _publisher(ingest.port, f"wrong-key-number-{number}") as guesser:
                    with pytest.raises(OutputRejected, match=r"BadName.*the stream key is wrong"):
                        await guesser.talk()

            for _ in range(2):
                await asyncio.gather(*map(guess, range(3)))
            async with _publisher(ingest.port) as operator:
                await operator.talk()
            (line,) = ingest.logged("a connection to the live input was rejected")
            assert line["why"] == "the stream key is wrong"
            assert "wrong-key" not in str(ingest.logs)

    _run(story)


def test_broken_handshakes_lock_no_one_out() -> None:
    """While one client breaks handshakes and others say nothing, an encoder at the same address still gets in."""

    async def story() -> None:
        async with _open() as ingest:
            silent = [await asyncio.open_connection("127.0.0.1", ingest.port) for _ in range(MAX_UNAUTHENTICATED)]
            for _ in range(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
                writer.write(b"\x06" + bytes(1536))
                await _closed(reader)
                writer.close()
            async with _publisher(ingest.port) as operator:
                await operator.talk()
            for _, writer in silent:
                writer.close()

    _run(story)


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x03" + bytes(3072) + b"\xff" * 4000,
        b"\x03" + bytes(3072) + b"\x03\0\0\0\xff\xff\xff\x14\0\0\0\0",
    ],
)
def test_what_is_no_rtmp_is_sent_away(noise: bytes) -> None:
    """Another protocol, garbage after the handshake, or a message of 16 MB is closed at once and logged once."""

    async def story() -> None:
        async with _open() as ingest:
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
                writer.write(noise)
                await _closed(reader)
                writer.close()
            assert len(ingest.logged("a connection to the live input was rejected")) == 1
            async with _publisher(ingest.port) as operator:
                await operator.talk()

    _run(story)


def test_slow_connections_are_closed_and_block_no_publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow sender is closed at its deadline; one peer cannot occupy all connections."""
    monkeypatch.setattr(connection, "KEY_SECONDS", 1.0)

    async def story() -> None:
        async with _open() as ingest:
            slow = [await asyncio.open_connection("127.0.0.1", ingest.port) for _ in range(MAX_PER_PEER + 2)]
            for _, writer in slow:
                writer.write(b"\x03")
            for reader, writer in slow:
                await _closed(reader)
                writer.close()

    _run(story)


def test_a_silent_publisher_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings are no media: after the deadline another publisher is accepted."""
    monkeypatch.setattr(connection, "SILENT_SECONDS", 0.5)

    async def story() -> None:
        async with _open() as ingest, _publisher(ingest.port) as operator:
            await operator.talk()
            await _closed(operator.reader)
            await _until(lambda: ingest.takeover.facts().state is LiveState.WAITING)
            assert ingest.logged("the live stream has ended")[0]["reason"] == "no more data arrives"

    _run(story)


@pytest.mark.parametrize(
    ("kind", "payload", "said"),
    [
        (MessageKind.VIDEO, b"\x90hvc1" + bytes(20), "HEVC"),
        (MessageKind.VIDEO, b"\x12\x00" + bytes(20), "not H.264"),
        (MessageKind.AUDIO, b"\x2f\x01" + bytes(20), "not AAC"),
    ],
)
def test_another_codec_is_refused_with_what_to_do(kind: MessageKind, payload: bytes, said: str) -> None:
    """The answer to the encoder and the log name the codec and the supported ones."""

    async def story() -> None:
        async with _open() as ingest, _publisher(ingest.port) as operator:
            await operator.talk()
            wrong = RtmpMessage(kind=kind, payload=payload, stream=operator.publisher.stream)
            operator.writer.write(operator.publisher.writer.message(VIDEO_CHUNKS, wrong))
            with pytest.raises(OutputRejected, match=said):
                operator.publisher.receive(await operator.reader.read(65536))
            (line,) = ingest.logged("the live stream is refused")
            assert "set the encoder to H.264" in line["error"]

    _run(story)


def test_a_taken_port_is_reported_and_tried_again() -> None:
    """The state has the reason while the port is taken, and recovers once it is free."""

    async def story() -> None:
        taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        async with _open(port) as ingest:
            await _until(lambda: ingest.takeover.facts().state is LiveState.CLOSED)
            assert "already in use" in str(ingest.takeover.facts().problem)
            assert "correct LIVE_INGEST" in str(ingest.takeover.facts().problem)
            taken.close()
            await taken.wait_closed()
            await _until(lambda: ingest.takeover.facts().state is LiveState.WAITING)
            assert accepts(port)
            assert len(ingest.logged("the live input cannot listen")) == 1

    _run(story)


def test_a_taken_srt_port_is_reported_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state has the reason without the passphrase while the port is taken, and recovers once it is free."""
    monkeypatch.setattr(srt_listener, "_LISTENS_SECONDS", 1.0)
    monkeypatch.setattr(srt_listener, "_PAUSES", Backoff(first=0.1, longest=0.1))

    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            address = SrtAddress(host="127.0.0.1", port=other.getsockname()[1], passphrase=_KEY)
            live = Takeover(_parts(), key="", offer=lambda _showing: None, withdraw=lambda _showing: True)
            task = asyncio.ensure_future(live.run(SrtListener(address, live, ffmpeg=Path(any_ffmpeg())).run))
            await _until(lambda: live.facts().state is LiveState.CLOSED)
            said = str(live.facts().problem)
            assert "cannot listen at 127.0.0.1" in said
            assert _KEY not in said
        await _until(lambda: live.facts().state is LiveState.WAITING)
        assert live.facts().problem is None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    _run(story)


def test_the_oldest_connection_without_a_key_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With connections from many addresses the oldest one without the key is closed, and the operator is accepted."""
    monkeypatch.setattr("tg_video_streamer.ingest.listener.peer_of", _numbered())

    async def story() -> None:
        async with _open() as ingest:
            unauthenticated = [
                await asyncio.open_connection("127.0.0.1", ingest.port) for _ in range(MAX_UNAUTHENTICATED)
            ]
            async with _publisher(ingest.port) as operator:
                await operator.talk()
            await _closed(unauthenticated[0][0])
            for _, writer in unauthenticated:
                writer.close()

    _run(story)


def _numbered() -> Callable[[str], str]:
    """Each connection as a different peer."""
    peers: Sequence[int] = range(1000)
    numbers = iter(peers)
    return lambda _host: f"peer {next(numbers)}"

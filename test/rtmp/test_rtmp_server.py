"""The accepting end of RTMP against our own publisher and against anything at all."""

from __future__ import annotations

import contextlib
import hmac
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.diagram import drawn
from stands.hostile_rtmp import chunked, hostile
from tg_video_streamer.errors import MalformedMessage, OutputRejected, PublisherRefused
from tg_video_streamer.rtmp import amf
from tg_video_streamer.rtmp.address import parse_rtmp_url
from tg_video_streamer.rtmp.chunks import ChunkReader, MessageKind, RtmpMessage
from tg_video_streamer.rtmp.publisher import VIDEO_CHUNKS, Publisher
from tg_video_streamer.rtmp.server import (
    LIMIT_BYTES,
    LIMIT_BYTES_UNKNOWN,
    LIMIT_CHUNK_STREAMS,
    SERVER_TRANSITIONS,
    RtmpServer,
    ServerState,
)

_KEY = "the-key-of-the-operator"
_GREETING = bytes([3]) + bytes(1536) + bytes(1536)


def _admit(key: str) -> None:
    if not hmac.compare_digest(key.encode(), _KEY.encode()):
        raise PublisherRefused("the stream key is wrong", why="wrong_key")


def _server(app: str = "live") -> RtmpServer:
    return RtmpServer(app=app, admit=_admit)


def _talk(publisher: Publisher, server: RtmpServer, *, step: int = 10_000) -> None:
    """Carry bytes both ways until both are silent; the server's refusal is raised after the publisher has received it."""
    refusal: PublisherRefused | None = None
    while to_server := publisher.outgoing():
        for start in range(0, len(to_server), step):
            try:
                server.receive(to_server[start : start + step])
            except PublisherRefused as error:
                refusal = error
                break
        to_publisher = server.outgoing()
        for start in range(0, len(to_publisher), step):
            publisher.receive(to_publisher[start : start + step])
        if refusal is not None:
            raise refusal


def _command(*values: amf.Value) -> bytes:
    return chunked(MessageKind.COMMAND, amf.encode(*values))


def _live_server() -> RtmpServer:
    server = _server()
    server.receive(_GREETING + _command("connect", 1, {"app": "live"}) + _command("publish", 5, None, _KEY, "live"))
    assert server.state is ServerState.LIVE
    server.outgoing()
    return server


@pytest.mark.parametrize("step", [1, 7, 1537, 100_000])
def test_our_publisher_goes_live_and_says_goodbye(step: int) -> None:
    """From the handshake to media to the goodbye, however the bytes come."""
    publisher, server = Publisher(parse_rtmp_url(f"rtmp://server/live/{_KEY}")), _server()
    _talk(publisher, server, step=step)
    assert publisher.live
    assert server.state is ServerState.LIVE
    sent = RtmpMessage(kind=MessageKind.VIDEO, payload=bytes(200_000), milliseconds=40, stream=publisher.stream)
    data = publisher.writer.message(VIDEO_CHUNKS, sent)
    got = [one for start in range(0, len(data), step) for one in server.receive(data[start : start + step])]
    assert got == [sent]
    assert server.receive(publisher.unpublish()) == []
    assert str(server.state) == "ended"
    assert server.receive(data) == []


@given(
    st.lists(
        st.builds(
            RtmpMessage,
            kind=st.sampled_from([MessageKind.AUDIO, MessageKind.VIDEO, MessageKind.DATA]),
            payload=st.binary(max_size=3000),
            milliseconds=st.integers(0, 2**32 - 1),
            stream=st.just(1),
        ),
        max_size=5,
    ),
    st.integers(1, 5000),
)
def test_media_arrive_as_they_were_sent(sent: list[RtmpMessage], step: int) -> None:
    """Whatever our own publisher sends, in whatever pieces it comes, is what the server hands on."""
    publisher, server = Publisher(parse_rtmp_url(f"rtmp://server/live/{_KEY}")), _server()
    _talk(publisher, server)
    data = b"".join(publisher.writer.message(VIDEO_CHUNKS, one) for one in sent)
    got = [one for start in range(0, len(data), step) for one in server.receive(data[start : start + step])]
    assert got == sent


@pytest.mark.parametrize("key", ["wrong", "", _KEY[:-1], f"{_KEY}x", "ключ", "\x00"])
def test_a_wrong_key_is_told_so_and_nothing_else(key: str) -> None:
    """The publisher gets BadName, the caller a refusal, and neither the right key nor the wrong one is repeated."""
    server = _server()
    server.receive(_GREETING + _command("connect", 1, {"app": "live"}))
    server.outgoing()
    with pytest.raises(PublisherRefused) as refused:
        server.receive(_command("publish", 5, None, key, "live"))
    assert refused.value.why == "wrong_key"
    answer = server.outgoing()
    assert b"NetStream.Publish.BadName" in answer
    assert _KEY.encode() not in answer
    assert _KEY not in str(refused.value)
    publisher = Publisher(parse_rtmp_url("rtmp://server/live/wrong"))
    with pytest.raises(OutputRejected, match="BadName"):
        _talk(publisher, _server())


def test_another_application_is_refused() -> None:
    """A publisher with a wrong server address gets that error, before any key is asked for; a slash at the end is none."""
    with pytest.raises(OutputRejected, match="Rejected"):
        _talk(Publisher(parse_rtmp_url(f"rtmp://server/other/{_KEY}")), _server())
    server = _server()
    server.receive(_GREETING + _command("connect", 1, {"app": "live/"}))
    assert server.state is ServerState.CONNECTED


def test_a_player_is_refused() -> None:
    """No one can watch here."""
    server = _server()
    server.receive(_GREETING + _command("connect", 1, {"app": "live"}))
    with pytest.raises(PublisherRefused, match="player"):
        server.receive(_command("play", 3, None, _KEY))
    assert b"NetStream.Play.Failed" in server.outgoing()


def test_a_publisher_that_comes_without_the_usual_words_is_served() -> None:
    """Connect and publish are enough, and media before them are thrown away."""
    server = _server()
    media = chunked(MessageKind.VIDEO, b"\x17\x01abc")
    assert server.receive(_GREETING + _command("connect", 1, {"app": "live"}) + media) == []
    assert [one.payload for one in server.receive(_command("publish", 0, None, _KEY) + media)] == [b"\x17\x01abc"]


def test_a_ping_is_answered() -> None:
    """A publisher's ping gets its own time back."""
    server = _live_server()
    server.receive(chunked(MessageKind.USER_CONTROL, struct.pack(">HI", 6, 77)))
    (answer,) = ChunkReader().feed(server.outgoing())
    assert answer.payload == struct.pack(">HI", 7, 77)


def test_memory_is_bounded_before_the_key_and_after() -> None:
    """A stranger may begin 64 kB, a publisher 4 MB, and neither more than a few chunk streams."""
    server = _server()
    server.receive(_GREETING)
    with pytest.raises(MalformedMessage, match="larger"):
        server.receive(b"\x03\0\0\0" + (LIMIT_BYTES_UNKNOWN + 1).to_bytes(3, "big") + b"\x14\0\0\0\0")
    with pytest.raises(MalformedMessage, match="larger"):
        _live_server().receive(b"\x03\0\0\0" + (LIMIT_BYTES + 1).to_bytes(3, "big") + b"\x09\0\0\0\0")
    server = _live_server()
    many = b"".join(bytes([stream]) + b"\0\0\0\0\0\x01\x08\0\0\0\0x" for stream in range(3, LIMIT_CHUNK_STREAMS + 4))
    with pytest.raises(MalformedMessage, match="chunk streams"):
        server.receive(many)


def test_commands_without_an_end_are_refused() -> None:
    """A stranger that keeps asking for streams is sent away."""
    server = _server()
    server.receive(_GREETING + _command("connect", 1, {"app": "live"}))
    with pytest.raises(MalformedMessage, match="commands"):
        server.receive(_command("createStream", 2, None) * 50)


_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(["live", _KEY]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["app", "x"]), inner, max_size=2),
    max_leaves=6,
)
_hostile = hostile(["connect", "createStream", "publish", "play", "FCPublish", "deleteStream", "x"], _values)


@settings(max_examples=300)
@given(st.lists(_hostile, max_size=8), st.integers(1, 200), st.sampled_from(["greeted", "connected", "live"]))
def test_nothing_but_our_own_errors(pieces: list[bytes], step: int, stage: str) -> None:
    """Whatever a peer sends, at any stage and in any pieces, is taken or raises one of two errors."""
    server = _live_server() if stage == "live" else _server()
    if stage != "live":
        server.receive(_GREETING)
    if stage == "connected":
        server.receive(_command("connect", 1, {"app": "live"}))
    data = b"".join(pieces)
    with contextlib.suppress(MalformedMessage, PublisherRefused):
        for start in range(0, len(data), step):
            server.receive(data[start : start + step])
            server.outgoing()


@given(st.binary(max_size=5000), st.integers(1, 700))
def test_nothing_but_our_own_errors_from_the_first_byte(data: bytes, step: int) -> None:
    """The same for the handshake; what is no RTMP is noticed with its first byte."""
    server = _server()
    with contextlib.suppress(MalformedMessage, PublisherRefused):
        for start in range(0, len(data), step):
            server.receive(data[start : start + step])
    with pytest.raises(MalformedMessage, match="version"):
        _server().receive(b"GET / HTTP/1.1\r\n\r\n")


def test_diagram_is_the_table() -> None:
    """The diagram in the docstring says what the transition table says."""
    assert drawn(RtmpServer.__doc__, ServerState) == {
        state: after for state, after in SERVER_TRANSITIONS.items() if after
    }

"""The publisher against a server that is plain bytes: its whole conversation, refusals, and anything at all."""

from __future__ import annotations

import contextlib
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.diagram import drawn
from stands.hostile_rtmp import hostile
from tg_video_streamer.errors import OutputError, OutputLost, OutputRejected
from tg_video_streamer.rtmp import amf
from tg_video_streamer.rtmp.address import parse_rtmp_url
from tg_video_streamer.rtmp.chunks import ChunkReader, ChunkWriter, MessageKind, RtmpMessage
from tg_video_streamer.rtmp.publisher import TRANSITIONS, Publisher, PublisherState

_GREETING = bytes([3]) + bytes(range(256)) * 6 + bytes(1536)
_URL = "rtmp://server/live/SecretKey?token=1"


class Server:
    """The other end as bytes: what the publisher says comes out as messages, answers go in in small pieces."""

    def __init__(self, *, step: int = 1000) -> None:
        self.publisher = Publisher(parse_rtmp_url(_URL))
        self.writer = ChunkWriter()
        self.reader = ChunkReader()
        self.step = step
        self.greeting = self.publisher.outgoing()
        self.feed(_GREETING)
        answer = self.publisher.outgoing()
        self.echo, rest = answer[:1536], answer[1536:]
        self.received = self.reader.feed(rest)

    def feed(self, data: bytes) -> None:
        """Hand bytes to the publisher in pieces."""
        for start in range(0, len(data), self.step):
            self.publisher.receive(data[start : start + self.step])

    def say(self, kind: int, payload: bytes) -> list[RtmpMessage]:
        """Send a message; what the publisher answers."""
        self.feed(self.writer.message(3, RtmpMessage(kind=kind, payload=payload)))
        return self.reader.feed(self.publisher.outgoing())

    def command(self, *values: amf.Value) -> list[RtmpMessage]:
        """Send a command; what the publisher answers."""
        return self.say(MessageKind.COMMAND, amf.encode(*values))

    def status(self, level: str, code: str, description: str = "") -> list[RtmpMessage]:
        """Send an onStatus."""
        return self.command("onStatus", 0, None, {"level": level, "code": code, "description": description})

    def go_live(self) -> None:
        """The whole conversation."""
        self.command("_result", 1, {}, {"code": "NetConnection.Connect.Success"})
        self.command("_result", 4, None, 7)
        self.status("status", "NetStream.Publish.Start")


def names(messages: list[RtmpMessage]) -> list[amf.Value]:
    """Names of the commands among `messages`."""
    return [amf.decode(one.payload)[0] for one in messages if one.kind == MessageKind.COMMAND]


@pytest.mark.parametrize("step", [1, 7, 1536, 100_000])
def test_conversation(step: int) -> None:
    """Handshake, connect, createStream and publish follow one another, however the bytes come."""
    server = Server(step=step)
    assert len(server.greeting) == 1537
    assert server.echo == _GREETING[1:1537]
    assert names(server.received) == ["connect"]
    asked = amf.decode(server.received[-1].payload)[2]
    assert isinstance(asked, dict)
    assert (asked["app"], asked["tcUrl"]) == ("live", "rtmp://server/live")
    assert server.reader.chunk_size == 60_000
    answer = server.command("_result", 1, {}, {"code": "NetConnection.Connect.Success"})
    assert names(answer) == ["releaseStream", "FCPublish", "createStream"]
    # Many servers do not know the first two.
    server.command("_error", 2, None, {"level": "error", "code": "NetConnection.Call.Failed"})
    publish = server.command("_result", 4, None, 7)
    assert amf.decode(publish[0].payload) == ["publish", 5.0, None, "SecretKey?token=1", "live"]
    assert publish[0].stream == 7
    assert not server.publisher.live
    server.status("status", "NetStream.Publish.Start")
    assert server.publisher.live
    assert server.publisher.stream == 7


def test_ping_is_answered_with_its_own_time() -> None:
    """A server's ping gets its answer."""
    server = Server()
    answers = server.say(MessageKind.USER_CONTROL, struct.pack(">HI", 6, 123456))
    assert [(one.kind, one.payload) for one in answers] == [(MessageKind.USER_CONTROL, struct.pack(">HI", 7, 123456))]


def test_received_bytes_are_acknowledged_by_the_window() -> None:
    """After each window of bytes the server gets the number received."""
    server = Server()
    server.say(MessageKind.WINDOW_SIZE, struct.pack(">I", 500))
    answers = [one for _ in range(20) for one in server.say(MessageKind.DATA, bytes(100))]
    counts = [struct.unpack(">I", one.payload)[0] for one in answers if one.kind == MessageKind.ACKNOWLEDGEMENT]
    assert len(counts) >= 4
    assert all(500 <= later - earlier < 700 for earlier, later in pairwise(counts))


def test_the_servers_chunk_size_counts() -> None:
    """After Set Chunk Size the server's larger chunks are read."""
    server = Server()
    server.say(MessageKind.SET_CHUNK_SIZE, struct.pack(">I", 5000))
    server.writer.chunk_size = 5000
    server.command("_result", 1, {"filler": "x" * 3000}, {"code": "NetConnection.Connect.Success"})
    assert server.publisher.state is PublisherState.CREATING


@pytest.mark.parametrize("stage", ["connect", "create", "publish", "live"])
def test_refusals_carry_the_servers_code_and_not_the_key(stage: str) -> None:
    """A no at any stage is OutputRejected with the server's code; a key that it repeats is cut out."""
    server = Server()
    said: dict[str, amf.Value] = {
        "level": "error",
        "code": "Some.Code",
        "description": "no SecretKey?token=1 \n SecretKey",
    }
    if stage == "live":
        server.go_live()
    elif stage != "connect":
        server.command("_result", 1, {}, {})
        if stage == "publish":
            server.command("_result", 4, None, 1)
    answer = ("_error", {"connect": 1, "create": 4}.get(stage, 5), None, said)
    with pytest.raises(OutputRejected, match=r"Some\.Code") as caught:
        server.command(*(answer if stage in {"connect", "create"} else ("onStatus", 0, None, said)))
    assert "Secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_the_end_of_the_stream_is_a_loss() -> None:
    """A server that ends the stream is tried again at once; closing in answer to publish is a refusal."""
    server = Server()
    assert isinstance(server.publisher.closed(), OutputLost)
    server.command("_result", 1, {}, {})
    server.command("_result", 4, None, 1)
    assert isinstance(server.publisher.closed(), OutputRejected)
    server.status("status", "NetStream.Publish.Start")
    assert isinstance(server.publisher.closed(), OutputLost)
    with pytest.raises(OutputLost, match="ended the stream"):
        server.status("status", "NetStream.Unpublish.Success")


def test_goodbye_frees_the_name() -> None:
    """FCUnpublish and deleteStream are the last words."""
    server = Server()
    server.go_live()
    assert names(server.reader.feed(server.publisher.unpublish())) == ["FCUnpublish", "deleteStream"]


def test_something_else_than_rtmp_is_a_loss() -> None:
    """An HTTP server behind the port is named as what it is not."""
    publisher = Publisher(parse_rtmp_url(_URL))
    with pytest.raises(OutputLost, match="does not speak RTMP"):
        publisher.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")


_values = (
    st.none()
    | st.floats(0, 9)
    | st.text(max_size=5)
    | st.dictionaries(st.sampled_from(["level", "code"]), st.sampled_from(["error", "NetStream.Publish.Start"]))
)
_hostile = hostile(["_result", "_error", "onStatus", "close"], _values)


@settings(max_examples=300)
@given(st.lists(_hostile, max_size=8), st.integers(1, 200), st.booleans())
def test_nothing_but_output_errors(pieces: list[bytes], step: int, live: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever a server sends, at any stage and in any pieces, is taken or raises OutputError."""
    server = Server()
    if live:
        server.go_live()
    data = b"".join(pieces)
    with contextlib.suppress(OutputError):
        for start in range(0, len(data), step):
            server.publisher.receive(data[start : start + step])
            server.publisher.outgoing()


@given(st.binary(max_size=4000), st.integers(1, 500))
def test_nothing_but_output_errors_from_the_first_byte(data: bytes, step: int) -> None:
    """The same for the handshake."""
    publisher = Publisher(parse_rtmp_url(_URL))
    data = b"\x03" + data
    with contextlib.suppress(OutputError):
        for start in range(0, len(data), step):
            publisher.receive(data[start : start + step])


def test_diagram_is_the_table() -> None:
    """The diagram in the docstring says what the transition table says."""
    assert drawn(Publisher.__doc__, PublisherState) == {state: after for state, after in TRANSITIONS.items() if after}

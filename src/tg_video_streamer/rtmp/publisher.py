"""The publishing end of RTMP as a state machine without I/O: bytes in, bytes out, errors as OutputError."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.errors import MalformedMessage, OutputLost, OutputRejected
from tg_video_streamer.locales.message import Message
from tg_video_streamer.rtmp import amf
from tg_video_streamer.rtmp.address import RtmpAddress
from tg_video_streamer.rtmp.chunks import ChunkWriter, MessageKind, RtmpMessage
from tg_video_streamer.rtmp.handshake import Handshake
from tg_video_streamer.rtmp.protocol import RtmpProtocol
from tg_video_streamer.state_machine import StateMachine, Transitions

_COMMANDS, AUDIO_CHUNKS, DATA_CHUNKS, VIDEO_CHUNKS = 3, 4, 5, 6
"""Chunk streams, one for each kind of traffic."""
_CONNECT, _RELEASE, _FC_PUBLISH, _CREATE, _PUBLISH, _FC_UNPUBLISH, _DELETE = range(1, 8)
"""Transaction ids, by which answers find their question."""


class PublisherState(StrEnum):
    """How far the conversation has come."""

    HANDSHAKE = "handshake"
    CONNECTING = "connecting"
    CREATING = "creating"
    PUBLISHING = "publishing"
    LIVE = "live"


TRANSITIONS: Transitions[PublisherState] = {
    PublisherState.HANDSHAKE: frozenset({PublisherState.CONNECTING}),
    PublisherState.CONNECTING: frozenset({PublisherState.CREATING}),
    PublisherState.CREATING: frozenset({PublisherState.PUBLISHING}),
    PublisherState.PUBLISHING: frozenset({PublisherState.LIVE}),
    PublisherState.LIVE: frozenset(),
}


class Publisher:
    """One conversation with a server, from the first byte to `live`; a failed one is thrown away.

    handshake → connecting
    connecting → creating
    creating → publishing
    publishing → live
    """

    def __init__(self, address: RtmpAddress) -> None:
        """`address` is where the other end of the bytes is."""
        self._address = address
        self._machine = StateMachine(TRANSITIONS, PublisherState.HANDSHAKE)
        self._protocol = RtmpProtocol()
        self._handshake = Handshake(begins=True)
        self.stream = 0
        """The message stream that media is to be sent on, known when live."""

    @property
    def state(self) -> PublisherState:
        """How far it has come."""
        return self._machine.state

    @property
    def live(self) -> bool:
        """Whether the server takes media now."""
        return self._machine.state is PublisherState.LIVE

    @property
    def writer(self) -> ChunkWriter:
        """What cuts media messages into chunks of the agreed size."""
        return self._protocol.writer

    @property
    def acknowledgements(self) -> int:
        """How often the server has said how much it has received."""
        return self._protocol.acknowledgements

    def outgoing(self) -> bytes:
        """What must be sent now, handed out once; between media messages, never inside of one."""
        return self._handshake.outgoing() + self._protocol.outgoing()

    def receive(self, data: bytes) -> None:
        """Take what the server sent, in any pieces. Raises OutputLost and OutputRejected."""
        try:
            if self.state is PublisherState.HANDSHAKE:
                data = self._shake_hands(data)
            if data:
                for message in self._protocol.receive(data):
                    self._take(message)
        except MalformedMessage as error:
            raise OutputLost.of("rtmp.other_protocol", place=self._address.place, detail=error.what) from error

    def closed(self) -> OutputLost | OutputRejected:
        """What it means that the server closed the connection now.

        Servers that check keys often say no by closing in answer to `publish`.
        """
        if self.state is PublisherState.PUBLISHING:
            return OutputRejected.of("rtmp.closed_on_publish", place=self._address.place)
        return OutputLost.of("rtmp.closed", place=self._address.place, state=str(self.state))

    def unpublish(self) -> bytes:
        """The bytes of an orderly goodbye, so that the name is free at once."""
        if self.live:
            self._command("FCUnpublish", _FC_UNPUBLISH, None, self._address.key)
            self._command("deleteStream", _DELETE, None, self.stream)
        return self.outgoing()

    def _shake_hands(self, data: bytes) -> bytes:
        """Collect S0, S1 and S2; the rest of the bytes once they are here."""
        rest = self._handshake.receive(data)
        if rest is None:
            return b""
        self._machine.move(PublisherState.CONNECTING)
        self._protocol.set_chunk_size()
        self._command("connect", _CONNECT, self._connect_object())
        return rest

    def _connect_object(self) -> dict[str, amf.Value]:
        return {
            "app": self._address.app,
            "type": "nonprivate",
            # Some servers let only names that they know publish; this one is the most common.
            "flashVer": "FMLE/3.0 (compatible; tg_video_streamer)",
            "tcUrl": self._address.tc_url,
        }

    def _command(self, name: str, transaction: int, *arguments: amf.Value, stream: int = 0) -> None:
        payload = amf.encode(name, transaction, *arguments)
        self._protocol.send(_COMMANDS, RtmpMessage(kind=MessageKind.COMMAND, payload=payload, stream=stream))

    def _take(self, message: RtmpMessage) -> None:
        if message.kind == MessageKind.COMMAND:
            values = amf.decode(message.payload)
        elif message.kind == MessageKind.COMMAND_AMF3:
            values = amf.decode(message.payload[1:])
        else:
            return
        name, transaction, *arguments = [*values, None, None][: max(2, len(values))]
        if name == "_result":
            self._answered(transaction, arguments)
        elif name == "_error" and transaction in {_CONNECT, _CREATE, _PUBLISH}:
            raise self._rejection(_information(arguments))
        elif name == "onStatus":
            self._status(_information(arguments))

    def _answered(self, transaction: amf.Value, arguments: list[amf.Value]) -> None:
        if transaction == _CONNECT and self.state is PublisherState.CONNECTING:
            self._machine.move(PublisherState.CREATING)
            # Not in the specification, but what every encoder sends: it frees a name that a dead session still holds.
            self._command("releaseStream", _RELEASE, None, self._address.key)
            self._command("FCPublish", _FC_PUBLISH, None, self._address.key)
            self._command("createStream", _CREATE, None)
        elif transaction == _CREATE and self.state is PublisherState.CREATING:
            self.stream = _stream_id(arguments)
            self._machine.move(PublisherState.PUBLISHING)
            self._command("publish", _PUBLISH, None, self._address.key, "live", stream=self.stream)

    def _status(self, information: dict[str, str]) -> None:
        code = information.get("code", "")
        if information.get("level") == "error":
            raise self._rejection(information)
        if code == "NetStream.Publish.Start" and self.state is PublisherState.PUBLISHING:
            self._machine.move(PublisherState.LIVE)
        elif code in {"NetStream.Unpublish.Success", "NetConnection.Connect.Closed"}:
            raise OutputLost.of("rtmp.ended", place=self._address.place, code=code)

    def _rejection(self, information: dict[str, str]) -> OutputRejected:
        said = " ".join(filter(None, (information.get("code"), information.get("description"))))
        detail = self._without_secrets(said) or Message.of("rtmp.no_reason")
        return OutputRejected.of("rtmp.refused", place=self._address.place, detail=detail)

    def _without_secrets(self, text: str) -> str:
        """A server's text without the key, which servers repeat, on one short line."""
        name = self._address.key.partition("?")[0]
        for secret in sorted({self._address.key, name, self._address.app}, key=len, reverse=True):
            text = text.replace(secret, "…") if len(secret) > 4 or secret == name else text
        return DisplayText(text)[:200]


def _information(arguments: list[amf.Value]) -> dict[str, str]:
    """The object among the arguments that says what happened: its texts."""
    for value in reversed(arguments):
        if isinstance(value, dict):
            return {name: text for name, text in value.items() if isinstance(text, str)}
    return {}


def _stream_id(arguments: list[amf.Value]) -> int:
    number = arguments[-1] if arguments else None
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 1 << 32:
        raise MalformedMessage("createStream was answered without a stream id")
    return int(number)

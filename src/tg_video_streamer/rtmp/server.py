"""The accepting end of RTMP for one publisher as a state machine without I/O: bytes in, media out, refusals as errors."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import StrEnum

from tg_video_streamer.errors import MalformedMessage, PublisherRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.rtmp import amf
from tg_video_streamer.rtmp.chunks import ChunkReader, MessageKind, RtmpMessage
from tg_video_streamer.rtmp.handshake import Handshake
from tg_video_streamer.rtmp.protocol import RtmpProtocol
from tg_video_streamer.state_machine import StateMachine, Transitions

WINDOW_BYTES = 2_500_000
"""How often the publisher is to expect an acknowledgement, and how far ahead of one it may send."""
LIMIT_BYTES = 4 * 1024 * 1024
"""Of unfinished messages: several times the largest keyframe of a live stream."""
LIMIT_BYTES_UNKNOWN = 64 * 1024
"""The same for a peer that has not shown the key: commands are short."""
LIMIT_CHUNK_STREAMS = 16
LIMIT_COMMANDS = 32
"""So many commands without one that publishes are no encoder's."""
STREAM = 1
"""The one message stream that there is."""
_COMMANDS = 3
_CONTROL = 2
_STREAM_BEGIN = 0
_DYNAMIC = 2
_MEDIA = frozenset({MessageKind.AUDIO, MessageKind.VIDEO, MessageKind.DATA})
_GOODBYES = frozenset({"FCUnpublish", "deleteStream", "closeStream"})


class ServerState(StrEnum):
    """How far the conversation has come."""

    HANDSHAKE = "handshake"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    LIVE = "live"
    ENDED = "ended"


SERVER_TRANSITIONS: Transitions[ServerState] = {
    ServerState.HANDSHAKE: frozenset({ServerState.CONNECTING}),
    ServerState.CONNECTING: frozenset({ServerState.CONNECTED}),
    ServerState.CONNECTED: frozenset({ServerState.LIVE, ServerState.ENDED}),
    ServerState.LIVE: frozenset({ServerState.ENDED}),
    ServerState.ENDED: frozenset(),
}


class RtmpServer:
    """One conversation with a publisher, from the first byte to its goodbye.

    handshake → connecting
    connecting → connected
    connected → live ended
    live → ended
    """

    def __init__(self, *, app: str, admit: Callable[[str], None]) -> None:
        """`admit` is asked once, with the stream key; it refuses by raising PublisherRefused.

        What that says goes to the publisher, so it must not reveal anything to a stranger.
        """
        self._app = app
        self._admit = admit
        self._machine = StateMachine(SERVER_TRANSITIONS, ServerState.HANDSHAKE)
        self._protocol = RtmpProtocol(ChunkReader(limit_bytes=LIMIT_BYTES_UNKNOWN, limit_streams=LIMIT_CHUNK_STREAMS))
        self._handshake = Handshake(begins=False)
        self._commands = 0

    @property
    def state(self) -> ServerState:
        """How far it has come."""
        return self._machine.state

    def outgoing(self) -> bytes:
        """What must be sent now, handed out once; also after an error: it gives the publisher the reason."""
        return self._handshake.outgoing() + self._protocol.outgoing()

    def receive(self, data: bytes) -> list[RtmpMessage]:
        """The sound, pictures and metadata in `data`; none before the key was shown.

        Raises MalformedMessage, and PublisherRefused with the answer in `outgoing`; the connection is over then.
        """
        if self.state is ServerState.HANDSHAKE:
            data = self._shake_hands(data)
        media: list[RtmpMessage] = []
        for message in self._protocol.receive(data) if data else ():
            if self.state is ServerState.ENDED:
                break
            if message.kind in {MessageKind.COMMAND, MessageKind.COMMAND_AMF3}:
                self._command(message)
            elif message.kind in _MEDIA and self.state is ServerState.LIVE:
                media.append(message)
        return media

    def refuse(self, why: str) -> None:
        """Put a refusal of what is being published into `outgoing`; `why` is for the publisher's own screen."""
        self._status("error", "NetStream.Publish.Rejected", why)

    def _shake_hands(self, data: bytes) -> bytes:
        """Collect C0, C1 and C2; the rest of the bytes once they are here."""
        rest = self._handshake.receive(data)
        if rest is None:
            return b""
        self._machine.move(ServerState.CONNECTING)
        return rest

    def _command(self, message: RtmpMessage) -> None:
        self._commands += 1
        if self._commands > LIMIT_COMMANDS and self.state is not ServerState.LIVE:
            raise MalformedMessage("more RTMP commands than a publisher sends")
        # An AMF3 command begins with a byte that says how the rest is written: as AMF0.
        values = amf.decode(message.payload[1:] if message.kind == MessageKind.COMMAND_AMF3 else message.payload)
        name, transaction, *arguments = [*values, None, None][: max(2, len(values))]
        if not isinstance(name, str):
            raise MalformedMessage("an RTMP command has no name")
        number = transaction if isinstance(transaction, int | float) and not isinstance(transaction, bool) else 0
        if self.state is ServerState.CONNECTING:
            self._connect(name, number, arguments)
        elif name in {"releaseStream", "FCPublish", "getStreamLength"}:
            self._answer("_result", number, None, None)
        elif name == "createStream":
            self._answer("_result", number, None, STREAM)
        elif name == "publish":
            self._publish(arguments)
        elif name == "play":
            self._status("error", "NetStream.Play.Failed", "nothing can be watched here")
            raise PublisherRefused(Message.of("publisher.player"), why="player")
        elif name in _GOODBYES:
            self._machine.move(ServerState.ENDED)

    def _connect(self, name: str, number: float, arguments: list[amf.Value]) -> None:
        asked = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        app = asked.get("app")
        if name != "connect" or not isinstance(app, str):
            raise MalformedMessage("the first RTMP command is no connect")
        if app.strip("/").partition("?")[0].strip("/") != self._app:
            said: dict[str, amf.Value] = {"level": "error", "code": "NetConnection.Connect.Rejected"}
            self._answer("_error", number, None, said | {"description": "there is no such application"})
            raise PublisherRefused(Message.of("publisher.wrong_app"), why="wrong_app")
        self._machine.move(ServerState.CONNECTED)
        window = struct.pack(">I", WINDOW_BYTES)
        self._control(MessageKind.WINDOW_SIZE, window)
        self._control(MessageKind.PEER_BANDWIDTH, window + bytes([_DYNAMIC]))
        # ffmpeg answers in chunks of the same size: a few for each picture in place of hundreds.
        self._protocol.set_chunk_size()
        properties: dict[str, amf.Value] = {"fmsVer": "FMS/3,0,1,123", "capabilities": 31}
        succeeded: dict[str, amf.Value] = {"level": "status", "code": "NetConnection.Connect.Success"}
        self._answer("_result", number, properties, succeeded | {"description": "connected", "objectEncoding": 0})

    def _publish(self, arguments: list[amf.Value]) -> None:
        if self.state is ServerState.LIVE:
            raise MalformedMessage("a publisher publishes twice on one connection")
        key = arguments[1] if len(arguments) > 1 else None
        if not isinstance(key, str):
            raise MalformedMessage("publish has no stream key")
        try:
            self._admit(key)
        except PublisherRefused as error:
            self._status("error", "NetStream.Publish.BadName", error.what)
            raise
        self._protocol.reader.limit_bytes = LIMIT_BYTES
        self._machine.move(ServerState.LIVE)
        self._control(MessageKind.USER_CONTROL, struct.pack(">HI", _STREAM_BEGIN, STREAM))
        self._status("status", "NetStream.Publish.Start", "you are live")

    def _status(self, level: str, code: str, description: str) -> None:
        said: dict[str, amf.Value] = {"level": level, "code": code, "description": description}
        payload = amf.encode("onStatus", 0, None, said)
        self._protocol.send(_COMMANDS, RtmpMessage(kind=MessageKind.COMMAND, payload=payload, stream=STREAM))

    def _answer(self, name: str, number: float, *values: amf.Value) -> None:
        payload = amf.encode(name, number, *values)
        self._protocol.send(_COMMANDS, RtmpMessage(kind=MessageKind.COMMAND, payload=payload))

    def _control(self, kind: MessageKind, payload: bytes) -> None:
        self._protocol.send(_CONTROL, RtmpMessage(kind=kind, payload=payload))

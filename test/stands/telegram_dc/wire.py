"""One TCP connection of the loopback Telegram: transports, encrypted messages, and requests taken apart."""

from __future__ import annotations

import asyncio
import os
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import Any

import cryptg
from pyrogram.raw import functions, types
from pyrogram.raw.core import FutureSalt, FutureSalts, Int, Long, MsgContainer, TLObject, Vector

from stands.telegram_dc.exchange import KeyExchange
from stands.telegram_dc.keys import AuthKey, Refusal, sha256
from stands.telegram_dc.world import API_ID, Answer, BadMessage, Fault, RpcFailed, TransportCode, World

_TRUE, _FALSE = bytes.fromhex("b5757299"), bytes.fromhex("379779bc")
_RPC_RESULT = types.RpcResult.ID.to_bytes(4, "little")
_TOO_OLD_SECONDS, _TOO_NEW_SECONDS = 300, 30
"""https://core.telegram.org/mtproto/description#message-identifier-msg-id"""
ANONYMOUS = frozenset(
    {
        "help.getconfig",
        "help.getnearestdc",
        "help.getappconfig",
        "auth.sendcode",
        "auth.resendcode",
        "auth.cancelcode",
        "auth.signin",
        "auth.checkpassword",
        "auth.logout",
        "auth.importauthorization",
        "auth.exportlogintoken",
        "auth.importlogintoken",
        "account.getpassword",
    }
)


class Connection:
    """What one client sees; it speaks abridged, intermediate and full transport, whichever the client begins with."""

    def __init__(
        self,
        world: World,
        dc: int,
        handlers: Mapping[str, Callable[[Connection, Any], Any]],
        everybody: set[Connection],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.world = world
        self.dc = dc
        self.key: AuthKey | None = None
        self.everybody = everybody
        self.session = b""
        self._handlers = handlers
        self._reader = reader
        self._writer = writer
        self._mode = ""
        self._sequence = 0
        self._packets = 0
        self._exchange = KeyExchange(world, dc)

    @property
    def user_id(self) -> int:
        """Who is logged in; raises RpcFailed where no one is."""
        if self.key is None or self.key.user_id is None:
            raise RpcFailed(401, "AUTH_KEY_UNREGISTERED")
        return self.key.user_id

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def serve(self) -> None:
        """Answer until the client hangs up."""
        self.everybody.add(self)
        self.world.connections_made += 1
        try:
            while not self.world.refuse:
                packet = await self._read()
                if not self.world.silent:
                    await self._take(packet)
                    await self._writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.everybody.discard(self)
            self._writer.close()

    def send(self, message: Any, *, reply: bool = True) -> None:
        """Encrypt and write one TL object."""
        key = self._known()
        body = message if isinstance(message, bytes) else message.write()
        self._sequence += 2
        header = struct.pack("<q8sqii", key.salt, self.session, self._message_id(reply), self._sequence - 1, len(body))
        plain = header + body
        plain += os.urandom(-(len(plain) + 12) % 16 + 12)
        message_key = sha256(key.key[96:128] + plain)[8:24]
        self._write(key.id + message_key + cryptg.encrypt_ige(plain, *_aes(key, message_key, 8)))

    async def _take(self, packet: bytes) -> None:
        if packet[:8] == bytes(8):
            answer = self._exchange.answer(TLObject.read(BytesIO(packet[20:])))
            if answer is not None:
                self._write(bytes(8) + struct.pack("<qi", self._message_id(reply=True), len(answer)) + answer)
            return
        self.key = self.world.keys.get((self.dc, packet[:8]))
        if self.key is None:
            self._write(struct.pack("<i", -404))
            return
        await self._decrypted(packet, self.key)

    async def _decrypted(self, packet: bytes, key: AuthKey) -> None:
        data = cryptg.decrypt_ige(packet[24:], *_aes(key, packet[8:24], 0))
        assert sha256(key.key[88:120] + data)[8:24] == packet[8:24], "the message key does not fit the message"
        salt, session, message_id, sequence, length = struct.unpack("<q8sqii", data[:32])
        new, self.session = self.session != session, session
        late = self.world.now() - (message_id >> 32)
        if not -_TOO_NEW_SECONDS <= late <= _TOO_OLD_SECONDS:
            code = 16 if late > 0 else 17
            self.send(types.BadMsgNotification(bad_msg_id=message_id, bad_msg_seqno=sequence, error_code=code))
            return
        if salt != key.salt:
            wrong = types.BadServerSalt(
                bad_msg_id=message_id, bad_msg_seqno=sequence, error_code=48, new_server_salt=key.salt
            )
            self.send(wrong)
            return
        if new:
            self.send(
                types.NewSessionCreated(first_msg_id=message_id, unique_id=message_id, server_salt=key.salt),
                reply=False,
            )
        body = TLObject.read(BytesIO(data[32 : 32 + length]))
        inner = [(one.msg_id, one.body) for one in body.messages] if isinstance(body, MsgContainer) else None
        for one_id, request in inner or [(message_id, body)]:
            await self._request(one_id, request)

    async def _request(self, message_id: int, request: Any) -> None:
        layers = []
        while isinstance(
            request,
            functions.InvokeWithLayer
            | functions.InitConnection
            | functions.InvokeWithoutUpdates
            | functions.InvokeAfterMsg,
        ):
            layers.append(request)
            request = request.query
        if isinstance(request, types.MsgsAck):
            return
        if isinstance(request, functions.Ping | functions.PingDelayDisconnect):
            self.send(types.Pong(msg_id=message_id, ping_id=request.ping_id))
        elif isinstance(request, functions.GetFutureSalts):
            now = int(self.world.now())
            self.send(FutureSalts(message_id, now, [FutureSalt(now, now + 86400, self._known().salt)]))
        else:
            await self._answer(message_id, request, layers)

    async def _answer(self, message_id: int, request: Any, layers: list[Any]) -> None:
        name = request.QUALNAME.split(".", 1)[1]
        self.world.requests.append((name, request))
        fault = self.world.planned(name.lower(), self.dc)
        if not isinstance(fault, tuple | Answer | None) and fault is not Fault.LOST:
            self._misbehave(message_id, fault)
            return
        try:
            self._introduced(layers)
            planned = fault if isinstance(fault, tuple | Answer) else None
            result = self._admitted(name.lower(), planned)(self, request)
            if isinstance(result, Awaitable):
                result = await result
        except RpcFailed as failure:
            result = types.RpcError(error_code=failure.code, error_message=failure.text)
        if fault is Fault.LOST:
            self._writer.close()
            return
        self.send(_RPC_RESULT + Long(message_id) + _serialised(result))

    def _misbehave(self, message_id: int, fault: Fault | BadMessage | TransportCode) -> None:
        if fault is Fault.DROP:
            self._writer.close()
        elif isinstance(fault, TransportCode):
            self._write(struct.pack("<i", fault.code))
        elif isinstance(fault, BadMessage):
            bad = {"bad_msg_id": message_id, "bad_msg_seqno": 0, "error_code": fault.code}
            salt = self._known().salt
            self.send(
                types.BadServerSalt(**bad, new_server_salt=salt)
                if fault.code == 48
                else types.BadMsgNotification(**bad)
            )

    def _introduced(self, layers: list[Any]) -> None:
        """Note who the client says it is; raises RpcFailed for an unregistered application."""
        for layer in layers:
            if isinstance(layer, functions.InitConnection):
                if layer.api_id != API_ID:
                    raise RpcFailed(400, "CONNECTION_API_ID_INVALID")
                self._known().device, self._known().app = layer.device_model, layer.app_version

    def _admitted(self, name: str, planned: Refusal | Answer | None) -> Callable[[Connection, Any], Any]:
        key = self._known()
        if isinstance(planned, Answer):
            return self._answering(name, planned)
        if planned is not None:
            raise RpcFailed(*planned)
        if key.revoked is not None and name != "help.getconfig":
            raise RpcFailed(*key.revoked)
        handler = self._handlers.get(name)
        if handler is None:
            raise RpcFailed(400, "INPUT_METHOD_INVALID")
        if key.user_id is None and name not in ANONYMOUS:
            raise RpcFailed(401, "SESSION_PASSWORD_NEEDED" if key.pending else "AUTH_KEY_UNREGISTERED")
        return handler

    def _answering(self, name: str, planned: Answer) -> Callable[[Connection, Any], Any]:
        def answer(connection: Connection, request: Any) -> Any:
            if planned.carried_out:
                self._handlers[name](connection, request)
            return planned.result

        return answer

    def _known(self) -> AuthKey:
        assert self.key is not None, "a message before any key"
        return self.key

    def _message_id(self, reply: bool) -> int:  # noqa: FBT001 - one of two kinds
        self.world.last_message_id = max(int(self.world.now() * 2**32) & ~3, self.world.last_message_id + 4)
        return self.world.last_message_id | (1 if reply else 3)

    async def _read(self) -> bytes:
        if not self._mode:
            head = await self._reader.readexactly(1)
            self._mode = "abridged"
            if head != b"\xef":
                head += await self._reader.readexactly(3)
                self._mode = "intermediate" if head == b"\xee" * 4 else "full"
                if self._mode == "full":
                    return (await self._reader.readexactly(int.from_bytes(head, "little") - 4))[4:-4]
        if self._mode == "abridged":
            words = (await self._reader.readexactly(1))[0] & 0x7F
            if words == 0x7F:
                words = int.from_bytes(await self._reader.readexactly(3), "little")
            return await self._reader.readexactly(words * 4)
        length = int.from_bytes(await self._reader.readexactly(4), "little")
        if self._mode == "intermediate":
            return await self._reader.readexactly(length)
        return (await self._reader.readexactly(length - 4))[4:-4]

    def _write(self, packet: bytes) -> None:
        if self._mode == "abridged":
            words = len(packet) // 4
            packet = (bytes([words]) if words < 0x7F else b"\x7f" + words.to_bytes(3, "little")) + packet
        elif self._mode == "intermediate":
            packet = len(packet).to_bytes(4, "little") + packet
        else:
            packet = struct.pack("<II", len(packet) + 12, self._packets) + packet
            packet += struct.pack("<I", zlib.crc32(packet))
            self._packets += 1
        if not self._writer.is_closing():
            self._writer.write(packet)


def _aes(key: AuthKey, message_key: bytes, offset: int) -> tuple[bytes, bytes]:
    """AES key and vector (https://core.telegram.org/mtproto/description#defining-aes-key-and-initialization-vector)."""
    first = sha256(message_key + key.key[offset : offset + 36])
    second = sha256(key.key[40 + offset : 76 + offset] + message_key)
    return first[:8] + second[8:24] + first[24:32], second[:8] + first[8:24] + second[24:32]


def _serialised(result: Any) -> bytes:
    if isinstance(result, bool):
        return _TRUE if result else _FALSE
    if isinstance(result, list):
        return Vector(result, Int if result and isinstance(result[0], int) else None)  # type: ignore[no-any-return]
    return result if isinstance(result, bytes) else result.write()

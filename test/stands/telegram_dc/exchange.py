"""The making of an authorisation key (https://core.telegram.org/mtproto/auth_key), the server's side."""

from __future__ import annotations

import os
import struct
from io import BytesIO
from typing import Any

import cryptg
from pyrogram.crypto import prime
from pyrogram.raw import functions, types
from pyrogram.raw.core import TLObject

from stands.telegram_dc.keys import AuthKey, big_endian, sha1
from stands.telegram_dc.world import World

PRIME = prime.CURRENT_DH_PRIME
_PQ = 1229739323 * 1402015859


class KeyExchange:
    """The conversation on one connection, before anything is encrypted."""

    def __init__(self, world: World, dc: int) -> None:
        self._world = world
        self._dc = dc
        self._server_nonce = int.from_bytes(os.urandom(16), "little", signed=True)
        self._new_nonce = b""
        self._exponent = 0
        self._aes = (b"", b"")

    def answer(self, request: Any) -> bytes | None:
        """The serialised answer to a plain request; None where none is due."""
        if isinstance(request, functions.ReqPqMulti | functions.ReqPq):
            result = types.ResPQ(
                nonce=request.nonce,
                server_nonce=self._server_nonce,
                pq=big_endian(_PQ),
                server_public_key_fingerprints=[self._world.rsa.fingerprint],
            )
        elif isinstance(request, functions.ReqDHParams):
            result = self._parameters(request)
        elif isinstance(request, functions.SetClientDHParams):
            result = self._made(request)
        else:
            return None
        return result.write()  # type: ignore[no-any-return]

    def _parameters(self, request: Any) -> Any:
        rsa = self._world.rsa
        padded = pow(int.from_bytes(request.encrypted_data, "big"), rsa.private, rsa.modulus).to_bytes(256, "big")[1:]
        inner = TLObject.read(BytesIO(padded[20:]))
        assert sha1(inner.write()) == padded[:20], "the RSA payload does not fit its hash"
        new = self._new_nonce = inner.new_nonce.to_bytes(32, "little", signed=True)
        server = self._server_nonce.to_bytes(16, "little", signed=True)
        key = sha1(new + server) + sha1(server + new)[:12]
        self._aes = (key, sha1(server + new)[12:] + sha1(new + new) + new[:4])
        self._exponent = int.from_bytes(os.urandom(256), "big")
        answer = types.ServerDHInnerData(
            nonce=request.nonce,
            server_nonce=self._server_nonce,
            g=3,
            dh_prime=PRIME.to_bytes(256, "big"),
            g_a=pow(3, self._exponent, PRIME).to_bytes(256, "big"),
            server_time=int(self._world.now()),
        ).write()
        answer = sha1(answer) + answer
        answer += os.urandom(-len(answer) % 16)
        return types.ServerDHParamsOk(
            nonce=request.nonce,
            server_nonce=self._server_nonce,
            encrypted_answer=cryptg.encrypt_ige(answer, *self._aes),
        )

    def _made(self, request: Any) -> Any:
        inner = TLObject.read(BytesIO(cryptg.decrypt_ige(request.encrypted_data, *self._aes)[20:]))
        shared = pow(int.from_bytes(inner.g_b, "big"), self._exponent, PRIME).to_bytes(256, "big")
        server = self._server_nonce.to_bytes(16, "little", signed=True)
        mixed = bytes(a ^ b for a, b in zip(self._new_nonce[:8], server[:8], strict=True))
        self._world.add_key(AuthKey(key=shared, dc=self._dc, salt=struct.unpack("<q", mixed)[0]))
        hashed_key = shared
        if self._world.exchanges_to_spoil:
            # As where the key begins with a zero byte, which Telethon forgets: the two hash different bytes.
            self._world.exchanges_to_spoil -= 1
            hashed_key = b"\0" + shared
        digest = sha1(self._new_nonce + b"\x01" + sha1(hashed_key)[:8])[4:]
        return types.DhGenOk(
            nonce=request.nonce,
            server_nonce=self._server_nonce,
            new_nonce_hash1=int.from_bytes(digest, "little", signed=True),
        )

"""The stand's RSA key, and the authorisation keys that clients make with it."""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import struct
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pyrogram.raw.core import Bytes

Refusal = tuple[int, str]


def sha1(data: bytes) -> bytes:
    """The 20 bytes of SHA-1, which MTProto prescribes."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def sha256(data: bytes) -> bytes:
    """The 32 bytes of SHA-256."""
    return hashlib.sha256(data).digest()


def big_endian(number: int) -> bytes:
    """`number` in as few bytes as it needs."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


@functools.cache
def _private_key() -> rsa.RSAPrivateKey:
    """One for the whole test process, since making it takes time."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class ServerKey:
    """The numbers of the RSA key, its fingerprint, and the public part as PEM (PKCS 1)."""

    modulus: int
    exponent: int
    private: int = field(repr=False)
    fingerprint: int
    pem: str


def server_key() -> ServerKey:
    """The key of every stand in this process."""
    key = _private_key()
    public = key.public_key().public_numbers()
    numbers = Bytes(big_endian(public.n)) + Bytes(big_endian(public.e))
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    return ServerKey(
        modulus=public.n,
        exponent=public.e,
        private=key.private_numbers().d,
        fingerprint=struct.unpack("<q", sha1(numbers)[-8:])[0],
        pem=pem.decode(),
    )


@dataclass(slots=True)
class AuthKey:
    """A key that a client and one data center share, and who is logged in with it."""

    key: bytes = field(default_factory=lambda: b"\x01" + secrets.token_bytes(255), repr=False)
    dc: int = 2
    user_id: int | None = None
    pending: int | None = None
    """The user whose second factor is still missing."""
    revoked: Refusal | None = None
    """Answered to every call once it is set."""
    created: int = field(default_factory=lambda: int(time.time()))
    hash: int = field(default_factory=lambda: struct.unpack("<q", os.urandom(8))[0])
    salt: int = field(default_factory=lambda: struct.unpack("<q", os.urandom(8))[0])
    device: str = "test"
    app: str = "test"

    @property
    def id(self) -> bytes:
        """The eight bytes that every encrypted packet begins with."""
        return sha1(self.key)[-8:]

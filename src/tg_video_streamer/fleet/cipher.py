"""Encrypts what hosts share and NATS must not read, with a key out of a secret that they have alike."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from tg_video_streamer.errors import StateUnreadable

_PURPOSE = b"tg-video-streamer: state of a fleet"


class Cipher:
    """Fernet (AES-128-CBC with HMAC-SHA256) under a key that is derived from the secret."""

    def __init__(self, secret: str) -> None:
        """`secret` has the strength of a key already, as a session string does: it is not stretched."""
        # HKDF-Extract and -Expand for one block (RFC 5869), so that the secret itself is no key of anything else.
        extracted = hmac.digest(_PURPOSE, secret.encode(), hashlib.sha256)
        self._fernet = Fernet(base64.urlsafe_b64encode(hmac.digest(extracted, b"\x01", hashlib.sha256)))

    def encrypt(self, content: bytes) -> bytes:
        """What only who has the secret can read."""
        return self._fernet.encrypt(content)

    def decrypt(self, content: bytes) -> bytes:
        """Raises StateUnreadable where it was changed, or encrypted with another secret."""
        try:
            return self._fernet.decrypt(content)
        except InvalidToken as error:
            raise StateUnreadable.of("fleet.state_other_key") from error

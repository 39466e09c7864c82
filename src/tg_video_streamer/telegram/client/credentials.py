"""What the client needs to speak for an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """API_ID and API_HASH, a session string in any known format (empty: none yet), and the way to the server."""

    api_id: int
    api_hash: str = field(repr=False)
    session: str = field(repr=False)
    proxy: str = field(default="", repr=False)
    """`socks5://…`, or the link of an MTProto proxy; see `proxy.py`."""
    server: str = ""
    """`host:port` of a self-hosted or test server; empty for Telegram's own."""
    server_key: Path | None = None
    """That server's public RSA key, PEM."""

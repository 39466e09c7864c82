"""An Account of the project's on the loopback Telegram, as the tests of the room want it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import API_HASH, API_ID
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import SessionEnded
from tg_video_streamer.telegram.client.account import Account, Credentials
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.client.waits import FloodWaits

QUICK = Backoff(first=0.05, longest=0.2)
"""Pauses for tests that lose their connection on purpose."""


def credentials(stand: TelegramStand, session: str = "", **changes: Any) -> Credentials:
    """Those of `session`, pointed at the stand; a new session of the first user where none is given."""
    values: dict[str, Any] = {
        "api_id": API_ID,
        "api_hash": API_HASH,
        "session": session or stand.session_string(),
        "server": stand.address,
        "server_key": stand.key_file,
    }
    return Credentials(**values | changes)


def new_account(
    stand: TelegramStand,
    session: str = "",
    *,
    endings: list[SessionEnded] | None = None,
    limiter: ConnectionLimiter | None = None,
    heartbeat_seconds: float = 30.0,
    waits: FloodWaits | None = None,
    **changes: Any,
) -> Account:
    """An account that is not connected; what ends it is put into `endings`."""
    clock = SystemClock()
    return Account(
        credentials(stand, session, **changes),
        clock=clock,
        limiter=limiter or ConnectionLimiter(clock, pauses=QUICK),
        ended=(endings if endings is not None else []).append,
        heartbeat_seconds=heartbeat_seconds,
        waits=waits,
    )


@asynccontextmanager
async def connected(
    stand: TelegramStand, session: str = "", *, endings: list[SessionEnded] | None = None, **options: Any
) -> AsyncIterator[Account]:
    """An account on air, closed at the end."""
    account = new_account(stand, session, endings=endings, **options)
    await account.connect()
    try:
        yield account
    finally:
        await account.close()

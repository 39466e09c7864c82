"""A session that is valid says when it was last seen to be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from stands.telegram_account import QUICK, credentials
from stands.telegram_dc.server import TelegramStand
from stands.virtual_time import AheadClock
from tg_video_streamer.errors import SessionEnded
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter


@pytest.fixture
def stand() -> Iterator[TelegramStand]:
    """A Telegram of the test's own."""
    with TelegramStand() as running:
        yield running


async def test_a_session_that_is_not_answered_grows_stale(stand: TelegramStand) -> None:
    """The heartbeat's answers keep a session fresh; after three periods without one it is stale, and fresh again with the next."""
    clock, endings = AheadClock(), list[SessionEnded]()
    account = Account(
        credentials(stand),
        clock=clock,
        limiter=ConnectionLimiter(clock, pauses=QUICK),
        ended=endings.append,
        heartbeat_seconds=0.2,
    )
    await account.connect()
    try:
        assert not account.sighting.stale
        clock.ahead = 1000.0
        assert account.sighting.stale
        async with asyncio.timeout(60):
            while account.sighting.stale:  # noqa: ASYNC110 - the heartbeat has no event
                await asyncio.sleep(0.05)
        assert endings == []
    finally:
        await account.close()

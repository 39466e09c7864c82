"""What the tests of logins share: Telegram on the loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stands.telegram_dc.server import TelegramStand


@pytest.fixture(scope="module")
def telegram() -> Iterator[TelegramStand]:
    """One for all tests of a module; each leaves the accounts as they were."""
    with TelegramStand() as stand:
        yield stand

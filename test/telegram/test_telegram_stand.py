"""The loopback Telegram logs Telethon in: by code, second factor and QR code, at either data center."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from telethon import TelegramClient
from telethon.errors import PasswordHashInvalidError, PhoneCodeInvalidError, SessionPasswordNeededError

from stands.telegram_account import connected, credentials
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CODE, PASSWORD, PHONE, SECOND_PHONE, SECOND_USER_ID, USER_ID
from tg_video_streamer.telegram.client.client import make_client, make_session


@pytest.fixture
def stand() -> Iterator[TelegramStand]:
    """A Telegram of the test's own."""
    with TelegramStand() as running:
        yield running


async def _client(stand: TelegramStand) -> TelegramClient:
    blank = credentials(stand)
    wanted = type(blank)(
        api_id=blank.api_id,
        api_hash=blank.api_hash,
        session="",
        server=blank.server,
        server_key=blank.server_key,
    )
    client = make_client(wanted, await make_session(wanted), may_move=True)
    await client.connect()
    return client


@pytest.mark.parametrize(("phone", "user_id"), [(PHONE, USER_ID), (SECOND_PHONE, SECOND_USER_ID)])
async def test_code_and_password(stand: TelegramStand, phone: str, user_id: int) -> None:
    """Wrong code, right code, wrong password, right password; a user of the other data center is sent there."""
    stand.user(user_id).password = PASSWORD
    client = await _client(stand)
    sent = await client.send_code_request(phone)
    with pytest.raises(PhoneCodeInvalidError):
        await client.sign_in(phone, "00000", phone_code_hash=sent.phone_code_hash)
    with pytest.raises(SessionPasswordNeededError):
        await client.sign_in(phone, CODE, phone_code_hash=sent.phone_code_hash)
    with pytest.raises(PasswordHashInvalidError):
        await client.sign_in(password="wrong")  # noqa: S106 - that is the test
    assert (await client.sign_in(password=PASSWORD)).id == user_id
    session = client.session.save()
    await client.disconnect()
    stand.restart()
    async with connected(stand, session) as account:
        assert account.user_id == user_id


@pytest.mark.parametrize("user_id", [USER_ID, SECOND_USER_ID])
async def test_qr_code(stand: TelegramStand, user_id: int) -> None:
    """A scanned QR code logs in the account that scanned it, with migration to the other data center where needed."""
    client = await _client(stand)
    login = await client.qr_login()
    stand.scan(login.url, user_id)
    assert (await login.wait(60)).id == user_id
    await client.disconnect()

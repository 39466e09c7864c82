"""Reads what Telegram answers to a login: the code that it sent, the user, the QR token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from telethon.tl import types

from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.answers.tl_type import TlType, refusing


def _sent(sent: types.auth.SentCode) -> Any:
    if isinstance(sent.type, types.auth.SentCodeTypeSetUpEmailRequired):
        raise TelegramRefused(Message.of("session_error.email_first"), word="SENT_CODE_UNKNOWN")
    return sent


SENT_CODE: TlType[Any] = TlType(
    {
        types.auth.SentCode: _sent,
        types.auth.SentCodeSuccess: refusing("session_error.no_code", "SENT_CODE_UNKNOWN"),
        types.auth.SentCodePaymentRequired: refusing("session_error.no_code", "SENT_CODE_UNKNOWN"),
    }
)
"""A code that is on its way; raises TelegramRefused for Telegram's other answers."""

AUTHORIZATION: TlType[Any] = TlType(
    {
        types.auth.Authorization: lambda answer: answer.user,
        types.auth.AuthorizationSignUpRequired: refusing("session_error.no_account", "PHONE_NUMBER_UNOCCUPIED"),
    }
)
"""The user who is logged in; raises TelegramRefused where the number has no account yet."""

USER: TlType[Any] = TlType(
    {
        types.User: lambda user: user,
        types.UserEmpty: refusing("session_error.no_account", "USER_ID_INVALID"),
    }
)
"""The user; raises TelegramRefused where the account is deleted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QrToken:
    """One step of a login by QR code."""

    token: bytes = field(default=b"", repr=False)
    """What the phone must scan, or what the other data center wants to see."""
    expires_wall: float = 0.0
    move_to: int = 0
    """The data center to go to first; 0 for none."""
    user: Any | None = None
    """Set where the login is done."""


LOGIN_TOKEN: TlType[QrToken] = TlType(
    {
        types.auth.LoginToken: lambda answer: QrToken(token=answer.token, expires_wall=answer.expires.timestamp()),
        types.auth.LoginTokenMigrateTo: lambda answer: QrToken(token=answer.token, move_to=answer.dc_id),
        types.auth.LoginTokenSuccess: lambda answer: QrToken(user=AUTHORIZATION.read(answer.authorization)),
    }
)

"""Translates Telethon's exceptions: an ended session, a network failure, or a refused request."""

from __future__ import annotations

import struct
from typing import Final

from telethon import errors
from telethon.errors import rpcerrorlist

from tg_video_streamer.errors import (
    SessionEnded,
    SessionEnding,
    SessionUnreachable,
    StreamerError,
    TelegramRefused,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.session.renewal_command import RENEW

_WORDS: Final[dict[type[Exception], str]] = {
    error: word for word, error in reversed(list(rpcerrorlist.rpc_errors_dict.items()))
}
"""Telegram's word for each of Telethon's classes, which do not store it."""

_ENDINGS: Final = {
    "SESSION_EXPIRED": SessionEnding.EXPIRED,
    "SESSION_REVOKED": SessionEnding.REVOKED,
    "AUTH_KEY_UNREGISTERED": SessionEnding.UNREGISTERED,
    "AUTH_KEY_DUPLICATED": SessionEnding.DUPLICATED,
    "AUTH_KEY_INVALID": SessionEnding.INVALID,
    "USER_DEACTIVATED": SessionEnding.DEACTIVATED,
    "USER_DEACTIVATED_BAN": SessionEnding.BANNED,
    "API_ID_INVALID": SessionEnding.WRONG_API,
    "API_ID_PUBLISHED_FLOOD": SessionEnding.WRONG_API,
    "CONNECTION_API_ID_INVALID": SessionEnding.WRONG_API,
}


def session_ended(ending: SessionEnding) -> SessionEnded:
    """The error for an ended session, with its remedy."""
    key = f"session_ended.{ending}"
    remedy = Message.find(f"{key}.remedy", command=RENEW) or Message.of("run_command", command=RENEW)
    return SessionEnded(Message.of(key), ending=ending, remedy=remedy)


def telegrams_word(error: errors.RPCError) -> str:
    """Telegram's word for an error, such as SESSION_EXPIRED."""
    if isinstance(error, rpcerrorlist.FileMigrateError):
        return f"FILE_MIGRATE_{error.new_dc}"
    return _WORDS.get(type(error)) or str(error.message or "UNKNOWN").upper()


def translated(error: BaseException) -> StreamerError:
    """The project's error for one of Telethon's or of the network's; anything else is a defect and raised unchanged."""
    if isinstance(error, StreamerError):
        return error
    if isinstance(error, errors.RPCError):
        return _refusal(error)
    if isinstance(error, (errors.AuthKeyNotFound, errors.InvalidBufferError)):
        return _transport(error)
    if isinstance(error, (OSError, TimeoutError, EOFError, errors.SecurityError, errors.TypeNotFoundError)):
        return SessionUnreachable.of("telegram.unreachable", detail=type(error).__name__)
    if isinstance(error, (struct.error, BufferError)):
        return SessionUnreachable.of("telegram.unreadable")
    if type(error).__module__.startswith("python_socks"):
        # Loaded only where SOCKS5 is used, and its errors are no OSErrors.
        return SessionUnreachable.of("telegram.proxy")
    raise error


def _transport(error: errors.AuthKeyNotFound | errors.InvalidBufferError) -> StreamerError:
    """Four bytes instead of a message: a code of the transport's (https://core.telegram.org/mtproto/mtproto-transports)."""
    if isinstance(error, errors.AuthKeyNotFound) or error.code == 404:
        return session_ended(SessionEnding.KEY_UNKNOWN)
    return SessionUnreachable(Message.of("telegram.transport", code=error.code), seconds=30.0)


def _refusal(error: errors.RPCError) -> StreamerError:
    seconds = getattr(error, "seconds", None)
    if isinstance(error, errors.FloodError) and seconds:
        return SessionUnreachable(Message.of("telegram.wait", seconds=seconds), seconds=float(seconds))
    word = telegrams_word(error)
    if word in _ENDINGS:
        return session_ended(_ENDINGS[word])
    if isinstance(error, (errors.UnauthorizedError, errors.AuthKeyError)):
        return session_ended(SessionEnding.UNREGISTERED)
    if isinstance(error, (errors.ServerError, errors.TimedOutError)):
        return SessionUnreachable.of("telegram.fault", word=word)
    remedy = Message.find(f"refusal.{word.lower()}") or ""
    return TelegramRefused(Message.of("telegram.refused", word=word), word=word, remedy=remedy)

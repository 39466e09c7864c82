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
from tg_video_streamer.telegram.session.renewal_command import RENEW

_RENEW = f"run: {RENEW}"
_WORDS: Final[dict[type[Exception], str]] = {
    error: word for word, error in reversed(list(rpcerrorlist.rpc_errors_dict.items()))
}
"""Telethon's classes do not keep Telegram's word; its own table does."""

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
_EXPLANATIONS: Final = {
    SessionEnding.EXPIRED: ("the Telegram session has expired", _RENEW),
    SessionEnding.REVOKED: ("the Telegram session was ended from another device of the account", _RENEW),
    SessionEnding.UNREGISTERED: ("Telegram no longer counts this session as logged in", _RENEW),
    SessionEnding.DUPLICATED: (
        "another host uses the same SESSION_STRING at the same time, so Telegram ended it for both",
        f"give each host a session of its own, stop the other one, then {_RENEW}",
    ),
    SessionEnding.INVALID: ("Telegram calls the session's key invalid", _RENEW),
    SessionEnding.DEACTIVATED: ("the Telegram account was deleted", f"log in with another account; {_RENEW}"),
    SessionEnding.BANNED: (
        "the Telegram account was banned",
        "write to recover@telegram.org, or log in with another account",
    ),
    SessionEnding.KEY_UNKNOWN: ("Telegram does not know the session's key (-404)", _RENEW),
    SessionEnding.GARBAGE: ("SESSION_STRING cannot be read", _RENEW),
    SessionEnding.WRONG_API: (
        "Telegram does not accept API_ID and API_HASH",
        "copy both again from https://my.telegram.org/apps",
    ),
}
_REMEDIES: Final = {
    "CHAT_ADMIN_REQUIRED": "make the account an administrator of the chat, with the right to manage live streams",
    "CHANNEL_PRIVATE": "the account is no member of the chat; let it join, or correct CHAT_ID",
    "CHAT_FORBIDDEN": "the account may not enter the chat; let it join, or correct CHAT_ID",
    "CHAT_WRITE_FORBIDDEN": "the account may not act in the chat; give it the rights there",
    "USERNAME_NOT_OCCUPIED": "no one has this name; correct CHAT_ID",
    "USERNAME_INVALID": "this is no name that Telegram has; correct CHAT_ID",
    "INVITE_HASH_EXPIRED": "the invite link is no longer valid; make a new one and put it in CHAT_ID",
    "INVITE_HASH_INVALID": "this is no invite link; copy it again into CHAT_ID",
    "PEER_ID_INVALID": "Telegram knows no such chat; correct CHAT_ID",
}


def session_ended(ending: SessionEnding) -> SessionEnded:
    """The error for an ended session, with its remedy."""
    what, remedy = _EXPLANATIONS[ending]
    return SessionEnded(what, ending=ending, remedy=remedy)


def telegrams_word(error: errors.RPCError) -> str:
    """Telegram's word for an error, such as SESSION_EXPIRED."""
    return _WORDS.get(type(error)) or str(error.message or "UNKNOWN").upper()


def translated(error: BaseException) -> StreamerError:
    """The project's error for one of Telethon's, or of the network's; anything else is a defect and raised as it is."""
    if isinstance(error, StreamerError):
        return error
    if isinstance(error, errors.RPCError):
        return _refusal(error)
    if isinstance(error, (errors.AuthKeyNotFound, errors.InvalidBufferError)):
        return _transport(error)
    if isinstance(error, (OSError, TimeoutError, EOFError, errors.SecurityError, errors.TypeNotFoundError)):
        return SessionUnreachable(f"Telegram cannot be reached ({type(error).__name__})")
    if isinstance(error, (struct.error, BufferError)):
        return SessionUnreachable("Telegram sent something that cannot be read")
    if type(error).__module__.startswith("python_socks"):
        # Loaded only where SOCKS5 is used, and its errors are no OSErrors.
        return SessionUnreachable("the proxy does not let us through", remedy="check TELEGRAM_PROXY")
    raise error


def _transport(error: errors.AuthKeyNotFound | errors.InvalidBufferError) -> StreamerError:
    """Four bytes instead of a message: a code of the transport's (https://core.telegram.org/mtproto/mtproto-transports)."""
    if isinstance(error, errors.AuthKeyNotFound) or error.code == 404:
        return session_ended(SessionEnding.KEY_UNKNOWN)
    return SessionUnreachable(f"Telegram's transport refused the connection ({error.code})", seconds=30.0)


def _refusal(error: errors.RPCError) -> StreamerError:
    seconds = getattr(error, "seconds", None)
    if isinstance(error, errors.FloodError) and seconds:
        return SessionUnreachable(f"Telegram asks to wait {seconds} s (FLOOD_WAIT)", seconds=float(seconds))
    word = telegrams_word(error)
    if word in _ENDINGS:
        return session_ended(_ENDINGS[word])
    if isinstance(error, (errors.UnauthorizedError, errors.AuthKeyError)):
        return session_ended(SessionEnding.UNREGISTERED)
    if isinstance(error, (errors.ServerError, errors.TimedOutError)):
        return SessionUnreachable(f"Telegram has trouble of its own ({word})")
    return TelegramRefused(f"Telegram refused: {word}", word=word, remedy=_REMEDIES.get(word, ""))

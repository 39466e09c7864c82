"""The boundary to Telegram: turns everything that its library, its servers and the network raise into our errors.

Each request goes through `Account.invoke` (a login's through `LoginConnection`), and both await Telethon in
`deadline.within`, which raises what `translated` returns: a StreamerError for every Exception. An answer is read inside
`with reading("phone.getGroupCall"):` (or a function decorated with it), so that an unexpected constructor is an
AnswerUnreadable and not a traceback. No other module imports or catches Telethon's errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, Final

from telethon import errors
from telethon.errors import rpcerrorlist

from tg_video_streamer.errors import (
    AnswerUnreadable,
    FloodWait,
    MessageRefused,
    SessionEnded,
    SessionEnding,
    SessionRestricted,
    SessionUnreachable,
    StreamerError,
    TelegramRefused,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.session.renewal_command import RENEW

DOUBT_SECONDS = 10.0
"""How long to wait before an account is tried again that was refused once: odd answers pass."""
RESTRICTED_SECONDS = 300.0
"""How long to wait after each further refusal, and for a frozen account, where Telegram names no time."""
UNNAMED_WAIT_SECONDS = 60.0
"""How long to wait after a 420 that names no time."""
TRANSPORT_SECONDS = 30.0
"""How long to wait after a refusal of the transport's."""

_WORDS: Final[dict[type[Exception], str]] = {
    error: word for word, error in reversed(list(rpcerrorlist.rpc_errors_dict.items()))
}
"""Telegram's word for each of Telethon's classes, which do not store it."""
_PATTERNS: Final[dict[type[Exception], str]] = {error: pattern for pattern, error in rpcerrorlist.rpc_errors_re}
"""The same for words with a number in them."""
_NUMBERED = re.compile(r"^(INPUT_(?:METHOD|CONSTRUCTOR|FETCH)_[A-Z_]+?)(?:_[0-9A-F]+)*$")
"""Words that name the offending constructor behind them."""

_ENDINGS: Final = {
    "AUTH_KEY_UNREGISTERED": SessionEnding.UNREGISTERED,
    "AUTH_KEY_INVALID": SessionEnding.INVALID,
    "SESSION_REVOKED": SessionEnding.REVOKED,
    "SESSION_EXPIRED": SessionEnding.EXPIRED,
    "USER_DEACTIVATED": SessionEnding.DEACTIVATED,
    "USER_DEACTIVATED_BAN": SessionEnding.BANNED,
    "AUTH_KEY_DUPLICATED": SessionEnding.DUPLICATED,
}
"""What https://core.telegram.org/api/errors calls the end of a session; every other 401 and 406 means what it says."""
_CLOCK: Final = frozenset({16, 17, 20})
"""bad_msg_notification: the number of the message, which is the time, is too low, too high or too old."""
_APPLICATION: Final = frozenset({"API_ID_INVALID", "API_ID_PUBLISHED_FLOOD", "CONNECTION_API_ID_INVALID"})
_FROZEN: Final = "FROZEN_METHOD_INVALID"
_NEVER_HERE: Final = frozenset({"UNKNOWN_METHOD", "RANDOM_ID_DUPLICATE"})
"""Faults of the server (500) that the same request meets again: refusals."""

_NETWORK: Final = (
    OSError,
    TimeoutError,
    EOFError,
    errors.SecurityError,
    errors.InvalidChecksumError,
    errors.ReadCancelledError,
)


def session_ended(ending: SessionEnding) -> SessionEnded:
    """The error for an ended session, with its remedy."""
    key = f"session_ended.{ending}"
    remedy = Message.find(f"{key}.remedy", command=RENEW) or Message.of("run_command", command=RENEW)
    return SessionEnded(Message.of(key), ending=ending, remedy=remedy)


def telegrams_word(error: errors.RPCError) -> str:
    """Telegram's word for an error, such as SESSION_EXPIRED or FILE_MIGRATE_4."""
    number = next((value for name, value in vars(error).items() if name != "code" and type(value) is int and value), 0)
    if number and (pattern := _PATTERNS.get(type(error))) is not None:
        return pattern.replace(r"(\d+)", str(number))
    word = _WORDS.get(type(error)) or str(error.message or "UNKNOWN").upper()
    return _NUMBERED.sub(r"\1", word)


def method_of(request: Any) -> str:
    """The name of a request as Telegram documents it, such as phone.getGroupCall."""
    while (inner := getattr(request, "query", None)) is not None:
        request = inner
    kind = type(request)
    name = kind.__name__.removesuffix("Request")
    area = kind.__module__.rpartition(".")[2]
    name = name[:1].lower() + name[1:]
    return name if area == "functions" else f"{area}.{name}"


def translated(error: BaseException) -> StreamerError:
    """Our error for any Exception; what is none (a cancellation) is raised unchanged."""
    if isinstance(error, StreamerError):
        return error
    if not isinstance(error, Exception):
        raise error
    if isinstance(error, errors.RPCError):
        return _refusal(error)
    if isinstance(error, errors.BadMessageError):
        return message_refused(error.code)
    if isinstance(error, (errors.AuthKeyNotFound, errors.InvalidBufferError)):
        return _transport(error)
    return _failure(error)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise AnswerUnreadable for whatever reading the answer to `what` raises, but for our own errors."""
    try:
        yield
    except StreamerError:
        raise
    except Exception as error:
        raise AnswerUnreadable.of("telegram.unreadable_answer", method=what, detail=_described(error)) from error


def answer_to_login(error: StreamerError) -> StreamerError:
    """What an error means while a session is opened or made: some refusals are of API_ID and API_HASH."""
    if isinstance(error, TelegramRefused) and error.word in _APPLICATION:
        return session_ended(SessionEnding.WRONG_API)
    return error


def answer_to_state(error: StreamerError) -> StreamerError:
    """What an error means as the answer to updates.getState, which says whether the session works.

    A refusal, or a request to wait, restricts the account: the session stays, and is asked again slowly.
    """
    error = answer_to_login(error)
    if isinstance(error, TelegramRefused):
        return _restricted(error.word)
    if isinstance(error, FloodWait):
        what = Message.of("telegram.restricted_wait", problem=error.message)
        return SessionRestricted(what, word="FLOOD_WAIT", seconds=error.seconds)
    return error


def message_refused(code: int, *, corrected: bool = False) -> MessageRefused:
    """Telegram did not take a message, for the reason `code` (bad_msg_notification, 16 to 64)."""
    what = Message.of("telegram.bad_clock" if code in _CLOCK else "telegram.bad_message", code=code)
    return MessageRefused(what, corrected=corrected)


def _restricted(word: str) -> SessionRestricted:
    remedy = Message.find(f"restricted.{word.lower()}") or Message.of("telegram.restricted.remedy")
    what = Message.of("telegram.restricted", word=word)
    seconds = RESTRICTED_SECONDS if word == _FROZEN else DOUBT_SECONDS
    return SessionRestricted(what, word=word, seconds=seconds, lasting_seconds=RESTRICTED_SECONDS, remedy=remedy)


def _described(error: Exception) -> str:
    """The kind of an error and where it arose, without its text, which may hold a piece of the answer."""
    name, last = type(error).__name__, error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return name if last is None else f"{name}, {PurePath(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}"


def _transport(error: errors.AuthKeyNotFound | errors.InvalidBufferError) -> StreamerError:
    """Four bytes instead of a message: a code of the transport's (https://core.telegram.org/mtproto/mtproto-transports)."""
    if isinstance(error, errors.AuthKeyNotFound) or error.code == 404:
        return session_ended(SessionEnding.KEY_UNKNOWN)
    if error.code is None:
        return SessionUnreachable.of("telegram.unreachable", detail=type(error).__name__)
    return SessionUnreachable(Message.of("telegram.transport", code=error.code), seconds=TRANSPORT_SECONDS)


def _failure(error: Exception) -> StreamerError:
    """Of the network, of the encryption, or of the reading of what came."""
    if isinstance(error, _NETWORK):
        return SessionUnreachable.of("telegram.unreachable", detail=type(error).__name__)
    if type(error).__module__.startswith("python_socks"):
        # Loaded only where SOCKS5 is used, and its errors are no OSErrors.
        return SessionUnreachable.of("telegram.proxy")
    return AnswerUnreadable.of("telegram.unreadable", detail=_described(error))


def _refusal(error: errors.RPCError) -> StreamerError:
    word = telegrams_word(error)
    if word in _ENDINGS:
        return session_ended(_ENDINGS[word])
    if word == _FROZEN:
        return _restricted(word)
    if isinstance(error, errors.FloodError):
        seconds = float(getattr(error, "seconds", UNNAMED_WAIT_SECONDS) or 1)
        return FloodWait(Message.of("telegram.wait", seconds=round(seconds)), seconds=seconds)
    if isinstance(error, (errors.ServerError, errors.TimedOutError)) and word not in _NEVER_HERE:
        return SessionUnreachable.of("telegram.fault", word=word)
    remedy = Message.find(f"refusal.{word.lower()}") or ""
    return TelegramRefused(Message.of("telegram.refused", word=word), word=word, remedy=remedy)

"""The boundary to Telegram: nothing that its library, its servers or the network raise passes it untranslated."""

from __future__ import annotations

import ast
import asyncio
import importlib
import sqlite3
import struct
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
from telethon import errors
from telethon.errors import rpc_message_to_error, rpcerrorlist
from telethon.tl.functions import InvokeWithLayerRequest, InvokeWithoutUpdatesRequest, PingRequest
from telethon.tl.functions.updates import GetStateRequest
from telethon.tl.tlobject import TLRequest
from telethon.tl.types import RpcError

import tg_video_streamer
from tg_video_streamer.errors import (
    AnswerUnreadable,
    ConfigError,
    FloodWait,
    MessageRefused,
    SessionEnded,
    SessionRestricted,
    SessionUnreachable,
    StreamerError,
    TelegramRefused,
)
from tg_video_streamer.telegram.client.boundary import answer_to_state, method_of, reading, translated

PACKAGE = Path(tg_video_streamer.__file__).parent
BOUNDARY = PACKAGE / "telegram" / "client" / "boundary.py"


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    """Those that name Telethon, parsed."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "telethon" in (text := path.read_text()):
            yield path, ast.parse(text)


def _imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Each import: the module, and the name under which it is used."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{one.name}", one.asname or one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.name, one.asname or one.name) for one in node.names)


def _caught(module: ast.Module) -> Iterator[str]:
    """The first name of everything that is caught."""
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            for one in node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]:
                yield ast.unparse(one).partition(".")[0]


def test_no_other_module_knows_telethons_errors() -> None:
    """Telethon's errors are imported and caught in one module alone."""
    for path, module in _modules():
        used = [(name, alias) for name, alias in _imported(module) if name.partition(".")[0] == "telethon"]
        assert path == BOUNDARY or not [name for name, _ in used if "errors" in name.split(".")], path
        assert not {alias for _, alias in used} & set(_caught(module)), path
        assert not used or "telegram" in path.relative_to(PACKAGE).parts, f"{path} imports Telethon"


def _methods() -> list[TLRequest]:
    """One request of each method that the program calls, without its arguments: errors name the kind only."""
    names = set()
    for path, module in _modules():
        if "telegram" in path.relative_to(PACKAGE).parts:
            names |= {name for name, _ in _imported(module) if name.endswith("Request")}
            for node in ast.walk(module):
                if isinstance(node, ast.Attribute) and node.attr.endswith("Request"):
                    names.add(f"telethon.tl.{ast.unparse(node)}")
    found = [name.rpartition(".") for name in sorted(names)]
    kinds = [
        getattr(importlib.import_module(module), kind) for module, _, kind in found if module != "telethon.tl.tlobject"
    ]
    return [kind.__new__(kind) for kind in kinds if kind is not TLRequest]


METHODS = _methods()
CODES = {"InvalidDCError": 303, "BadRequestError": 400, "UnauthorizedError": 401, "ForbiddenError": 403}
CODES |= {"NotFoundError": 404, "AuthKeyError": 406, "FloodError": 420, "ServerError": 500, "TimedOutError": -503}


def _answers() -> Iterator[tuple[int, str]]:
    """Every error that Telethon knows, with its code, and unknown words of each code."""
    for word, kind in rpcerrorlist.rpc_errors_dict.items():
        yield CODES[kind.__mro__[1].__name__], word
    for pattern, kind in rpcerrorlist.rpc_errors_re:
        yield CODES[kind.__mro__[1].__name__], pattern.replace(r"(\d+)", "3")
    for code in (*CODES.values(), -500, 500, 444):
        yield code, "A_WORD_OF_NEXT_YEAR"
    # What Telegram answers with 406, 401 and 420 and Telethon does not know, or knows under another code.
    yield from (
        (401, "AUTH_KEY_PERM_EMPTY"),
        (406, "TOPIC_CLOSED"),
        (406, "CHANNEL_PRIVATE"),
        (406, "ALLOW_PAYMENT_REQUIRED"),
    )
    yield from ((406, "FROZEN_METHOD_INVALID"), (406, "CHAT_FORWARDS_RESTRICTED"), (420, "P0NY_FLOODWAIT"))


ENDS = {
    "AUTH_KEY_UNREGISTERED",
    "AUTH_KEY_INVALID",
    "SESSION_REVOKED",
    "SESSION_EXPIRED",
    "USER_DEACTIVATED",
    "USER_DEACTIVATED_BAN",
    "AUTH_KEY_DUPLICATED",
}
"""As https://core.telegram.org/api/errors documents them."""
OF_THE_APPLICATION = {"API_ID_INVALID", "API_ID_PUBLISHED_FLOOD", "CONNECTION_API_ID_INVALID"}


class Outcome(StrEnum):
    """What an answer leads to."""

    ENDED = "the session has ended: degraded mode"
    RESTRICTED = "the account is restricted: what is on air stays, it is asked again slowly"
    WAITED_FOR = "the method is not sent before the time that Telegram named"
    RETRIED = "tried again at the pace of the part that asked"
    TOLD = "reported with Telegram's word; the session stays valid"


def _outcome(error: StreamerError) -> Outcome:
    kinds = {
        SessionEnded: Outcome.ENDED,
        SessionRestricted: Outcome.RESTRICTED,
        FloodWait: Outcome.WAITED_FOR,
        SessionUnreachable: Outcome.RETRIED,
        TelegramRefused: Outcome.TOLD,
    }
    return next(outcome for kind, outcome in kinds.items() if isinstance(error, kind))


def _expected(code: int, word: str) -> Outcome:
    if word in ENDS:
        return Outcome.ENDED
    if word == "FROZEN_METHOD_INVALID":
        return Outcome.RESTRICTED
    if code == 420:
        return Outcome.WAITED_FOR
    if abs(code) in {500, 503} and word not in {"UNKNOWN_METHOD", "RANDOM_ID_DUPLICATE"}:
        return Outcome.RETRIED
    return Outcome.TOLD


def test_each_error_of_each_method_has_its_outcome() -> None:
    """Each error that Telegram can answer to each method that we call leads to one stated outcome, with words for people."""
    assert len(METHODS) > 30
    answers = list(_answers())
    assert len(answers) > 530
    for code, word in answers:
        expected = _expected(code, word)
        for method in METHODS:
            error = translated(rpc_message_to_error(RpcError(code, word), method))
            assert _outcome(error) is expected, (code, word, method_of(method))
        if isinstance(error, SessionUnreachable):
            assert error.seconds >= 1 or expected is Outcome.RETRIED, word
        if isinstance(error, TelegramRefused):
            assert error.word.removeprefix("_") in {word, word.upper()}, word
        assert word.upper().partition("_3")[0] in str(error) or error.remedy or expected is Outcome.WAITED_FOR, word


def test_each_error_of_getstate_has_its_outcome() -> None:
    """A refused updates.getState, or a wait for it, restricts the account; it ends no session that Telegram has not ended."""
    for code, word in _answers():
        error = answer_to_state(translated(rpc_message_to_error(RpcError(code, word), GetStateRequest())))
        expected = _expected(code, word)
        if word in OF_THE_APPLICATION:
            expected = Outcome.ENDED
        elif expected in {Outcome.TOLD, Outcome.WAITED_FOR}:
            expected = Outcome.RESTRICTED
        assert _outcome(error) is expected, (code, word)
        if isinstance(error, SessionRestricted):
            assert error.seconds >= (1 if code == 420 else 10), word
            assert error.after(error).seconds >= (1 if code == 420 else 300), word
            assert error.remedy or code == 420, word


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *(
            (errors.BadMessageError(None, code), MessageRefused)
            for code in (16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64, 99)
        ),
        (errors.TypeNotFoundError(0xDEADBEEF, b"secret"), AnswerUnreadable),
        (errors.AuthKeyNotFound(), SessionEnded),
        (errors.InvalidBufferError(struct.pack("<i", -404)), SessionEnded),
        (errors.InvalidBufferError(struct.pack("<i", -429)), SessionUnreachable),
        (errors.InvalidBufferError(struct.pack("<i", -444)), SessionUnreachable),
        (errors.InvalidBufferError(b"ab"), SessionUnreachable),
        (errors.SecurityError("secret"), SessionUnreachable),
        (errors.CdnFileTamperedError(), SessionUnreachable),
        (errors.InvalidChecksumError(1, 2), SessionUnreachable),
        (errors.ReadCancelledError(), SessionUnreachable),
        (
            errors.MultiError([ValueError("secret"), None], [None, None], [PingRequest(1), PingRequest(2)]),
            AnswerUnreadable,
        ),
        (ConnectionResetError(), SessionUnreachable),
        (ConnectionError("secret"), SessionUnreachable),
        (asyncio.IncompleteReadError(b"secret", 9), SessionUnreachable),
        (TimeoutError(), SessionUnreachable),
        (OSError(101, "secret"), SessionUnreachable),
        (struct.error("secret"), AnswerUnreadable),
        (BufferError("secret"), AnswerUnreadable),
        (AttributeError("secret"), AnswerUnreadable),
        (TypeError("secret"), AnswerUnreadable),
        (ValueError("secret"), AnswerUnreadable),
        (KeyError("secret"), AnswerUnreadable),
        (AssertionError("secret"), AnswerUnreadable),
        (RuntimeError("secret"), AnswerUnreadable),
        (RecursionError("secret"), AnswerUnreadable),
        (sqlite3.OperationalError("secret"), AnswerUnreadable),
        (ConfigError(["mine"]), ConfigError),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, Exception) else "",
)
def test_each_error_of_the_library_and_the_network_has_its_own(error: Exception, kind: type[StreamerError]) -> None:
    """Whatever Telethon, MTProto or a socket raises is one of our errors, and its text holds nothing of what was sent."""
    made = translated(error)
    assert type(made) is kind
    assert "secret" not in str(made)


def test_a_cancellation_stays_one() -> None:
    """What is no Exception passes unchanged."""
    with pytest.raises(asyncio.CancelledError):
        translated(asyncio.CancelledError())


def test_an_answer_of_another_kind_is_named() -> None:
    """An answer that cannot be read is an error of ours that names the method and the place; our own errors pass."""
    with (
        pytest.raises(AnswerUnreadable, match=r"phone\.getGroupCall .*AttributeError, test_boundary\.py"),
        reading("phone.getGroupCall"),
    ):
        _ = object().call  # type: ignore[attr-defined]
    with pytest.raises(ConfigError), reading("phone.getGroupCall"):
        raise ConfigError(["mine"])


def test_methods_have_their_documented_names() -> None:
    """A request is named as Telegram documents it, whatever wraps it."""
    assert method_of(GetStateRequest()) == "updates.getState"
    assert method_of(PingRequest(1)) == "ping"
    assert method_of(InvokeWithLayerRequest(1, InvokeWithoutUpdatesRequest(GetStateRequest()))) == "updates.getState"

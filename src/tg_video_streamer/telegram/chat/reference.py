"""CHAT_ID read: `@name`, a t.me link, an invite link or an id of any size, as plain data; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tg_video_streamer.errors import ConfigError

_CHANNEL_BASE = 1_000_000_000_000
_LARGEST_CHANNEL = 997_852_516_352
"""Of marked ids, as https://core.telegram.org/api/bots/ids has them: -100… is a sum, not a prefix."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
_INVITE = re.compile(r"[A-Za-z0-9_-]{10,64}")
_HOSTS = frozenset({"t.me", "www.t.me", "telegram.me", "www.telegram.me", "telegram.dog"})
_FORMS = "write @name, a t.me link, an invite link, or the id, which begins with -100 for channels and large groups"


class ReferenceKind(StrEnum):
    """How a reference names its chat."""

    NAME = "name"
    INVITE = "invite"
    CHANNEL = "channel"
    """The bare id of a channel or supergroup."""
    GROUP = "group"
    """The bare id of a basic group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatReference:
    """The chat that CHAT_ID names; an invite hash admits anyone, so the text stays out of `repr`."""

    kind: ReferenceKind
    text: str = field(repr=False)
    """Name in lower case, hash, or digits."""

    @property
    def number(self) -> int:
        """The bare id, of the kinds that are one."""
        return int(self.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """A chat that was found; `access_hash` is the account's own and 0 for a basic group (`small`)."""

    id: int
    access_hash: int = field(repr=False)
    small: bool
    title: str

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the state file."""
        return {"id": self.id, "access_hash": self.access_hash, "small": self.small, "title": self.title}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Chat:
        """What `as_json` gave; raises KeyError, TypeError, ValueError for anything else."""
        return cls(
            id=int(saved["id"]),
            access_hash=int(saved["access_hash"]),
            small=bool(saved["small"]),
            title=str(saved["title"]),
        )


def parse_chat_reference(text: str) -> ChatReference:
    """Read CHAT_ID; raises ConfigError with one line that does not repeat it."""
    text = text.strip()
    if re.fullmatch(r"[+-]?\d{1,20}", text):
        return _from_number(int(text))
    if text.startswith("@"):
        return _named(text[1:])
    if text.startswith("tg:"):
        return _from_app_link(text)
    if "/" in text:
        return _from_link(text)
    raise _unreadable()


def _unreadable(what: str = "this names no chat") -> ConfigError:
    return ConfigError([f"CHAT_ID: {what}; {_FORMS}"])


def _from_number(number: int) -> ChatReference:
    if number >= 0:
        raise _unreadable("a positive number is a person")
    channel = -number - _CHANNEL_BASE
    if channel > _LARGEST_CHANNEL or channel == 0:
        raise _unreadable("no chat has such an id")
    if channel > 0:
        return ChatReference(kind=ReferenceKind.CHANNEL, text=str(channel))
    return ChatReference(kind=ReferenceKind.GROUP, text=str(-number))


def _named(name: str) -> ChatReference:
    if not _NAME.fullmatch(name):
        raise _unreadable("this is no name that a chat can have")
    return ChatReference(kind=ReferenceKind.NAME, text=name.lower())


def _invited(digest: str) -> ChatReference:
    if not _INVITE.fullmatch(digest):
        raise _unreadable("the invite link is not whole")
    return ChatReference(kind=ReferenceKind.INVITE, text=digest)


def _from_app_link(text: str) -> ChatReference:
    """tg://resolve?domain=NAME, tg://join?invite=HASH."""
    try:
        parts = urlsplit(text)
        query = parse_qs(parts.query)
    except ValueError:
        raise _unreadable() from None
    action = parts.netloc or parts.path.strip("/")
    if action == "resolve" and "domain" in query:
        return _named(query["domain"][0])
    if action == "join" and "invite" in query:
        return _invited(query["invite"][0])
    raise _unreadable()


def _from_link(text: str) -> ChatReference:
    """t.me/NAME, t.me/+HASH, t.me/joinchat/HASH, t.me/c/ID/POST, with or without https://."""
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = (parts.hostname or "").lower()
    except ValueError:
        raise _unreadable() from None
    path = [part for part in parts.path.split("/") if part]
    if host.endswith(".t.me") and host not in _HOSTS:
        return _named(host.removesuffix(".t.me"))
    if parts.scheme not in {"http", "https"} or host not in _HOSTS or not path:
        raise _unreadable()
    first, rest = path[0], path[1:]
    if first.startswith("+"):
        return _invited(first[1:])
    if first == "joinchat" and rest:
        return _invited(rest[0])
    if first in {"c", "s"} and rest:
        if first == "s":
            return _named(rest[0])
        if re.fullmatch(r"\d{1,12}", rest[0]):
            return _from_number(-_CHANNEL_BASE - int(rest[0]))
        raise _unreadable()
    return _named(first)

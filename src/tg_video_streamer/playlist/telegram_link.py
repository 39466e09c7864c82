"""Links to Telegram: one message or a whole chat, read from a playlist line as plain data; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from urllib.parse import parse_qsl, urlsplit

from tg_video_streamer.errors import PlaylistError

CHAT_SCHEME = "tg-chat"
_HOSTS = frozenset({"t.me", "www.t.me", "telegram.me", "www.telegram.me", "telegram.dog"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
_CHANNEL = re.compile(r"[1-9]\d{0,11}")
_MESSAGE = re.compile(r"[1-9]\d{0,9}")
_MARKED = re.compile(r"-[1-9]\d{0,14}")
CHANNEL_BASE = 1_000_000_000_000
_OTHER_LINKS = frozenset(
    [
        "joinchat",
        "addstickers",
        "addemoji",
        "addtheme",
        "addlist",
        "proxy",
        "socks",
        "share",
        "iv",
        "login",
        "confirmphone",
        "setlanguage",
        "bg",
        "invoice",
        "giftcode",
        "boost",
        "contact",
        "nft",
        "auction",
        "call",
    ]
)
"""First words of links that lead to no message."""


class ChatOrder(StrEnum):
    """The order in which the media of a whole chat play."""

    OLDEST = "oldest"
    NEWEST = "newest"
    SHUFFLE = "shuffle"


@dataclass(frozen=True, kw_only=True, slots=True)
class TelegramLink:
    """A message of a chat, or the whole chat."""

    chat: str
    """Its name in lower case, or its id as the Bot API marks it: -100… for channels, negative for small groups."""
    message: int = 0
    """0: the whole chat."""
    single: bool = False
    """Only this message, not the album that it belongs to."""

    @property
    def channel_id(self) -> int:
        """The bare id of a channel or large group that has no name here; else 0."""
        return max(0, -int(self.chat) - CHANNEL_BASE) if self.chat.startswith("-") else 0

    @property
    def locator(self) -> str:
        """The same link in its one canonical form."""
        if not self.message:
            return f"{CHAT_SCHEME}:{self.chat}"
        single = "?single" if self.single else ""
        if self.channel_id:
            return f"https://t.me/c/{self.channel_id}/{self.message}{single}"
        if self.chat.startswith("-"):
            return f"{CHAT_SCHEME}:{self.chat}/{self.message}{single}"
        return f"https://t.me/{self.chat}/{self.message}{single}"


def leads_to_telegram(url: str) -> bool:
    """Whether a well-formed http(s) URL is one of Telegram's own links."""
    host = (urlsplit(url).hostname or "").lower()
    return host in _HOSTS or host.endswith(".t.me")


def parse_telegram_link(locator: str) -> TelegramLink:
    """Read `https://t.me/…` or `tg-chat:…`; raises PlaylistError with a remedy for what names no message and no chat."""
    parts = urlsplit(locator)
    path = [part for part in parts.path.split("/") if part]
    single = "single" in dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme.lower() == CHAT_SCHEME:
        chat, rest = (path[0], path[1:]) if path else ("", [])
        return _link(_chat(chat.removeprefix("@")), rest, single=single)
    host = (parts.hostname or "").lower()
    if host not in _HOSTS:
        return _link(_chat(host.removesuffix(".t.me")), path, single=single)
    first, rest = (path[0], path[1:]) if path else ("", [])
    if first == "c" and rest and _CHANNEL.fullmatch(rest[0]):
        return _link(str(-CHANNEL_BASE - int(rest[0])), rest[1:], single=single)
    if first == "s" and rest:
        return _link(_chat(rest[0]), rest[1:], single=single)
    if first.startswith("+") or first == "joinchat":
        raise PlaylistError.of("line.telegram_invite")
    if first.lower() in _OTHER_LINKS:
        raise PlaylistError.of("line.telegram")
    return _link(_chat(first), rest, single=single)


def parse_since(text: str) -> str:
    """A day as `2026-01-01`; raises ValueError for anything else."""
    return date.fromisoformat(text).isoformat() if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else _no_day(text)


def _no_day(text: str) -> str:
    raise ValueError(text)


def _chat(text: str) -> str:
    if _NAME.fullmatch(text):
        return text.lower()
    if _MARKED.fullmatch(text):
        return text
    raise PlaylistError.of("line.telegram")


def _link(chat: str, rest: list[str], *, single: bool) -> TelegramLink:
    """`rest`: nothing, the message, or the topic and the message."""
    if len(rest) > 2 or not all(_MESSAGE.fullmatch(part) for part in rest):
        raise PlaylistError.of("line.telegram")
    return TelegramLink(chat=chat, message=int(rest[-1]) if rest else 0, single=single and bool(rest))

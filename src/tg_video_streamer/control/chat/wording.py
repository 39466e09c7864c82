"""What is understood in the chat, and in which words it is answered; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tg_video_streamer.control import status_text
from tg_video_streamer.control.commands import CommandRequest, make_request
from tg_video_streamer.control.socket.protocol import items_from_json, status_from_json
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.line import MAX_LINE_CHARACTERS

LONGEST_ANSWER = 3500
"""Characters; Telegram takes 4096 (https://core.telegram.org/method/messages.sendMessage)."""
PUBLIC_COMMANDS = frozenset({"now", "next"})
"""What everybody may ask where CHAT_PUBLIC is set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatCommand:
    """`/name words`, known to us."""

    name: str
    words: str = ""


_PLAIN: Mapping[str, str] = {
    "now": "status",
    "next": "status",
    "status": "status",
    "queue": "queue_list",
    "skip": "skip",
    "pause": "pause",
    "resume": "resume",
}
COMMANDS = (*_PLAIN, "add", "slate")


def read_command(text: str) -> ChatCommand | None:
    """The command that a message is; None for everything else, and for what is meant for a bot (`/now@some_bot`)."""
    if not text.startswith("/"):
        return None
    name, _, words = text[1:].partition(" ")
    if name.lower() not in COMMANDS:
        return None
    return ChatCommand(name=name.lower(), words=words.strip())


def request_of(command: ChatCommand) -> CommandRequest:
    """The command of the service that a chat command stands for. Raises ControlError where the words are none that the command takes."""
    if command.name == "slate":
        if command.words.lower() not in {"on", "off"}:
            raise ControlError.of("refused.slate")
        return make_request("slate", {"on": command.words.lower() == "on"})
    if command.name == "add":
        return make_request("queue_add", {"line": f"{link_of(command)} | public=1"})
    return make_request(_PLAIN[command.name], {})


def link_of(command: ChatCommand) -> str:
    """The http(s) link of `/add`. Raises ControlError for anything else: a path of the host is nobody's business here."""
    link = command.words
    try:
        parts = urlsplit(link)
        good = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or len(link) > MAX_LINE_CHARACTERS // 2 or len(link.split()) != 1 or "|" in link:
        raise ControlError.of("refused.link")
    return link


def answer_text(command: ChatCommand, answer: Any) -> str:
    """What the chat is told, from the command's answer as JSON values; never a URL that may be signed."""
    if command.name == "queue":
        items = items_from_json(answer)
        text = "\n".join(f"{number}. {status_text.item_text(item)}" for number, item in enumerate(items, start=1))
        return _fitting(text or "The queue is empty.")
    if _PLAIN.get(command.name) != "status":
        return _fitting(status_text.printable(Message.from_json(answer).text))
    status = status_from_json(answer)
    if command.name == "now":
        return _fitting(status_text.now_text(status))
    if command.name == "next":
        return _fitting(next_text(status) or "Nothing comes next.")
    return _fitting("\n".join(_state_lines(status)))


def guide_text(status: ServiceStatus) -> str:
    """The pinned program guide: what is on, and what comes next. No minute in it, so that it changes with the items only."""
    now = status_text.item_text(status.now) if status.now is not None and status.level == "item" else "a short break"
    coming = next_text(status)
    return _fitting(f"On air: {now}" + (f"\n\nNext:\n{coming}" if coming else ""))


def next_text(status: ServiceStatus) -> str:
    """The next items, one a line; empty where there are none."""
    return "\n".join(
        f"{number}. {status_text.item_text(item)}" for number, item in enumerate(status.next_items, start=1)
    )


def _state_lines(status: ServiceStatus) -> list[str]:
    """As `tg-video-streamer status`, without the lines that may name files and hosts."""
    return [
        status_text.status_line(status),
        *(f"output {one.name}: {status_text.state_text(one.state)}" for one in status.outputs),
        *([text] if (text := status_text.telegram_text(status)) else []),
    ]


def _fitting(text: str) -> str:
    return text if len(text) <= LONGEST_ANSWER else f"{text[: LONGEST_ANSWER - 1]}…"

"""Parses commands of the chat and writes the replies; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tg_video_streamer.control.commands import CommandRequest, make_request
from tg_video_streamer.control.socket.protocol import items_from_json, status_from_json
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.control.status_text import StatusText
from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.line import MAX_LINE_CHARACTERS

LONGEST_ANSWER = 3500
"""Characters; Telegram takes 4096 (https://core.telegram.org/method/messages.sendMessage)."""
PUBLIC_COMMANDS = frozenset({"now", "next"})
"""Allowed for every member if CHAT_PUBLIC is set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatCommand:
    """A known command, `/name words`."""

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
    "take": "take",
}
COMMANDS = (*_PLAIN, "add", "seek", "slate")


def read_command(text: str) -> ChatCommand | None:
    """The command in a message; None for other texts, and for commands to a bot (`/now@some_bot`)."""
    if not text.startswith("/"):
        return None
    name, _, words = text[1:].partition(" ")
    if name.lower() not in COMMANDS:
        return None
    return ChatCommand(name=name.lower(), words=words.strip())


def request_of(command: ChatCommand, *, line: str = "") -> CommandRequest:
    """The service's command for a chat command. Raises ControlError for wrong arguments.

    `line`: of the file in the message that `/add` replies to.
    """
    if command.name == "slate":
        if command.words.lower() not in {"on", "off"}:
            raise ControlError.of("refused.slate")
        return make_request("slate", {"on": command.words.lower() == "on"})
    if command.name == "seek":
        return make_request("seek", {"to": command.words})
    if command.name == "add":
        return make_request("queue_add", {"line": f"{line or link_of(command)} | public=1"})
    return make_request(_PLAIN[command.name], {})


def file_line(link: str, title: str) -> str:
    """The playlist line of a file in the chat; nothing in its title becomes an option of the line."""
    plain = DisplayText(title.replace("|", " "))
    return f"{link} | title={plain}" if plain else link


def link_of(command: ChatCommand) -> str:
    """The http(s) link of `/add`. Raises ControlError for anything else: the chat may not name paths of the host."""
    link = command.words
    try:
        parts = urlsplit(link)
        good = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or len(link) > MAX_LINE_CHARACTERS // 2 or len(link.split()) != 1 or "|" in link:
        raise ControlError.of("refused.link")
    return link


def answer_text(command: ChatCommand, answer: Any, text: StatusText) -> str:
    """The reply in the chat, from the command's answer as JSON; never a URL that may be signed."""
    words = text.words
    if command.name == "queue":
        return _fitting(text.numbered(items_from_json(answer)) or words.text("status.queue_empty"))
    if _PLAIN.get(command.name) != "status":
        return _fitting(text.message(Message.from_json(answer)))
    status = status_from_json(answer)
    if command.name == "now":
        return _fitting(text.now(status))
    if command.name == "next":
        return _fitting(text.numbered(status.next_items) or words.text("status.nothing_next"))
    return _fitting("\n".join(_state_lines(status, text)))


def guide_text(status: ServiceStatus, text: StatusText) -> str:
    """The pinned program guide: what is on air and what is next, without a position, so that only the items change it."""
    words = text.words
    on_item = status.now is not None and status.level == "item"
    now = text.item(status.now) if on_item and status.now is not None else words.text("guide.break")
    coming = text.numbered(status.next_items)
    return _fitting(
        words.text("guide.on_air", now=now) + (f"\n\n{words.text('guide.next')}\n{coming}" if coming else "")
    )


def _state_lines(status: ServiceStatus, text: StatusText) -> list[str]:
    """As `tg-video-streamer status`, without the lines that may name files and hosts."""
    outputs = (f"{one.name}: {text.output_state(one)}" for one in status.outputs)
    return [
        text.line(status),
        *(text.words.text("status.line_output", text=output) for output in outputs),
        *([text.telegram(status)] if status.session_state else []),
    ]


def _fitting(text: str) -> str:
    return text if len(text) <= LONGEST_ANSWER else f"{text[: LONGEST_ANSWER - 1]}…"

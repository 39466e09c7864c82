"""Runs the session commands: log in, write the session, show the account, choose a chat."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Coroutine
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.locate import settings_file
from tg_video_streamer.cli.prompt import Terminal
from tg_video_streamer.cli.session_targets import InFile, OnServer, SessionTarget, write_session
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.envfile.read import EnvFile, read_env_file
from tg_video_streamer.envfile.write import update_env
from tg_video_streamer.errors import ConfigError, ControlError, SessionEnded
from tg_video_streamer.locales.message import Message
from tg_video_streamer.logs import configure_logs
from tg_video_streamer.telegram.chat.list_chats import streamable_chats
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.client.session_string import masked, read_session_string
from tg_video_streamer.telegram.session.login import logged_in
from tg_video_streamer.telegram.session.remote_env import Server
from tg_video_streamer.telegram.session.show import LEFT_OVER, describe, fetch_account

Made = TypeVar("Made")
_API_ID, _API_HASH = "API_ID", "API_HASH"
_USED = (
    "API_ID",
    "API_HASH",
    "SESSION_STRING",
    "SESSION_STRING_SPARE",
    "TELEGRAM_PROXY",
    "TELEGRAM_SERVER",
    "TELEGRAM_SERVER_KEY",
)


@dataclass(kw_only=True)
class LoginSettings:
    """The few settings that a login needs: an error elsewhere in the file does not stop it."""

    path: Path
    values: dict[str, str] = field(repr=False)
    asked: dict[str, str] = field(default_factory=dict, repr=False)
    """What the user entered, to be written as well."""

    def credentials(self, session: str) -> Credentials:
        """For Telegram; raises ConfigError."""
        key = self.values.get("TELEGRAM_SERVER_KEY", "")
        key_file = self.path.resolve().parent / Path(key).expanduser() if key else None
        if key_file is not None and not key_file.is_file():
            raise ConfigError([f"TELEGRAM_SERVER_KEY: {key_file} is not there"])
        return Credentials(
            api_id=int(self.values[_API_ID]),
            api_hash=self.values[_API_HASH],
            session=session,
            proxy=self.values.get("TELEGRAM_PROXY", ""),
            server=self.values.get("TELEGRAM_SERVER", ""),
            server_key=key_file,
        )


def login_settings(env_file: Path | None) -> LoginSettings:
    """The file over the environment, as the service reads it; a missing file counts as empty."""
    path = settings_file(env_file) or Path(".env")
    found = read_env_file(path) if path.exists() else EnvFile(values={}, lines={}, problems=(), warnings=())
    if found.problems and not found.values:
        raise ConfigError(list(found.problems))
    values = {key: os.environ[key] for key in _USED if key in os.environ} | found.values
    return LoginSettings(path=path, values=values)


def run(settings: LoginSettings, work: Coroutine[Any, Any, Made]) -> Made:
    """Run it; everything but the result goes to stderr, masked. Ctrl-C is an error like others."""
    secrets = [
        settings.values[key] for key in _USED if key not in {_API_ID, "TELEGRAM_SERVER"} and settings.values.get(key)
    ]
    try:
        with redirect_stdout(sys.stderr):
            # The error that ends the command is reported once, and not in the log as well.
            configure_logs(secrets=secrets, level=logging.CRITICAL)
            return asyncio.run(work)
    except KeyboardInterrupt:
        raise ControlError.of("session_error.stopped") from None


async def log_in(
    settings: LoginSettings, key: str, *, qr: bool, write: bool, server: Server | None
) -> tuple[str, list[str]]:
    """Log in and write the session; returns the string, and the lines to print where it was written."""
    terminal = Terminal()
    places: list[SessionTarget] = [OnServer(server, terminal)] if server is not None else []
    places += [InFile(settings.path, terminal)] if write else []
    for place in places:  # before the user enters anything
        await place.write({})
    await _complete(settings, terminal)
    async with logged_in(settings.credentials(""), terminal, clock=SystemClock(), qr=qr) as made:
        name = made.name or Message.of("session.unnamed")
        terminal.inform(Message.of("session.logged_in", name=name, data_center=made.data_center))
        _same_account(settings, key, made.user_id)
        failure = await write_session(places, settings.asked | {key: made.string}, terminal)
    if failure is not None:
        raise failure
    if places and _was_session(old := settings.values.get(key, "")) and old != made.string:
        terminal.inform(Message.of("session.old_one", session=masked(old), remedy=LEFT_OVER))
    return made.string, [f"{key}={masked(made.string)}"] if places else []


def _was_session(string: str) -> bool:
    try:
        read_session_string(string)
    except SessionEnded:
        return False
    return True


def _same_account(settings: LoginSettings, key: str, user_id: int) -> None:
    """A spare of another account would never be used; not every session format names its account."""
    if key != "SESSION_STRING_SPARE" or not settings.values.get("SESSION_STRING"):
        return
    try:
        owner = read_session_string(settings.values["SESSION_STRING"]).user_id
    except SessionEnded:
        return  # an unreadable session has no owner
    if owner not in {0, user_id}:
        raise ControlError.of("session_error.other_account")


async def _complete(settings: LoginSettings, terminal: Terminal) -> None:
    """Ask for API_ID and API_HASH if they are missing or invalid."""
    wrong: Message | None = None
    while not re.fullmatch(r"[1-9][0-9]{0,9}", settings.values.get(_API_ID, "")):
        typed = await terminal.setting(words.text("prompt.api_id"), wrong)
        settings.values[_API_ID] = settings.asked[_API_ID] = typed
        wrong = Message.of("prompt.number")
    wrong = None
    while not re.fullmatch(r"[0-9a-fA-F]{32}", settings.values.get(_API_HASH, "")):
        typed = await terminal.setting(words.text("prompt.api_hash"), wrong, hidden=True)
        settings.values[_API_HASH] = settings.asked[_API_HASH] = typed
        wrong = Message.of("prompt.api_hash_digits")


async def show(settings: LoginSettings, key: str) -> list[str]:
    """The lines about the session in `key`; raises SessionError, ConfigError."""
    account = await _connected(settings, key)
    try:
        seen = await fetch_account(account)
    finally:
        await account.close()
    return [
        f"{key}={masked(settings.values[key])}",
        *(printable(words.message_text(line)) for line in describe(seen, SystemClock().wall())),
    ]


async def pick_chat(settings: LoginSettings) -> list[str]:
    """List, ask and write; returns the written line, or without a terminal the list."""
    terminal = Terminal()
    account = await _connected(settings, "SESSION_STRING")
    try:
        found = await streamable_chats(account)
    finally:
        await account.close()
    if not found:
        raise ControlError.of("session_error.no_chat")
    kinds = (words.state_text("chat_kind", chat.kind) for chat in found)
    rows = [
        f"{chat.chat_id:<16} {kind:<13} {printable(chat.title)} {chat.name}".rstrip()
        for chat, kind in zip(found, kinds, strict=True)
    ]
    if not sys.stdin.isatty():
        return rows
    for number, row in enumerate(rows, start=1):
        terminal.inform(f"{number:3}  {row}")
    wrong: Message | None = None
    while typed := await terminal.setting(words.text("prompt.chat"), wrong):
        if typed.isascii() and typed.isdecimal() and 1 <= int(typed) <= len(found):
            chosen = str(found[int(typed) - 1].chat_id)
            update_env(settings.path, {"CHAT_ID": chosen}, tell=terminal.inform)
            return [f"CHAT_ID={chosen}"]
        wrong = Message.of("prompt.number_up_to", most=len(found))
    return []


async def _connected(settings: LoginSettings, key: str) -> Account:
    """The account of a session in the settings; raises SessionError, ConfigError."""
    if not settings.values.get(key):
        flag = " --spare" if key.endswith("SPARE") else ""
        raise ConfigError([f"{key} is empty; run: tg-video-streamer session login{flag} --write-env"])
    await _complete(settings, Terminal())
    clock = SystemClock()
    account = Account(
        settings.credentials(settings.values[key]),
        clock=clock,
        limiter=ConnectionLimiter(clock),
        ended=lambda _ending: None,  # the waiting request reports the same
    )
    await account.connect()
    return account

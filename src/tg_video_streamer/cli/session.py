"""The commands about the Telegram session: `session login`, `renew`, `show`, `chats`."""

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
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tg_video_streamer.cli.keeping import InFile, OnServer, Place, keep
from tg_video_streamer.cli.place import EnvFileOption, settings_file
from tg_video_streamer.cli.prompting import Terminal
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.envfile import EnvFile, read_env_file
from tg_video_streamer.envwrite import update_env
from tg_video_streamer.errors import ConfigError, ControlError, SessionEnded

if TYPE_CHECKING:
    from tg_video_streamer.telegram.account import Account
    from tg_video_streamer.telegram.credentials import Credentials
    from tg_video_streamer.telegram.remote import Server

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
_QrOption = Annotated[bool, typer.Option("--qr", help="Draw a QR code to scan with the phone, instead of a code.")]
_SpareOption = Annotated[bool, typer.Option("--spare", help="Make SESSION_STRING_SPARE, of the same account.")]
_WriteOption = Annotated[bool, typer.Option("--write-env", help="Write it to the settings file; it is not shown then.")]
_HostOption = Annotated[str, typer.Option("--remote-host", metavar="HOST", help="Write it on this server, over ssh.")]
_UserOption = Annotated[str, typer.Option("--remote-user", metavar="USER", help="Whom ssh logs in as there.")]
_PathOption = Annotated[
    str, typer.Option("--remote-path", metavar="PATH", help="The settings file there, or its folder.")
]
_ConfigOption = Annotated[
    Path | None, typer.Option("--remote-ssh-config", metavar="FILE", help="A configuration file for ssh (-F).")
]


@dataclass(kw_only=True)
class _Settings:
    """The few settings that a login needs: wrong ones elsewhere in the file do not hinder it."""

    path: Path
    values: dict[str, str] = field(repr=False)
    asked: dict[str, str] = field(default_factory=dict, repr=False)
    """What the person was asked for, to be written too."""

    def credentials(self, session: str) -> Credentials:
        """For Telegram; raises ConfigError."""
        from tg_video_streamer.telegram.credentials import Credentials  # noqa: PLC0415 - Telegram only when asked for

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


def _settings(env_file: Path | None) -> _Settings:
    """The file over the environment, as the service reads it; a file that is not there yet is an empty one."""
    path = settings_file(env_file) or Path(".env")
    found = read_env_file(path) if path.exists() else EnvFile(values={}, lines={}, problems=(), warnings=())
    if found.problems and not found.values:
        raise ConfigError(list(found.problems))
    values = {key: os.environ[key] for key in _USED if key in os.environ} | found.values
    return _Settings(path=path, values=values)


def login(
    env_file: EnvFileOption = None,
    *,
    qr: _QrOption = False,
    spare: _SpareOption = False,
    write_env: _WriteOption = False,
    remote_host: _HostOption = "",
    remote_user: _UserOption = "",
    remote_path: _PathOption = "",
    remote_ssh_config: _ConfigOption = None,
) -> int:
    """Log in to Telegram; without --write-env and --remote-host the session string is printed, once."""
    from tg_video_streamer.telegram.remote import DEFAULT_PATH, Server  # noqa: PLC0415 - Telegram only when asked for

    if not remote_host and (remote_user or remote_path or remote_ssh_config):
        raise typer.BadParameter("it needs --remote-host", param_hint="--remote-…")
    path = remote_path or DEFAULT_PATH
    server = Server(host=remote_host, user=remote_user, path=path, ssh_config=remote_ssh_config)
    settings = _settings(env_file)
    key = "SESSION_STRING_SPARE" if spare else "SESSION_STRING"
    work = _log_in(settings, key, qr=qr, write=write_env, server=server if remote_host else None)
    string, lines = _run(settings, work)
    for line in lines or [string]:
        typer.echo(line)
    return 0


async def _log_in(
    settings: _Settings, key: str, *, qr: bool, write: bool, server: Server | None
) -> tuple[str, list[str]]:
    """Log in, keep the session where it is wanted; the string, and what is said of it where it was kept."""
    from tg_video_streamer.telegram.formats import masked  # noqa: PLC0415 - Telegram only when asked for
    from tg_video_streamer.telegram.login import logged_in  # noqa: PLC0415 - the same

    terminal = Terminal()
    places: list[Place] = [OnServer(server, terminal)] if server is not None else []
    places += [InFile(settings.path, terminal)] if write else []
    for place in places:  # before the person has any trouble
        await place.write({})
    await _complete(settings, terminal)
    async with logged_in(settings.credentials(""), terminal, clock=SystemClock(), qr=qr) as made:
        terminal.tell(f"Logged in as {made.name or 'an account without a name'} (data centre {made.data_centre}).")
        _same_account(settings, key, made.user_id)
        failure = await keep(places, settings.asked | {key: made.string}, terminal)
    if failure is not None:
        raise failure
    return made.string, [f"{key}={masked(made.string)}"] if places else []


def _same_account(settings: _Settings, key: str, user_id: int) -> None:
    """A spare of another account would never be used; not every format of a session says whose it is."""
    from tg_video_streamer.telegram.formats import read_session_string  # noqa: PLC0415 - Telegram only when asked for

    if key != "SESSION_STRING_SPARE" or not settings.values.get("SESSION_STRING"):
        return
    try:
        owner = read_session_string(settings.values["SESSION_STRING"]).user_id
    except SessionEnded:
        return  # a session that cannot be read belongs to nobody
    if owner not in {0, user_id}:
        raise ControlError("this is another account than that of SESSION_STRING", remedy="log in with the same one")


async def _complete(settings: _Settings, terminal: Terminal) -> None:
    """Ask for API_ID and API_HASH where they are missing or cannot be right."""
    wrong = ""
    while not re.fullmatch(r"[1-9][0-9]{0,9}", settings.values.get(_API_ID, "")):
        typed = await terminal.setting("API_ID, from https://my.telegram.org/apps", wrong)
        settings.values[_API_ID] = settings.asked[_API_ID] = typed
        wrong = "it is a number"
    wrong = ""
    while not re.fullmatch(r"[0-9a-fA-F]{32}", settings.values.get(_API_HASH, "")):
        typed = await terminal.setting("API_HASH, from the same page", wrong, hidden=True)
        settings.values[_API_HASH] = settings.asked[_API_HASH] = typed
        wrong = "it has 32 hexadecimal digits"


def show(
    env_file: EnvFileOption = None, *, spare: Annotated[bool, typer.Option("--spare", help="The spare.")] = False
) -> int:
    """Say whose the session is and how old; on the host that uses it, since two hosts end a session."""
    settings = _settings(env_file)
    for line in _run(settings, _show(settings, "SESSION_STRING_SPARE" if spare else "SESSION_STRING")):
        typer.echo(line)
    return 0


async def _show(settings: _Settings, key: str) -> list[str]:
    from tg_video_streamer.telegram.formats import masked  # noqa: PLC0415 - Telegram only when asked for
    from tg_video_streamer.telegram.show import look_at, wording  # noqa: PLC0415 - the same

    account = await _connected(settings, key)
    try:
        seen = await look_at(account)
    finally:
        await account.close()
    return [f"{key}={masked(settings.values[key])}", *wording(seen, SystemClock().wall())]


def chats(env_file: EnvFileOption = None) -> int:
    """List the chats where the account may stream; in a terminal, write one of them as CHAT_ID."""
    settings = _settings(env_file)
    written = _run(settings, _chats(settings))
    if written:
        typer.echo(written)
    return 0


async def _chats(settings: _Settings) -> str:
    """Lists, asks and writes; what was written."""
    from tg_video_streamer.telegram.chats import streamable_chats  # noqa: PLC0415 - Telegram only when asked for

    terminal = Terminal()
    account = await _connected(settings, "SESSION_STRING")
    try:
        found = await streamable_chats(account)
    finally:
        await account.close()
    if not found:
        raise ControlError(
            "the account may start a live stream in none of its chats",
            remedy="make it an administrator that may manage live streams",
        )
    for number, chat in enumerate(found, start=1):
        terminal.tell(f"{number:3}  {chat.chat_id:<16} {chat.kind:<12} {chat.title} {chat.name}".rstrip())
    if not sys.stdin.isatty():
        return ""
    wrong = ""
    while typed := await terminal.setting("Number to write as CHAT_ID (Enter: none)", wrong):
        if typed.isascii() and typed.isdecimal() and 1 <= int(typed) <= len(found):
            chosen = str(found[int(typed) - 1].chat_id)
            await asyncio.to_thread(update_env, settings.path, {"CHAT_ID": chosen}, tell=terminal.tell)
            return f"CHAT_ID={chosen}"
        wrong = f"it is a number from 1 to {len(found)}"
    return ""


async def _connected(settings: _Settings, key: str) -> Account:
    """The account of a session in the settings; raises SessionError, ConfigError."""
    from tg_video_streamer.telegram.account import Account  # noqa: PLC0415 - Telegram only when asked for
    from tg_video_streamer.telegram.limiter import ConnectionLimiter  # noqa: PLC0415 - the same

    if not settings.values.get(key):
        flag = " --spare" if key.endswith("SPARE") else ""
        raise ConfigError([f"{key} is empty; run: tg-video-streamer session login{flag} --write-env"])
    await _complete(settings, Terminal())
    clock = SystemClock()
    account = Account(
        settings.credentials(settings.values[key]),
        clock=clock,
        limiter=ConnectionLimiter(clock),
        ended=lambda _ending: None,  # the request that is waiting says the same
    )
    await account.connect()
    return account


def _run(settings: _Settings, work: Coroutine[Any, Any, Made]) -> Made:
    """Run it with everything but its result on stderr, masked; Ctrl-C is an error like others."""
    from tg_video_streamer.logs import configure_logs  # noqa: PLC0415 - the other commands do without

    secrets = [
        settings.values[key] for key in _USED if key not in {_API_ID, "TELEGRAM_SERVER"} and settings.values.get(key)
    ]
    try:
        with redirect_stdout(sys.stderr):
            # The error that ends the command is told once, and not by the log as well.
            configure_logs(secrets=secrets, level=logging.CRITICAL)
            return asyncio.run(work)
    except KeyboardInterrupt:
        raise ControlError("stopped, and nothing was written") from None


def add_commands(application: typer.Typer) -> None:
    """Put this module's commands on the command line."""
    session = typer.Typer(help="The login of the streaming account.", rich_markup_mode=None)
    session.command("login")(login)
    session.command("renew", help="The same as login: the new session takes the place of the old one.")(login)
    session.command("show")(show)
    session.command("chats")(chats)
    application.add_typer(session, name="session")

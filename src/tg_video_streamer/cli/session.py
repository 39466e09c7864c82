"""The commands `session login`, `renew`, `show` and `chats`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tg_video_streamer.cli.locate import EnvFileOption

_QrOption = Annotated[bool, typer.Option("--qr", help="Log in by scanning a QR code with the phone.")]
_SpareOption = Annotated[bool, typer.Option("--spare", help="Create SESSION_STRING_SPARE for the same account.")]
_WriteOption = Annotated[
    bool, typer.Option("--write-env", help="Write the session to the settings file instead of printing it.")
]
_HostOption = Annotated[
    str, typer.Option("--remote-host", metavar="HOST", help="Write the session on this server, over ssh.")
]
_UserOption = Annotated[str, typer.Option("--remote-user", metavar="USER", help="The ssh user on the server.")]
_PathOption = Annotated[
    str, typer.Option("--remote-path", metavar="PATH", help="The settings file on the server, or its folder.")
]
_ConfigOption = Annotated[
    Path | None, typer.Option("--remote-ssh-config", metavar="FILE", help="A configuration file for ssh (-F).")
]


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
    """Log in to Telegram and print the session string once, or write it with --write-env or --remote-host."""
    from tg_video_streamer.cli import session_work as work  # noqa: PLC0415 - Telegram's libraries: not for the other commands
    from tg_video_streamer.telegram.session.remote_env import DEFAULT_PATH, Server  # noqa: PLC0415 - the same

    if not remote_host and (remote_user or remote_path or remote_ssh_config):
        raise typer.BadParameter("it needs --remote-host", param_hint="--remote-…")
    path = remote_path or DEFAULT_PATH
    server = Server(host=remote_host, user=remote_user, path=path, ssh_config=remote_ssh_config)
    settings = work.login_settings(env_file)
    key = "SESSION_STRING_SPARE" if spare else "SESSION_STRING"
    string, lines = work.run(
        settings, work.log_in(settings, key, qr=qr, write=write_env, server=server if remote_host else None)
    )
    for line in lines or [string]:
        typer.echo(line)
    return 0


def show(
    env_file: EnvFileOption = None,
    *,
    spare: Annotated[bool, typer.Option("--spare", help="Show the spare session.")] = False,
) -> int:
    """Show account and age of the session; run it on the host that uses it, since two hosts end a session."""
    from tg_video_streamer.cli import session_work as work  # noqa: PLC0415 - Telegram's libraries: not for the other commands

    settings = work.login_settings(env_file)
    for line in work.run(settings, work.show(settings, "SESSION_STRING_SPARE" if spare else "SESSION_STRING")):
        typer.echo(line)
    return 0


def chats(env_file: EnvFileOption = None) -> int:
    """List the chats where the account may stream; in a terminal, choose one as CHAT_ID."""
    from tg_video_streamer.cli import session_work as work  # noqa: PLC0415 - Telegram's libraries: not for the other commands

    settings = work.login_settings(env_file)
    for line in work.run(settings, work.pick_chat(settings)):
        typer.echo(line)
    return 0


def add_commands(application: typer.Typer) -> None:
    """Add the commands of this module."""
    session = typer.Typer(help="The Telegram session of the streaming account.", rich_markup_mode=None)
    session.command("login")(login)
    session.command("renew", help="The same as login: the new session replaces the old one.")(login)
    session.command("show")(show)
    session.command("chats")(chats)
    application.add_typer(session, name="session")

"""The command `token`."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from tg_video_streamer.cli.locate import EnvFileOption, settings_file, state_dir
from tg_video_streamer.envfile.read import read_env_file
from tg_video_streamer.errors import ControlError
from tg_video_streamer.web.auth.tokens import FILE_NAME, read_token


def token(env_file: EnvFileOption = None) -> int:
    """Show the operator's token for the page and the API; run it as the service's user or root."""
    typer.echo(_set(settings_file(env_file)) or _created(state_dir(settings_file(env_file), os.environ)))
    return 0


def _set(env_file: Path | None) -> str:
    """WEB_TOKEN; empty where it is not set. The file overrides the environment, even with an empty value."""
    found = read_env_file(env_file).values if env_file is not None else {}
    return found.get("WEB_TOKEN", os.environ.get("WEB_TOKEN", "")).strip()


def _created(folder: Path) -> str:
    """The token that the service created. Raises ControlError."""
    path = folder / FILE_NAME
    try:
        token = read_token(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ControlError.of("token.none", folder=str(folder)) from error
    except PermissionError as error:
        raise ControlError.of("token.other_user", path=str(path)) from error
    except OSError as error:
        raise ControlError.of("token.unreadable", path=str(path), detail=str(error.strerror)) from error
    if not token:
        raise ControlError.of("token.empty", path=str(path))
    return token


def add_commands(application: typer.Typer) -> None:
    """Add the command of this module."""
    application.command()(token)

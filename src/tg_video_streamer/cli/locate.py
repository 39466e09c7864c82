"""Finds the settings file of a command, and the STATE_DIR of the service with those settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tg_video_streamer.envfile.read import read_env_file
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.state_dir import default_state_dir

EnvFileOption = Annotated[
    Path | None,
    typer.Option(
        "--env-file", metavar="FILE", help="Settings file; default: .env in this folder, else the environment."
    ),
]


def settings_file(given: Path | None) -> Path | None:
    """The given file, else `.env` in the current folder if it exists, else none."""
    if given is not None:
        return given
    here = Path(".env")
    return here if here.exists() else None


def state_dir(env_file: Path | None, environment: Mapping[str, str]) -> Path:
    """STATE_DIR as `load_settings` finds it, without the rest: a wrong setting elsewhere stops no client.

    Loading all settings would take most of a client's time. Raises ConfigError where `env_file` cannot be
    read at all.
    """
    value = environment.get("STATE_DIR", "")
    if env_file is not None:
        found = read_env_file(env_file)
        if found.problems and not found.values:
            raise ConfigError(list(found.problems))
        value = found.values.get("STATE_DIR", value)
    home = Path(environment["HOME"]) if environment.get("HOME") else Path.home()
    path = Path(value) if value.strip() else default_state_dir(environment, env_file)
    if path.parts[:1] == ("~",):
        path = home.joinpath(*path.parts[1:])
    return (env_file.resolve().parent if env_file is not None else Path.cwd()) / path

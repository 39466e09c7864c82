"""The commands that need all the settings: `run`, `check`; and `version`, which needs none."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tg_video_streamer.cli.locate import EnvFileOption, settings_file
from tg_video_streamer.errors import ConfigError

if TYPE_CHECKING:
    from tg_video_streamer.settings.settings import LoadedSettings


def run(
    env_file: EnvFileOption = None,
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Play three built-in clips to the preview.")] = False,
    no_table: Annotated[bool, typer.Option("--no-table", help="Log lines only, also in a terminal.")] = False,
    exit_on_expired: Annotated[
        bool, typer.Option("--exit-on-expired", help="End with exit code 1 where the Telegram session has ended.")
    ] = False,
) -> int:
    """Go on air, until SIGINT (Ctrl-C) or SIGTERM."""
    loaded = load(env_file, demo=demo)
    from tg_video_streamer.app.run import run_service  # noqa: PLC0415 - everything that plays: not for the other commands

    table = not no_table and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return run_service(loaded, demo=demo, table=table, exit_on_expired=exit_on_expired)


def check(
    env_file: EnvFileOption = None,
    *,
    no_playlist: Annotated[bool, typer.Option("--no-playlist", help="Leave out what the playlist lists.")] = False,
) -> int:
    """Try the settings without going on air."""
    loaded = load(env_file, demo=False)
    from tg_video_streamer.app.run import check as find_problems  # noqa: PLC0415 - as in `run`
    from tg_video_streamer.envfile.compat import file_read_differently  # noqa: PLC0415 - only this command needs it
    from tg_video_streamer.settings.settings import KEYS  # noqa: PLC0415 - as in `load`

    for warning in (*loaded.warnings, *file_read_differently(loaded.env_file, KEYS)):
        typer.echo(f"tg-video-streamer: warning: {warning}", err=True)
    problems = find_problems(loaded, playlist=not no_playlist)
    for problem in problems:
        typer.echo(f"tg-video-streamer: {' '.join(problem.split())}", err=True)
    if not problems:
        typer.echo(
            "settings and encoder are in order" if no_playlist else "settings, playlist and encoder are in order"
        )
    return 1 if problems else 0


def version() -> int:
    """Print the version."""
    typer.echo(f"tg-video-streamer {installed_version('tg-video-streamer')}")
    return 0


def load(env_file: Path | None, *, demo: bool) -> LoadedSettings:
    """All the settings, checked. Raises ConfigError with every problem."""
    chosen = settings_file(env_file)
    if chosen is None and not demo and not os.environ.get("PLAYLIST", "").strip():
        missing = f"no .env in {Path.cwd()} and no PLAYLIST in the environment"
        remedy = "run: cp .env.template .env and edit it, or see the demo: tg-video-streamer run --demo"
        raise ConfigError([f"{missing}; {remedy}"])
    from tg_video_streamer.app.setting_checks import CHECKS  # noqa: PLC0415 - as in `run`
    from tg_video_streamer.settings.settings import load_settings  # noqa: PLC0415 - pydantic takes longer than all other commands

    return load_settings(chosen, os.environ, checks=CHECKS)


def add_commands(application: typer.Typer) -> None:
    """Put this module's commands on the command line."""
    for command in (run, check, version):
        application.command()(command)

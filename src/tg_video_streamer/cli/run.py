"""The commands `run`, `check` and `version`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.locate import EnvFileOption, settings_file
from tg_video_streamer.errors import ConfigError

if TYPE_CHECKING:
    from tg_video_streamer.settings.settings import LoadedSettings


def run(
    env_file: EnvFileOption = None,
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Play three built-in clips on the preview page.")] = False,
    no_table: Annotated[bool, typer.Option("--no-table", help="Print log lines only, no live view.")] = False,
    exit_on_expired: Annotated[
        bool, typer.Option("--exit-on-expired", help="Exit with 1 when the Telegram session has ended.")
    ] = False,
) -> int:
    """Go on air until Ctrl-C (SIGINT) or SIGTERM."""
    loaded = load(env_file, demo=demo)
    from tg_video_streamer.app.run import run_service  # noqa: PLC0415 - the whole service, which other commands do not need

    table = not no_table and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return run_service(loaded, demo=demo, table=table, exit_on_expired=exit_on_expired)


def check(
    env_file: EnvFileOption = None,
    *,
    no_playlist: Annotated[bool, typer.Option("--no-playlist", help="Do not check the playlist.")] = False,
) -> int:
    """Check settings, playlist and encoder without going on air."""
    loaded = load(env_file, demo=False)
    from tg_video_streamer.app.run import check as find_problems  # noqa: PLC0415 - as in `run`
    from tg_video_streamer.app.run import tracks  # noqa: PLC0415 - as in `run`
    from tg_video_streamer.envfile.compat import file_read_differently  # noqa: PLC0415 - only this command needs it
    from tg_video_streamer.settings.settings import KEYS  # noqa: PLC0415 - as in `load`

    for warning in (*loaded.warnings, *file_read_differently(loaded.env_file, KEYS)):
        typer.echo(f"tg-video-streamer: {words.text('cli.warning', problem=warning)}", err=True)
    problems = find_problems(loaded, playlist=not no_playlist)
    for problem in problems:
        typer.echo(f"tg-video-streamer: {' '.join(words.message_text(problem).split())}", err=True)
    for line in () if no_playlist or problems else tracks(loaded):
        typer.echo(words.message_text(line))
    if not problems:
        typer.echo(words.text("check.ok_without_playlist" if no_playlist else "check.ok"))
    return 1 if problems else 0


def version() -> int:
    """Print the version."""
    typer.echo(f"tg-video-streamer {installed_version('tg-video-streamer')}")
    return 0


def load(env_file: Path | None, *, demo: bool) -> LoadedSettings:
    """The checked settings. Raises ConfigError with every problem."""
    chosen = settings_file(env_file)
    if chosen is None and not demo and not os.environ.get("PLAYLIST", "").strip():
        missing = f"no .env in {Path.cwd()} and no PLAYLIST in the environment"
        remedy = "run: cp .env.template .env and edit it, or try the demo: tg-video-streamer run --demo"
        raise ConfigError([f"{missing}; {remedy}"])
    from tg_video_streamer.app.setting_checks import CHECKS  # noqa: PLC0415 - as in `run`
    from tg_video_streamer.settings.settings import load_settings  # noqa: PLC0415 - pydantic takes longer than all other commands

    return load_settings(chosen, os.environ, checks=CHECKS)


def add_commands(application: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (run, check, version):
        application.command()(command)

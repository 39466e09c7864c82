"""The command `worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from tg_video_streamer.cli.locate import EnvFileOption
from tg_video_streamer.errors import ConfigError


def worker(
    env_file: EnvFileOption = None,
    *,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, max=64, help="Encodes at once; 0: as many as the host can bear.")
    ] = 0,
) -> int:
    """Encode for the channels of the fleet until Ctrl-C (SIGINT) or SIGTERM."""
    from tg_video_streamer.cli.run import load  # noqa: PLC0415 - the settings, which other commands do not need

    loaded = load(env_file, demo=False)
    missing = [key for key in ("fleet", "fleet_store") if not getattr(loaded.settings, key)]
    if missing:
        raise ConfigError([f"{key.upper()}: is not set, so there is nothing to work for" for key in missing])
    from tg_video_streamer.app.worker import run_worker, usual_places  # noqa: PLC0415 - as above

    return run_worker(loaded, places=jobs or usual_places())


def add_commands(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.command()(worker)

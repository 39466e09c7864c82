"""The commands `library list`, `prepare`, `prune` and `verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from tg_video_streamer.cli.locate import EnvFileOption

MOST_AT_ONCE = 16


def list_encodes(
    env_file: EnvFileOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """List the cached encodes, the last played first."""
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - not for the other commands

    return work.show(env_file, as_json=as_json)


def prepare(
    env_file: EnvFileOption = None,
    *,
    at_once: Annotated[
        int, typer.Option("-j", "--jobs", metavar="N", min=1, max=MOST_AT_ONCE, help="Encode this many items at once.")
    ] = 1,
) -> int:
    """Encode the playlist ahead of time.

    Cached items take no time, so you can stop it and start it again; a service may be on air meanwhile.
    """
    from tg_video_streamer.cli import library_prepare as work  # noqa: PLC0415 - everything that encodes

    return work.prepare_playlist(env_file, at_once=at_once)


def prune(env_file: EnvFileOption = None) -> int:
    """Remove cached encodes until the limits are met.

    The least recently played go first. The limits are LIBRARY_MAX_GB and the reserved space on the disk.
    """
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - as above

    return work.prune(env_file)


def verify(env_file: EnvFileOption = None) -> int:
    """Read every cached encode, and remove damaged ones.

    They are encoded again at their next play.
    """
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - as above

    return work.verify(env_file)


def add_commands(application: typer.Typer) -> None:
    """Add the commands of this module."""
    library = typer.Typer(help="Cached encodes: list, prepare, prune, verify.", rich_markup_mode=None)
    library.command("list")(list_encodes)
    for command in (prepare, prune, verify):
        library.command()(command)
    application.add_typer(library, name="library")

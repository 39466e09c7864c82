"""The commands about the library of kept encodes: `library list`, `prepare`, `prune`, `verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from tg_video_streamer.cli.locate import EnvFileOption

MOST_AT_ONCE = 16


def list_copies(
    env_file: EnvFileOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as one JSON object.")] = False,
) -> int:
    """List what is kept, the last played first."""
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - not for the other commands

    return work.show(env_file, as_json=as_json)


def prepare(
    env_file: EnvFileOption = None,
    *,
    at_once: Annotated[
        int, typer.Option("-j", "--jobs", metavar="N", min=1, max=MOST_AT_ONCE, help="So many items at once.")
    ] = 1,
) -> int:
    """Encode the playlist ahead of need.

    What is kept already takes no time, so it can be stopped and started again; a service may be on air meanwhile.
    """
    from tg_video_streamer.cli import library_prepare as work  # noqa: PLC0415 - everything that encodes

    return work.prepare_playlist(env_file, at_once=at_once)


def prune(env_file: EnvFileOption = None) -> int:
    """Remove copies until the limits are kept.

    The least recently played go first; the limits are LIBRARY_MAX_GB, and the room that stays free on the disk.
    """
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - as above

    return work.prune(env_file)


def verify(env_file: EnvFileOption = None) -> int:
    """Read every copy whole, and drop damaged ones.

    They are encoded again when they play next.
    """
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - as above

    return work.verify(env_file)


def add_commands(application: typer.Typer) -> None:
    """Put this module's commands on the command line."""
    library = typer.Typer(help="Encodes that are kept, and played again for nothing.", rich_markup_mode=None)
    library.command("list")(list_copies)
    for command in (prepare, prune, verify):
        library.command()(command)
    application.add_typer(library, name="library")

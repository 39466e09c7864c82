"""The commands about the library of kept encodes: `library list`, `prepare`, `prune`, `verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from tg_video_streamer.cli.place import EnvFileOption

MOST_AT_ONCE = 16


def list_copies(
    env_file: EnvFileOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as one JSON object.")] = False,
) -> int:
    """List what is kept, the last played first, and how much room it takes."""
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - not for the other commands

    return work.show(env_file, as_json=as_json)


def prepare(
    env_file: EnvFileOption = None,
    *,
    at_once: Annotated[
        int, typer.Option("-j", "--jobs", metavar="N", min=1, max=MOST_AT_ONCE, help="So many items at once.")
    ] = 1,
) -> int:
    """Encode what the playlist lists and is not kept yet; stop it and go on at any time, beside a running service too."""
    from tg_video_streamer.cli import library_prepare as work  # noqa: PLC0415 - everything that encodes

    return work.prepare_playlist(env_file, at_once=at_once)


def prune(env_file: EnvFileOption = None) -> int:
    """Remove the least recently played copies until LIBRARY_MAX_GB and the free room on the disk are kept."""
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - as above

    return work.prune(env_file)


def verify(env_file: EnvFileOption = None) -> int:
    """Read every copy whole; what is damaged is dropped, to be encoded again."""
    from tg_video_streamer.cli import library_work as work  # noqa: PLC0415 - as above

    return work.verify(env_file)


def add_commands(application: typer.Typer) -> None:
    """Put this module's commands on the command line."""
    library = typer.Typer(help="Encodes that are kept, and played again for nothing.", rich_markup_mode=None)
    library.command("list")(list_copies)
    for command in (prepare, prune, verify):
        library.command()(command)
    application.add_typer(library, name="library")

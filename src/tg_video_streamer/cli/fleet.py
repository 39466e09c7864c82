"""The commands `fleet status`, `fleet move`, `fleet sync` and `fleet workers`."""

from __future__ import annotations

from typing import Annotated

import typer

from tg_video_streamer.cli.locate import EnvFileOption


def status(
    env_file: EnvFileOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> int:
    """List the channels and hosts of the fleet: who is on air, who stands by."""
    from tg_video_streamer.cli import fleet_work as work  # noqa: PLC0415 - NATS, not for the other commands

    return work.show(env_file, as_json=as_json)


def move(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL")],
    host: Annotated[str, typer.Argument(metavar="HOST")],
    env_file: EnvFileOption = None,
) -> int:
    """Put CHANNEL on air from HOST, which must be standing by; the host that has it now leaves the air."""
    from tg_video_streamer.cli import fleet_work as work  # noqa: PLC0415 - as above

    return work.move(env_file, channel, host)


def sync(
    env_file: EnvFileOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> int:
    """Show what differs between the hosts of this channel: playlist, schedule, settings, version; 1 if anything does."""
    from tg_video_streamer.cli import fleet_work as work  # noqa: PLC0415 - as above

    return work.sync(env_file, as_json=as_json)


def workers(
    env_file: EnvFileOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> int:
    """List the workers that answer, and what they encode."""
    from tg_video_streamer.cli import fleet_work as work  # noqa: PLC0415 - as above

    return work.workers(env_file, as_json=as_json)


def add_commands(application: typer.Typer) -> None:
    """Add the commands of this module."""
    fleet = typer.Typer(help="The hosts of a fleet.", rich_markup_mode=None)
    fleet.callback()(lambda: None)
    fleet.command("status")(status)
    fleet.command("move")(move)
    fleet.command("workers")(workers)
    fleet.command("sync")(sync)
    application.add_typer(fleet, name="fleet")

"""The commands `schedule show` and `schedule export`: days as the running service applies them, or from the file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.locate import EnvFileOption, settings_file, state_dir
from tg_video_streamer.cli.run import load
from tg_video_streamer.control.socket import client
from tg_video_streamer.control.socket.protocol import entries_from_json
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.errors import NoService
from tg_video_streamer.schedule.day import EntryKind, ScheduledEntry


def show(
    env_file: EnvFileOption = None,
    *,
    day: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The day; without it today.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> int:
    """List what is scheduled on one day, in the schedule's time zone."""
    entries = _entries(env_file, day)
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries], indent=2))
    else:
        typer.echo("\n".join(map(line_of, entries)))
    return 0


def export(
    env_file: EnvFileOption = None,
    *,
    kind: Annotated[
        str, typer.Option("--format", metavar="xmltv|ics", help="For a guide, or for a calendar.")
    ] = "xmltv",
    days: Annotated[int, typer.Option(min=1, max=60, help="How many days from today on.")] = 7,
) -> int:
    """Print the coming days as XMLTV or iCalendar."""
    from tg_video_streamer.clock import SystemClock  # noqa: PLC0415 - as below
    from tg_video_streamer.schedule.guide import icalendar, xmltv  # noqa: PLC0415 - as below

    if kind not in {"xmltv", "ics"}:
        raise typer.BadParameter(words.text("schedule.formats"))
    entries = list(_entries(env_file, ""))
    first = date.fromisoformat(entries[0].starts[:10]) if entries else datetime.now(UTC).date()
    for number in range(1, days):
        entries += _entries(env_file, str(first + timedelta(days=number)))
    channel = load(env_file, demo=False).settings.channel or "tg-video-streamer"
    now_wall = SystemClock().wall()
    content = (
        xmltv(entries, channel=channel) if kind == "xmltv" else icalendar(entries, channel=channel, now_wall=now_wall)
    )
    typer.echo(content.decode(), nl=False)
    return 0


def line_of(entry: ScheduledEntry) -> str:
    """One entry for people: `20:00 News, hard start`."""
    if entry.kind == EntryKind.STATION_ID:
        return words.text("schedule.line_station_id", minutes=f"{entry.every_minutes:g}")
    begins, ends = _clock(entry.starts), _clock(entry.ends)
    if entry.kind == EntryKind.PART:
        return f"{begins}-{ends}  {printable(entry.title)}  ({printable(entry.playlist)})"
    title = printable(entry.title)
    title = words.text("schedule.line_until", title=title, time=ends) if ends else title
    return words.text("schedule.line_hard" if entry.hard else "schedule.line_soft", time=begins, title=title)


def _clock(moment: str) -> str:
    """`20:00` out of ISO 8601, with seconds only where there are any."""
    at = moment[11:19]
    return at.removesuffix(":00") if at.count(":") == 2 else at


def _entries(env_file: Path | None, day: str) -> tuple[ScheduledEntry, ...]:
    try:
        answer = client.ask(state_dir(settings_file(env_file), os.environ), "schedule", {"day": day})
    except NoService:
        return _from_file(env_file, day)
    return entries_from_json(answer)


def _from_file(env_file: Path | None, day: str) -> tuple[ScheduledEntry, ...]:
    from tg_video_streamer.clock import SystemClock  # noqa: PLC0415 - only where no service answers
    from tg_video_streamer.schedule.day import day_view, read_day, today  # noqa: PLC0415 - the same
    from tg_video_streamer.schedule.load import ScheduleSource  # noqa: PLC0415 - the same
    from tg_video_streamer.schedule.load import load as load_schedule  # noqa: PLC0415 - the same
    from tg_video_streamer.schedule.timetable import Timetable  # noqa: PLC0415 - the same

    settings = load(env_file, demo=False).settings
    timetable = Timetable(load_schedule(ScheduleSource(path=settings.schedule, media_folders=settings.media_dirs)))
    wanted = read_day(day) if day else today(timetable, SystemClock().wall())
    return day_view(timetable, wanted, playlist=settings.playlist.name)


def add_commands(application: typer.Typer) -> None:
    """Add the commands of this module."""
    schedule = typer.Typer(help="Day parts, shows and station ids.", rich_markup_mode=None)
    schedule.callback()(lambda: None)
    schedule.command("show")(show)
    schedule.command("export")(export)
    application.add_typer(schedule, name="schedule")

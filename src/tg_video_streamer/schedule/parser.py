"""Parses `schedule.toml` into a Schedule, or lists every problem with its line; pure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tg_video_streamer.errors import PlaylistError, ScheduleError
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.schedule.schedule import EVERY_DAY, FILL_SECONDS, Daypart, Schedule, Show, StationId
from tg_video_streamer.schedule.schedule import UTC as UTC_ZONE
from tg_video_streamer.schedule.timetable import MIDNIGHT, instant_of

MAX_FILL_SECONDS = 3600.0
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_YEARS = range(2000, 2200)
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*(\w+)[ \t]*\]\]", re.MULTILINE)
_DAYS_FORMAT = 'must be a list of days such as ["mon", "fri"]'
_AT_FORMAT = 'must be a time such as 2026-03-29T20:00:00, or "20:00" for every day'


def parse(text: str, *, base: str, allowed: AllowedFolders) -> Schedule:
    """The schedule; `base` is the absolute folder of relative paths, `allowed` the folders for single items.

    An empty text is an empty schedule. Raises ScheduleError with a line for each problem.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScheduleError([_syntax(str(error))]) from None
    except RecursionError:
        raise ScheduleError(["is nested too deep; it needs no more than tables with values"]) from None
    parser = _Parser(values, text, base, allowed)
    schedule = parser.schedule()
    if parser.problems:
        raise ScheduleError(parser.problems)
    return schedule


class _Parser:
    """One pass over the tables; continues after each problem."""

    def __init__(self, values: dict[str, Any], text: str, base: str, allowed: AllowedFolders) -> None:
        self.problems: list[str] = []
        self._top = Table(values, "", self.problems)
        self._lines = {name: list(_header_lines(text, name)) for name in ("part", "show")}
        self._base = base
        self._allowed = allowed
        self._zone: ZoneInfo | None = None

    def schedule(self) -> Schedule:
        """Everything that is valid."""
        self._zone = self._zone_of(self._top)
        parts = tuple(filter(None, map(self._part, self._tables("part"))))
        shows = tuple(filter(None, map(self._show, self._tables("show"))))
        fill_seconds = self._top.number("fill_seconds", least=0, most=MAX_FILL_SECONDS)
        station_id = self._station_id()
        self._top.finish()
        zones = [part.zone for part in parts] + [show.zone for show in shows]
        return Schedule(
            zone=self._zone or next(iter(zones), UTC_ZONE),
            parts=parts,
            shows=shows,
            station_id=station_id,
            fill_seconds=FILL_SECONDS if fill_seconds is None else fill_seconds,
        )

    def _tables(self, name: str) -> list[Table]:
        found = self._top.tables(name)
        lines = self._lines[name]
        for number, values in enumerate(found, start=1):
            title = values.values.get("title")
            called = f" ({title})" if isinstance(title, str) and title.isprintable() else ""
            # A header inside a multi-line text is counted too: then no line is given.
            line = f"line {lines[number - 1]}: " if len(lines) == len(found) else ""
            values.place = f"{line}{name} {number}{called}: "
        return found

    def _part(self, table: Table) -> Daypart | None:
        title = table.text("title")
        days = self._days(table)
        begins, ends = self._time(table, "from"), self._time(table, "to", may_be_midnight=True)
        zone = self._zone_for(table)
        playlist = table.text("playlist", needed="the file with its list")
        table.finish()
        whole_day = table.values.get("to") == "24:00"
        if begins is not None and begins == ends and not whole_day:
            table.problem("to", 'is the same as from; a whole day is from = "00:00", to = "24:00"')
        if begins is None or ends is None or zone is None or not playlist or not days:
            return None
        path = Path(self._base, playlist)
        return Daypart(title=title or path.stem, days=days, begins=begins, ends=ends, zone=zone, playlist=path)

    def _show(self, table: Table) -> Show | None:
        title = table.text("title")
        start = table.text("start") or "soft"
        if start not in {"soft", "hard"}:
            table.problem("start", 'must be "hard" (at its second) or "soft" (when the item on air has ended)')
        zone = self._zone_for(table)
        days = self._days(table)
        when = self._when(table)
        item = self._item(table, "item", table.text("item", needed="what is played, a line as in the playlist"), title)
        table.finish()
        if isinstance(when, datetime) and "days" in table.values:
            table.problem("days", 'are only for a time of every day, such as at = "20:00"')
        if when is None or item is None or zone is None or not days:
            return None
        name = item.title or _name(item)
        if isinstance(when, time):
            return Show(title=name, item=item, hard=start == "hard", zone=zone, days=days, at=when)
        local = when.tzinfo is None
        instant = instant_of(when.date(), when.time(), zone) if local else when.astimezone(UTC)
        return Show(title=name, item=item, hard=start == "hard", zone=zone, instant=instant)

    def _station_id(self) -> StationId | None:
        table = self._top.table("station_id")
        if table is None:
            return None
        minutes = table.number("every_minutes", least=1, most=24 * 60, needed=True)
        lines = table.texts("items", needed="a list of what is played, in turn")
        items = [self._item(table, f"items {number}", line) for number, line in enumerate(lines, start=1)]
        table.finish()
        whole = tuple(item for item in items if item is not None)
        return StationId(every_seconds=minutes * 60, items=whole) if minutes is not None and whole else None

    # Values

    def _zone_of(self, table: Table) -> ZoneInfo | None:
        name = table.text("time_zone")
        if not name:
            return None
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, LookupError):
            table.problem("time_zone", f"'{name[:40]}' is not a time zone; write it as Europe/Berlin or UTC")
            return UTC_ZONE

    def _zone_for(self, table: Table) -> ZoneInfo | None:
        zone = self._zone_of(table) or self._zone
        if zone is None:
            table.problem("time_zone", 'is missing, here and at the top of the file; write time_zone = "Europe/Berlin"')
        return zone

    def _days(self, table: Table) -> frozenset[int]:
        """The days; empty where they are wrong."""
        if "days" not in table.values:
            return EVERY_DAY
        names = table.texts("days", needed="a list of days")
        days = set()
        for name in names:
            found = [at for at, day in enumerate(_WEEKDAYS) if len(name) >= 3 and day.startswith(name.lower())]
            if not found:
                table.problem("days", f"'{name[:20]}' is not a day; it {_DAYS_FORMAT}")
                return frozenset()
            days.add(found[0])
        return frozenset(days)

    def _time(self, table: Table, key: str, *, may_be_midnight: bool = False) -> time | None:
        value = table.take(key)
        if value is None:
            table.problem(key, 'is missing; write a time such as "06:00"')
        elif may_be_midnight and value == "24:00":
            return MIDNIGHT
        elif (found := _time_of_day(value)) is not None:
            return found
        else:
            table.problem(key, 'must be a time such as "06:00"')
        return None

    def _when(self, table: Table) -> datetime | time | None:
        """The value of `at`; None where it is wrong."""
        value = table.take("at")
        found = _moment(value)
        if found is None:
            table.problem("at", _AT_FORMAT if value is not None else f"is missing; it {_AT_FORMAT}")
        elif isinstance(found, datetime) and found.year not in _YEARS:
            table.problem("at", f"the year must be from {_YEARS.start} to {_YEARS.stop - 1}")
            return None
        return found

    def _item(self, table: Table, key: str, line: str, title: str = "") -> Item | None:
        if not line:
            return None
        if "\n" in line or line.lstrip().startswith("#"):
            table.problem(key, "is no line of a playlist; write one path or URL")
            return None
        try:
            return parse_line(line, base=self._base, allowed=self._allowed, title=title)
        except PlaylistError as error:
            table.problem(key, str(error))
            return None


def _name(item: Item) -> str:
    """For people: the file's name or the URL's host; the URL itself may be signed."""
    if item.kind is LocatorKind.FILE:
        return Path(item.locator).name
    if item.kind is LocatorKind.TELEGRAM:
        return item.locator.removeprefix("https://")
    return urlsplit(item.locator).hostname or item.key


def _syntax(message: str) -> str:
    """The message of tomllib, after its line."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", message, re.DOTALL)
    if found is None:
        return f"is not TOML: {message}"
    return f"line {found[2]}: {found[1]}" if found[2] else f"the end of the file: {found[1]}"


def _header_lines(text: str, name: str) -> Iterator[int]:
    for found in _HEADER.finditer(text):
        if found[1] == name:
            yield text.count("\n", 0, found.start()) + 1


def _moment(value: object) -> datetime | time | None:
    """The value of `at`; None where it is no time."""
    if isinstance(value, datetime):
        return value
    if (at := _time_of_day(value)) is not None:
        return at
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return None


def _time_of_day(value: object) -> time | None:
    if isinstance(value, time):
        return value
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", value, re.ASCII)):
        hours, minutes, seconds = (int(piece or 0) for piece in found.groups())
        if hours < 24 and minutes < 60 and seconds < 60:
            return time(hours, minutes, seconds)
    return None


class Table:
    """Values taken by key; `finish` then reports the keys that were not taken."""

    def __init__(self, values: dict[str, Any], place: str, problems: list[str]) -> None:
        """Each problem starts with `place` and is appended to `problems`."""
        self.values = values
        self.place = place
        self._problems = problems
        self._known: list[str] = []

    def problem(self, key: str, what: str) -> None:
        """Add a problem with `key`."""
        self._problems.append(f"{self.place}{key}: {what}")

    def take(self, key: str) -> Any:
        """The TOML value; None where there is none."""
        self._known.append(key)
        return self.values.get(key)

    def text(self, key: str, *, needed: str = "") -> str:
        """A text of one line; empty where it is wrong, or missing, which is a problem where it is `needed`."""
        value = self.take(key)
        if value is None:
            if needed:
                self.problem(key, f"is missing: {needed}")
            return ""
        if not isinstance(value, str) or not value.strip() or "\n" in value:
            self.problem(key, 'must be a text in "quotes"')
            return ""
        return value.strip()

    def texts(self, key: str, *, needed: str) -> list[str]:
        """A list of texts, at least one; empty where it is wrong."""
        value = self.take(key)
        if isinstance(value, list) and value and all(isinstance(one, str) and one.strip() for one in value):
            return [one.strip() for one in value]
        self.problem(key, f"must be {needed}" if value is not None else f"is missing: {needed}")
        return []

    def number(self, key: str, *, least: float, most: float, needed: bool = False) -> float | None:
        """A number within bounds; None where it is wrong, or missing, which is a problem where it is `needed`."""
        value = self.take(key)
        if value is None:
            if needed:
                self.problem(key, f"is missing: a number from {least:g} to {most:g}")
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.problem(key, f"must be a number from {least:g} to {most:g}")
            return None
        return float(value)

    def table(self, key: str) -> Table | None:
        """The table under `key`; None where there is none."""
        value = self.take(key)
        if value is None or isinstance(value, dict):
            return None if value is None else Table(value, f"{self.place}{key}: ", self._problems)
        self.problem(key, f"must be a table: [{key}] and its values below")
        return None

    def tables(self, key: str) -> list[Table]:
        """The tables of a list of them."""
        value = self.take(key)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            return [Table(one, "", self._problems) for one in value]
        self.problem(key, f"must be tables: [[{key}]] and its values below, for each one")
        return []

    def finish(self) -> None:
        """Add a problem for each unknown key, with a similar known one."""
        for key in self.values:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, n=1)
                meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._known)}"
                self.problem(key if key.isprintable() else "a key", f"is unknown; {meant}")

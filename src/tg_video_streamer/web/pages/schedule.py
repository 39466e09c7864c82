"""The schedule page: one day in the schedule's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.schedule.day import EntryKind, ScheduledEntry
from tg_video_streamer.schedule.guide import GUIDE_DAYS, icalendar, xmltv
from tg_video_streamer.web.auth.visitor import FlashMessage
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.elements import title_tag
from tg_video_streamer.web.pages.layout import PageView, page, page_view

_KINDS = {
    EntryKind.PART: "schedule.part",
    EntryKind.SHOW: "schedule.show_kind",
    EntryKind.STATION_ID: "schedule.station_id",
}


def routes(context: WebContext) -> list[Route]:
    """The page at `/schedule`."""

    async def schedule(request: Request) -> Response:
        view = page_view(request, context)
        chosen = request.query_params.get("day", "")[:20]
        try:
            entries = context.commands.schedule(chosen)
        except ControlError as error:
            failure = FlashMessage.of(error)
            return page(view, "schedule", _choice(view, _today(context)), messages=(failure,), status_code=422)
        day = date.fromisoformat(chosen) if chosen else _day_of(entries) or _today(context)
        return page(view, "schedule", _choice(view, day) + _table(view, entries))

    async def guide(_request: Request) -> Response:
        return Response(xmltv(_coming(context), channel=context.channel), media_type="application/xml")

    async def calendar(_request: Request) -> Response:
        content = icalendar(_coming(context), channel=context.channel, now_wall=context.clock.wall())
        return Response(content, media_type="text/calendar")

    return [
        Route("/schedule", schedule),
        Route("/schedule.xml", guide),
        Route("/schedule.ics", calendar),
    ]


def _coming(context: WebContext) -> list[ScheduledEntry]:
    """The entries of the coming days; none where nothing is scheduled."""
    try:
        entries = list(context.commands.schedule(""))
        first = _day_of(tuple(entries)) or _today(context)
        for number in range(1, GUIDE_DAYS):
            entries += context.commands.schedule(str(first + timedelta(days=number)))
    except ControlError:
        return []
    return entries


def _today(context: WebContext) -> date:
    return datetime.fromtimestamp(context.clock.wall(), UTC).date()


def _day_of(entries: tuple[ScheduledEntry, ...]) -> date | None:
    """The day of the first entry."""
    return datetime.fromisoformat(entries[0].starts).date() if entries else None


def _choice(view: PageView, day: date) -> str:
    words = view.words
    links = "".join(
        f'<a class="button" rel="{rel}" href="/schedule?day={day + timedelta(days=step)}">{words(f"schedule.{name}")}</a>'
        for rel, name, step in (("prev", "before", -1), ("next", "after", 1))
    )
    return f"""<section class="card">
<form class="filter" method="get" action="/schedule">
<p><label for="day">{words("schedule.day")}</label><input type="date" id="day" name="day" value="{day}"></p>
<p class="buttons"><button class="primary">{words("schedule.show")}</button>{links}</p>
</form>
<p>{words("schedule.elsewhere")} <a href="/schedule.xml">XMLTV</a>, <a href="/schedule.ics">iCalendar</a></p>
</section>"""


def _table(view: PageView, entries: tuple[ScheduledEntry, ...]) -> str:
    words = view.words
    if not entries:
        return f'<section class="card"><p class="empty">{words("schedule.nothing")}</p></section>'
    heads = "".join(f'<th scope="col">{words(f"schedule.{key}")}</th>' for key in ("time", "title", "kind"))
    rows = "".join(_row(entry, words, now_wall=view.context.clock.wall()) for entry in entries)
    return f"""<div class="card">
<div class="scroll" tabindex="0" role="region" aria-label="{words("page.schedule")}">
<table class="day"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>
</div>"""


def _row(entry: ScheduledEntry, words: Translator, *, now_wall: float) -> str:
    """One entry; the current part of the day is marked."""
    if entry.kind is EntryKind.STATION_ID:
        time = words("schedule.every", minutes=f"{entry.every_minutes:g}")
        title = ""
    else:
        end = _clock(entry.ends) if entry.ends else ""
        until = f"\N{EN DASH}{'24:00' if end == '00:00' else end}" if end else ""
        time = f"{_clock(entry.starts)}{until}"
        title = title_tag(entry.title)
    facts = [words(_KINDS[entry.kind])]
    facts += [words("schedule.hard")] if entry.hard else []
    facts += [escape(entry.playlist)] if entry.playlist else []
    current = entry.ends_wall is not None and entry.starts_wall <= now_wall < entry.ends_wall
    mark = ' aria-current="time"' if current and entry.kind is EntryKind.PART else ""
    return f'<tr{mark}><td class="number">{time}</td><td>{title}</td><td>{" · ".join(facts)}</td></tr>'


def _clock(iso: str) -> str:
    """A time as 20:00, or 20:00:30 with seconds."""
    moment = datetime.fromisoformat(iso)
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"

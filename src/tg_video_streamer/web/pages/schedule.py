"""The page of the schedule: one day from its first minute to its last, in the schedule's own time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.schedule.day import EntryKind, ScheduledEntry
from tg_video_streamer.web.auth.visitor import Notice
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.figures import title_tag
from tg_video_streamer.web.pages.layout import Visit, page, visit

_KINDS = {
    EntryKind.PART: "schedule.part",
    EntryKind.SHOW: "schedule.show_kind",
    EntryKind.STATION_ID: "schedule.station_id",
}


def routes(room: WebContext) -> list[Route]:
    """The page at `/schedule`; without a schedule it says so."""

    async def schedule(request: Request) -> Response:
        visiting = visit(request, room)
        wish = request.query_params.get("day", "")[:20]
        try:
            entries = room.verbs.schedule(wish)
        except ControlError as error:
            trouble = Notice(ok=False, text=error.what, remedy=error.remedy)
            return page(visiting, "schedule", _choice(visiting, _today(room)), notices=(trouble,), status_code=422)
        day = date.fromisoformat(wish) if wish else _day_of(entries) or _today(room)
        return page(visiting, "schedule", _choice(visiting, day) + _table(visiting, entries))

    return [Route("/schedule", schedule)]


def _today(room: WebContext) -> date:
    return datetime.fromtimestamp(room.clock.wall(), UTC).date()


def _day_of(entries: tuple[ScheduledEntry, ...]) -> date | None:
    """The day of a view, by what begins it."""
    return datetime.fromisoformat(entries[0].starts).date() if entries else None


def _choice(visiting: Visit, day: date) -> str:
    words = visiting.words
    ways = "".join(
        f'<a class="button" rel="{rel}" href="/schedule?day={day + timedelta(days=step)}">{words(f"schedule.{name}")}</a>'
        for rel, name, step in (("prev", "before", -1), ("next", "after", 1))
    )
    return f"""<section class="card">
<form class="filter" method="get" action="/schedule">
<p><label for="day">{words("schedule.day")}</label><input type="date" id="day" name="day" value="{day}"></p>
<p class="buttons"><button class="strong">{words("schedule.show")}</button>{ways}</p>
</form>
</section>"""


def _table(visiting: Visit, entries: tuple[ScheduledEntry, ...]) -> str:
    words = visiting.words
    if not entries:
        return f'<section class="card"><p class="empty">{words("schedule.nothing")}</p></section>'
    heads = "".join(f'<th scope="col">{words(f"schedule.{key}")}</th>' for key in ("time", "title", "what"))
    rows = "".join(_row(entry, words, now_wall=visiting.room.clock.wall()) for entry in entries)
    return f"""<div class="card">
<div class="scroll" tabindex="0" role="region" aria-label="{words("page.schedule")}">
<table class="day"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>
</div>"""


def _row(entry: ScheduledEntry, words: Translator, *, now_wall: float) -> str:
    """An entry; what holds now is marked."""
    if entry.kind is EntryKind.STATION_ID:
        time = words("schedule.every", minutes=f"{entry.every_minutes:g}")
        title = ""
    else:
        until = f" - {_clock(entry.ends)}" if entry.ends else ""
        time = f"{_clock(entry.starts)}{until}"
        title = title_tag(entry.title)
    facts = [words(_KINDS[entry.kind])]
    facts += [words("schedule.hard")] if entry.hard else []
    facts += [escape(entry.playlist)] if entry.playlist else []
    holds = entry.ends_wall is not None and entry.starts_wall <= now_wall < entry.ends_wall
    mark = ' aria-current="time"' if holds and entry.kind is EntryKind.PART else ""
    return f'<tr{mark}><td class="number">{time}</td><td>{title}</td><td>{" · ".join(facts)}</td></tr>'


def _clock(iso: str) -> str:
    """Hours and minutes of a time in the schedule's zone; the seconds where there are any."""
    moment = datetime.fromisoformat(iso)
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"

"""The audience page: viewers over time, and a table by item, hour, day, or of what they saw when they came and went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.asrun.audience import AudienceBy, AudienceRow, AudienceSample, read_samples, table
from tg_video_streamer.asrun.entry import iso, wall
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.auth.visitor import FlashMessage
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.elements import time_tag, title_tag
from tg_video_streamer.web.pages.layout import PageView, page, page_view

ROWS = 200
_WIDTH, _HEIGHT = 600, 100
_DAYS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class _Query:
    first: datetime
    last: datetime
    by: AudienceBy

    @property
    def span(self) -> tuple[float, float]:
        """From when to when, in seconds since 1970."""
        return self.first.timestamp(), (self.last + timedelta(days=1)).timestamp()


def routes(context: WebContext) -> list[Route]:
    """The page at `/audience`."""

    async def audience(request: Request) -> Response:
        view, query = page_view(request, context), _query(request, context.clock.wall())
        since, until = query.span
        try:
            samples = await context.long_reads.run(
                lambda: list(read_samples(context.audience, since_wall=since, until_wall=until))
            )
            rows = await context.long_reads.run(lambda: table(samples, query.by))
        except OSError as error:
            failure = FlashMessage(ok=False, text=Message.of("audience.unreadable", detail=str(error.strerror)))
            return page(view, "audience", _filter(view, query), messages=(failure,), status_code=503)
        return page(view, "audience", _filter(view, query) + _chart(view, query, samples) + _table(view, query, rows))

    return [Route("/audience", audience)]


def _query(request: Request, now: float) -> _Query:
    """The week until today, where the parameters say nothing, or nothing that is a day."""
    texts, today = (
        request.query_params,
        datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0),
    )
    last = _day(texts.get("to", "")) or today
    first = _day(texts.get("from", "")) or last - timedelta(days=_DAYS - 1)
    by = texts.get("by", "")
    return _Query(first=min(first, last), last=last, by=AudienceBy(by) if by in set(AudienceBy) else AudienceBy.ITEM)


def _day(text: str) -> datetime | None:
    """Midnight of a day written as 2026-03-29; None for anything else, and for what no calendar reaches."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return day if len(text) == 10 and 1970 <= day.year < 9000 else None


def _filter(view: PageView, query: _Query) -> str:
    words = view.words
    options = "".join(
        f'<option value="{by}"{" selected" if by is query.by else ""}>{words(f"audience.by_{by}")}</option>'
        for by in AudienceBy
    )
    return f"""<section class="card" aria-labelledby="filter-heading">
<h2 id="filter-heading">{words("as_run.filter")}</h2>
<form class="filter" method="get" action="/audience">
<p><label for="from">{words("as_run.from")}</label><input type="date" id="from" name="from" value="{query.first:%Y-%m-%d}"></p>
<p><label for="to">{words("as_run.to")}</label><input type="date" id="to" name="to" value="{query.last:%Y-%m-%d}"></p>
<p><label for="by">{words("audience.by")}</label><select id="by" name="by">{options}</select></p>
<p class="buttons"><button class="primary">{words("as_run.show")}</button> <a class="button" href="/as-run">{words("page.as_run")}</a></p>
</form>
</section>"""


def _chart(view: PageView, query: _Query, samples: Sequence[AudienceSample]) -> str:
    """Viewers over the chosen days; the highest number of each of its columns."""
    words, (since, until) = view.words, query.span
    columns: dict[int, int] = {}
    for one in samples:
        if one.viewers is not None:
            column = int((wall(one.at) - since) / (until - since) * _WIDTH)
            columns[column] = max(columns.get(column, 0), one.viewers)
    if not columns:
        return ""
    top = max(1, *columns.values())
    points = " ".join(f"{column},{_HEIGHT * (1 - count / top / 1.1):.1f}" for column, count in sorted(columns.items()))
    label = words("audience.chart", peak=top)
    return (
        f'<section class="card"><figure class="chart"><figcaption>{words("audience.over_time")}</figcaption>'
        f'<div class="plot"><span class="top number" aria-hidden="true">{top}</span>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<path class="grid" d="M0 {_HEIGHT / 2}H{_WIDTH}"/><polyline class="curve curve-0" points="{points}"/></svg></div>'
        f'<p class="axis" aria-hidden="true"><span>{query.first:%Y-%m-%d}</span><span>{query.last:%Y-%m-%d}</span></p>'
        "</figure></section>"
    )


def _table(view: PageView, query: _Query, rows: Sequence[AudienceRow]) -> str:
    words = view.words
    if not rows:
        return f'<section class="card"><p class="empty">{words("audience.nothing")}</p></section>'
    names = ("what", "duration", "average", "peak", "came", "went")
    heads = "".join(f'<th scope="col">{words(f"audience.{name}")}</th>' for name in names)
    body = "".join(_row(view, query.by, row) for row in rows[:ROWS])
    since, until = query.span
    link = "/audience.csv?" + urlencode({"by": str(query.by), "since": iso(since), "until": iso(until)})
    csv = f'<a class="button" href="{link.replace("&", "&amp;")}" download>{words("as_run.csv")}</a>'
    return f"""<div class="card">
<div class="scroll" tabindex="0" role="region" aria-label="{words("page.audience")}"><table class="as-run"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>
<div class="controls">{csv}</div>
</div>"""


def _row(view: PageView, by: AudienceBy, row: AudienceRow) -> str:
    words = view.words
    seen = title_tag(row.title) if row.title else words.state("level", row.level)
    if by is AudienceBy.CHANGE:
        what = f"{time_tag(wall(row.start))} {seen}"
    else:
        what = seen if by is AudienceBy.ITEM else time_tag(wall(row.start), shown="minutes")
    length = words.span(row.seconds) if by is not AudienceBy.CHANGE else ""
    numbers = (length, words.number(row.average, 1), row.peak, row.came, row.went)
    return f'<tr><td class="name">{what}</td>{"".join(f"<td class=number>{one}</td>" for one in numbers)}</tr>'

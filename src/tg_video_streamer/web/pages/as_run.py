"""The as-run page: what was on air, filtered, in pages and as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import islice
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.asrun.entry import AsRunEntry, wall
from tg_video_streamer.asrun.reader import AsRunFilter, as_csv, read_entries
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.auth.visitor import FlashMessage
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.language import words_of
from tg_video_streamer.web.pages.elements import time_tag, title_tag
from tg_video_streamer.web.pages.layout import PageView, page, page_view

ROWS = 50
_MAX_PAGES = 200
"""Older entries are found by their days."""
_CACHED = "cached"
_SOURCES = ("item", _CACHED, "live", "backup", "filler", "slate")
"""The source levels, and items that were played from their cached encode."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AsRunQuery:
    """The filter of the page: days as YYYY-MM-DD, empty for no limit."""

    first_day: str
    last_day: str
    words: str
    level: str
    page: int

    def filter(self) -> AsRunFilter:
        """The filter of the log; days are in UTC, as in the log."""
        begin, end = _day(self.first_day), _day(self.last_day)
        return AsRunFilter(
            since_wall=begin.timestamp() if begin else float("-inf"),
            until_wall=(end + timedelta(days=1)).timestamp() if end else float("inf"),
            words=self.words,
            level="" if self.level == _CACHED else self.level,
            cached=self.level == _CACHED,
        )

    def as_url(self, **changes: object) -> str:
        """The same as a URL query."""
        fields: Mapping[str, object] = {
            "from": self.first_day, "to": self.last_day, "words": self.words, "level": self.level, **changes,
        }  # fmt: skip
        return urlencode({key: value for key, value in fields.items() if value})


def routes(context: WebContext) -> list[Route]:
    """The page at `/as-run` and the CSV file at `/as-run.csv`."""

    async def as_run(request: Request) -> Response:
        view, query = page_view(request, context), _query(request)
        try:
            rows = await context.long_reads.run(lambda: _rows(context, query))
        except OSError as error:
            failure = FlashMessage(ok=False, text=Message.of("as_run.unreadable", detail=str(error.strerror)))
            return page(view, "as_run", _filter(view, query), messages=(failure,), status_code=503)
        return page(view, "as_run", _filter(view, query) + _table(view, query, rows))

    async def table(request: Request) -> Response:
        query = _query(request)
        try:
            text = await context.long_reads.run(lambda: as_csv(read_entries(context.as_run, query.filter())))
        except OSError as error:
            text = words_of(request).text("as_run.unreadable", detail=error.strerror)
            return Response(f"{text}\n", status_code=503, media_type="text/plain")
        headers = {"Content-Disposition": 'attachment; filename="as-run.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    return [Route("/as-run", as_run), Route("/as-run.csv", table)]


def _query(request: Request) -> AsRunQuery:
    parameters = request.query_params
    number = parameters.get("page", "1")
    days = [text if _day(text) else "" for text in (parameters.get("from", ""), parameters.get("to", ""))]
    level = parameters.get("level", "")
    return AsRunQuery(
        first_day=days[0],
        last_day=days[1],
        words=parameters.get("words", "")[:200],
        level=level if level in _SOURCES else "",
        page=min(int(number), _MAX_PAGES) if number.isascii() and number.isdigit() and number.strip("0") else 1,
    )


def _day(text: str) -> datetime | None:
    """Midnight of a day written as 2026-03-29; None for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if len(text) == 10 else None
    except ValueError:
        return None


def _rows(context: WebContext, query: AsRunQuery) -> list[AsRunEntry]:
    """The page's rows, and one more if there is a next page."""
    begin = (query.page - 1) * ROWS
    return list(islice(read_entries(context.as_run, query.filter()), begin, begin + ROWS + 1))


def _filter(view: PageView, query: AsRunQuery) -> str:
    words = view.words
    options = "".join(
        f'<option value="{level}"{" selected" if level == query.level else ""}>{words(f"level.{level}") if level else words("level.any")}</option>'
        for level in ("", *_SOURCES)
    )
    return f"""<section class="card" aria-labelledby="filter-heading">
<h2 id="filter-heading">{words("as_run.filter")}</h2>
<form class="filter" method="get" action="/as-run">
<p><label for="from">{words("as_run.from")}</label><input type="date" id="from" name="from" value="{query.first_day}"></p>
<p><label for="to">{words("as_run.to")}</label><input type="date" id="to" name="to" value="{query.last_day}"></p>
<p class="wide"><label for="words">{words("as_run.words")}</label><input type="search" id="words" name="words" value="{escape(query.words)}"></p>
<p><label for="level">{words("as_run.level")}</label><select id="level" name="level">{options}</select></p>
<p class="buttons"><button class="primary">{words("as_run.show")}</button> <a class="button" href="/as-run">{words("as_run.all")}</a>
<a class="button" href="/audience">{words("page.audience")}</a></p>
</form>
</section>"""


def _table(view: PageView, query: AsRunQuery, rows: list[AsRunEntry]) -> str:
    words = view.words
    csv = f'<a class="button" href="/as-run.csv?{escape(query.as_url())}" download>{words("as_run.csv")}</a>'
    if not rows:
        return f'<section class="card"><p class="empty">{words("as_run.nothing")}</p></section>'
    heads = "".join(
        f'<th scope="col">{words(f"as_run.{key}")}</th>'
        for key in ("start", "duration", "title", "source", "end", "gap")
    )
    body = "".join(_row(view, row) for row in rows[:ROWS])
    links = []
    if query.page > 1:
        links.append(
            f'<a class="button" rel="prev" href="/as-run?{escape(query.as_url(page=query.page - 1))}">{words("as_run.newer")}</a>'
        )
    if len(rows) > ROWS:
        links.append(
            f'<a class="button" rel="next" href="/as-run?{escape(query.as_url(page=query.page + 1))}">{words("as_run.older")}</a>'
        )
    return f"""<div class="card">
<div class="scroll" tabindex="0" role="region" aria-label="{words("page.as_run")}"><table class="as-run"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>
<div class="controls">{"".join(links)}{csv}</div>
</div>"""


def _row(view: PageView, row: AsRunEntry) -> str:
    words = view.words
    source = words.state("level", row.level)
    title = title_tag(row.title) if row.title else source
    if row.slate_reason:
        title = words.state("slate", row.slate_reason)
    if row.cached:
        source += f" · {words('prepared' if row.prepared else 'cached')}"
    if row.encode_step:
        source += f" · {words.state('encode_step', row.encode_step)}"
    gap = f"{words.number(row.gap_seconds, 2)} {words('unit.second')}" if row.gap_seconds else ""
    return (
        f"<tr><td>{time_tag(wall(row.start))}</td>"
        f'<td class="number">{escape(words.span(row.seconds))}</td>'
        f'<td class="name">{title}</td>'
        f'<td><span class="key level-{escape(row.level)}" aria-hidden="true"></span>{source}</td>'
        f"<td>{words.state('ended', row.reason)}</td>"
        f'<td class="number{"" if gap else " none"}">{gap}</td></tr>'
    )

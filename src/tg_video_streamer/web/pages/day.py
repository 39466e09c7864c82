"""The day page: twelve hours of what was and twelve of what will be as one line, and the library as storage."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.asrun.entry import AsRunEntry, wall
from tg_video_streamer.asrun.reader import AsRunFilter, read_entries
from tg_video_streamer.control.outlook import ComingItem, StoredLibrary
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.elements import time_tag, title_tag
from tg_video_streamer.web.pages.layout import PageView, page, page_view

_HALF_SECONDS = 12 * 3600.0
_CELLS = 1440
"""One minute each."""
_CELL_SECONDS = 2 * _HALF_SECONDS / _CELLS
_MOST_ENTRIES = 3000
_LISTED = 50
_LEVELS = frozenset({"item", "live", "backup", "filler", "slate"})


def routes(context: WebContext) -> list[Route]:
    """The page at `/day`."""

    async def day(request: Request) -> Response:
        view, now = page_view(request, context), context.clock.wall()
        try:
            entries = await context.long_reads.run(lambda: _entries(context, now))
        except OSError:
            entries = []  # the page of the log says why
        coming = await context.commands.coming()
        library = await context.commands.library()
        main = _timeline(view.words, entries, coming, now) + _coming(view.words, coming) + _library(view, library)
        return page(view, "day", main)

    return [Route("/day", day)]


def _entries(context: WebContext, now: float) -> list[AsRunEntry]:
    wanted = AsRunFilter(since_wall=now - _HALF_SECONDS)
    return list(islice(read_entries(context.as_run, wanted), _MOST_ENTRIES))


def _timeline(words: Translator, entries: Sequence[AsRunEntry], coming: Sequence[ComingItem], now: float) -> str:
    begin = now - _HALF_SECONDS
    shapes = "".join(_past(entry, begin) for entry in entries) + _future(coming, begin)
    shapes += "".join(
        f'<rect class="gap" x="{_cell(wall(entry.start), begin):.2f}" width="2" height="1"><title>{words("as_run.gap")} {entry.gap_seconds:g}</title></rect>'
        for entry in entries
        if entry.gap_seconds
    )
    hours = "".join(time_tag(begin + _HALF_SECONDS / 2 * part, shown="clock") for part in range(5))
    notable = [entry for entry in entries if entry.gap_seconds or entry.level == "live"]
    label = words(
        "day.summary", played=sum(entry.new_play for entry in entries), live=sum(e.level == "live" for e in entries),
        gaps=sum(bool(e.gap_seconds) for e in entries), coming=len(coming),
    )  # fmt: skip
    return f"""<section class="card" aria-labelledby="line-heading">
<h2 id="line-heading">{words("day.line")}</h2>
<svg class="band day-line" viewBox="0 0 {_CELLS} 1" preserveAspectRatio="none" role="img" aria-label="{label}">{shapes}<rect class="now-mark" x="{_CELLS / 2 - 1}" width="2" height="1"/></svg>
<p class="axis" aria-hidden="true">{hours}</p>
<p>{label}</p>{_notable(words, notable)}
</section>"""


def _cell(moment: float, begin: float) -> float:
    return min(float(_CELLS), max(0.0, (moment - begin) / _CELL_SECONDS))


def _past(entry: AsRunEntry, begin: float) -> str:
    first, last = _cell(wall(entry.start), begin), _cell(wall(entry.end), begin)
    level = entry.level if entry.level in _LEVELS else "off"
    return f'<rect class="level-{level}" x="{first:.2f}" width="{max(0.2, last - first):.2f}" height="1"><title>{escape(entry.title or level)}</title></rect>'


def _future(coming: Sequence[ComingItem], begin: float) -> str:
    """Each item of known time, in two shades by turns."""
    shapes = ""
    for number, item in enumerate(coming):
        if item.starts_wall is None or item.duration_seconds is None:
            break
        first, last = _cell(item.starts_wall, begin), _cell(item.starts_wall + item.duration_seconds, begin)
        shapes += f'<rect class="coming-{number % 2}" x="{first:.2f}" width="{max(0.2, last - first):.2f}" height="1"><title>{escape(item.title)}</title></rect>'
        if last >= _CELLS:
            break
    return shapes


def _notable(words: Translator, entries: Sequence[AsRunEntry]) -> str:
    """Gaps and takeovers as text."""
    rows = ""
    for entry in entries[:_LISTED]:
        gap = (
            f" · {words('as_run.gap')} {words.number(entry.gap_seconds, 2)} {words('unit.second')}"
            if entry.gap_seconds
            else ""
        )
        rows += f"<li>{time_tag(wall(entry.start))} {words.state('level', entry.level)} {title_tag(entry.title)} <span class=number>{escape(words.span(entry.seconds))}{gap}</span></li>"
    return f"<details><summary>{words('day.notable')}</summary><ul>{rows}</ul></details>" if rows else ""


def _coming(words: Translator, coming: Sequence[ComingItem]) -> str:
    rows = ""
    for item in coming[:_LISTED]:
        starts = time_tag(item.starts_wall, shown="minutes") if item.starts_wall is not None else words("unknown")
        length = clock_text(item.duration_seconds) if item.duration_seconds else ""
        rows += f'<tr><td>{starts}</td><td>{title_tag(item.title)}</td><td class="number">{length}</td></tr>'
    if not rows:
        rows = f'<tr><td colspan="3">{words("next.empty")}</td></tr>'
    heads = "".join(f'<th scope="col">{words(key)}</th>' for key in ("as_run.start", "table.title", "table.length"))
    return f"""<section class="card" aria-labelledby="coming-heading"><h2 id="coming-heading">{words("day.coming")}</h2>
<div class="scroll" tabindex="0" role="region" aria-label="{words("page.day")}"><table class="day"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"""


def _library(view: PageView, library: StoredLibrary) -> str:
    """What the library takes and saves."""
    words, plays = view.words, library.hits + library.misses
    saved = words("day.share", percent=round(100 * library.hits / plays)) if plays else words("unknown")
    margin = view.context.commands.status().encode_margin
    speed = words("day.times", times=round(margin, 1)) if margin is not None else words("unknown")
    facts = {
        "day.margin": speed,
        "day.used": words("upload.space", used=library.bytes, limit=library.max_bytes),
        "day.encodes": str(library.encodes),
        "day.plays_for": escape(words.span(library.seconds)),
        "day.per_hour": words("upload.size", size=library.bytes_per_hour) if library.seconds else words("unknown"),
        "day.saved": saved,
    }
    shown = "".join(f"<div><dt>{words(name)}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    rows = "".join(
        f'<tr><td>{title_tag(one.title)}</td><td class="number">{words("upload.size", size=one.bytes)}</td>'
        f'<td class="number">{clock_text(one.seconds)}</td><td class="number">{one.plays}</td></tr>'
        for one in library.largest
    )
    keys = ("table.title", "day.size", "table.length", "day.plays")
    heads = "".join(f'<th scope="col">{words(key)}</th>' for key in keys)
    table = (
        f'<details><summary>{words("day.largest")}</summary><div class="scroll" tabindex="0" role="region" aria-label="{words("day.largest")}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
        if rows
        else ""
    )
    return f"""<section class="card" aria-labelledby="library-heading"><h2 id="library-heading">{words("day.library")}</h2>
<dl class="facts">{shown}</dl>{table}</section>"""

"""The playlist as a table: rows are selected, moved, removed, added and searched; each step is saved at once."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.control.commands import make_request
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.looks import Look
from tg_video_streamer.control.playlist_rows import PlaylistRow, PlaylistRows
from tg_video_streamer.control.status import WarningAction
from tg_video_streamer.errors import ControlError, PlaylistError
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.playlist.edit import format_numbers, parse_numbers, titled
from tg_video_streamer.playlist.item import LocatorKind
from tg_video_streamer.web.auth.visitor import FlashMessage
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.elements import time_tag, title_tag
from tg_video_streamer.web.pages.form_guard import require_operator, require_operator_form
from tg_video_streamer.web.pages.layout import PageView, page
from tg_video_streamer.web.pages.playlist_views import views_tag
from tg_video_streamer.web.pages.refresh import version

ROWS = 50
_MAX_FIELDS = ROWS + 12
_MAX_SEARCH = 200
_NO_PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent point: a sound file has no picture."""
_COLUMNS = ("title", "length", "ready", "last", "next", "language")


def routes(context: WebContext) -> list[Route]:
    """The table at `/playlist/table`, and each of its steps."""

    async def table(request: Request) -> Response:
        view = require_operator(request, context)
        words, first, chosen = _place(request.query_params)
        try:
            rows = await context.commands.playlist_rows(words, first=first, count=ROWS)
        except ControlError as error:
            return page(view, "playlist_table", views_tag(view, "table"), messages=(FlashMessage.of(error),))
        return page(view, "playlist_table", _main(view, rows, words=words, first=first, chosen=chosen))

    async def look(request: Request) -> Response:
        view, form = await require_operator_form(request, context)
        try:
            rows = await context.commands.playlist_rows("", first=0, count=ROWS)
            if context.looks is None:
                raise ControlError.of("refused.nothing_to_insert")
            found = await context.looks.look(form.get("line", ""))
        except ControlError as error:
            _flash(request, FlashMessage.of(error))
            return RedirectResponse("/playlist/table", status_code=303)
        return page(view, "playlist_table", _main(view, rows, words="", first=0, chosen=(), look=found))

    async def picture(request: Request) -> Response:
        require_operator(request, context)
        found = await context.looks.picture(request.path_params["key"]) if context.looks is not None else b""
        if not found:
            return Response(_NO_PICTURE, media_type="image/gif", headers={"Cache-Control": "no-store"})
        return Response(found, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    async def change(request: Request) -> Response:
        view, form = await require_operator_form(request, context, max_fields=_MAX_FIELDS)
        words, first, chosen = _place(form)
        try:
            command, arguments = await _command(context, form)
            call = make_request(command, arguments)
            answer = await execute(context.commands, call, Caller(origin=Origin.PAGE, name=view.visitor.name))
            message = Message.from_json(answer)
            lines = str(message.values.get("lines", ""))
            chosen = parse_numbers(lines) if lines else ()
            _flash(request, FlashMessage(ok=True, text=message))
        except (ControlError, PlaylistError) as error:
            chosen = _checked(form)
            _flash(request, FlashMessage.of(error))
        return RedirectResponse(_address(words=words, first=first, chosen=chosen), status_code=303)

    return [
        Route("/playlist/table", table, methods=["GET"]),
        Route("/playlist/table", change, methods=["POST"]),
        Route("/playlist/look", look, methods=["POST"]),
        Route("/playlist/picture/{key}", picture, methods=["GET"]),
    ]


def _flash(request: Request, message: FlashMessage) -> None:
    if request.state.session is not None:
        request.state.session.flash(message)


def _place(fields: Mapping[str, str]) -> tuple[str, int, tuple[int, ...]]:
    """The search, the first row, and the lines that are selected."""
    first = fields.get("first", "")
    number = int(first) if first.isascii() and first.isdecimal() and len(first) < 7 else 0
    try:
        chosen = parse_numbers(fields["chosen"]) if fields.get("chosen") else ()
    except PlaylistError:
        chosen = ()
    return fields.get("words", "")[:_MAX_SEARCH], number // ROWS * ROWS, chosen


def _address(*, words: str, first: int, chosen: tuple[int, ...] = ()) -> str:
    fields = {"words": words, "first": first or "", "chosen": format_numbers(chosen)[:1000]}
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"/playlist/table?{query}" if query else "/playlist/table"


def _checked(form: Mapping[str, str]) -> tuple[int, ...]:
    """The lines of the checked boxes."""
    names = (name.removeprefix("line-") for name in form if name.startswith("line-"))
    return tuple(sorted(int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 7))


async def _command(context: WebContext, form: Mapping[str, str]) -> tuple[str, dict[str, object]]:
    """The command of the pressed button. Raises ControlError where none is meant."""
    step, known = form.get("do", ""), {"version": form.get("version", "")}
    if step == "undo":
        return "playlist_undo", {**known}
    if step == "add":
        return "playlist_insert", {"text": _new_line(form), "before": _before(form), "version": ""}
    chosen = _checked(form)
    if not chosen:
        raise ControlError.of("refused.nothing_chosen")
    lines = {"lines": format_numbers(chosen), **known}
    if step in {"up", "down"}:
        return "playlist_shift", {**lines, "down": step == "down"}
    if step == "remove":
        return "playlist_remove_lines", {**lines}
    if step == "top":
        rows = await context.commands.playlist_rows("", first=0, count=1)
        return "playlist_move", {**lines, "before": rows.rows[0].line if rows.rows else 0}
    return "playlist_move", {**lines, "before": _before(form) if step == "move" else 0}


def _before(form: Mapping[str, str]) -> int:
    text = form.get("before", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0


def _new_line(form: Mapping[str, str]) -> str:
    line, title = form.get("line", "").strip(), form.get("title", "").strip()
    if "|" in title or not title.isprintable():
        raise ControlError.of("table.bad_title")
    return titled(line, title)


def _main(
    view: PageView, rows: PlaylistRows, *, words: str, first: int, chosen: tuple[int, ...], look: Look | None = None
) -> str:
    text = view.words
    back = _address(words=words, first=first)
    return f"""{views_tag(view, "table")}
<section class="card" aria-labelledby="table-heading">
<h2 id="table-heading">{text("table.change")}</h2>
<p id="table-help">{text("table.help")}</p>
<form class="filter" method="get" action="/playlist/table" role="search">
<p class="wide"><label for="words">{text("search.words")}</label><input id="words" name="words" type="search" value="{escape(words)}" autocomplete="off"></p>
<p class="buttons"><button>{text("search.go")}</button></p>
</form>
<form method="post" action="/actions/retry" id="mend" data-action>{view.csrf}<input type="hidden" name="back" value="{escape(back)}"></form>
<form method="post" action="/playlist/table" id="table-form" data-action>{view.csrf}
<input type="hidden" name="words" value="{escape(words)}"><input type="hidden" name="first" value="{first}">
<div id="part-table" data-part="@table" data-version="{version(rows, words, first, chosen)}">
{_table(view, rows, words=words, first=first, chosen=chosen)}
</div>
</form>
</section>
{_adding(view, look)}"""


def _table(view: PageView, rows: PlaylistRows, *, words: str, first: int, chosen: tuple[int, ...]) -> str:
    """What each step replaces: the version, the buttons and the rows."""
    text = view.words
    fields = (
        f'<input type="hidden" name="version" value="{escape(rows.version)}">'
        f'<input type="hidden" name="before" id="before" value="0" data-next="{rows.next_line}">'
    )
    buttons = "".join(
        f'<button name="do" value="{step}" id="do-{step}"{" disabled" if not rows.rows else ""}>{text(f"table.{step}")}</button>'
        for step in ("up", "down", "top", "end", "remove")
    )
    undo = f'<button name="do" value="undo" id="do-undo"{"" if rows.can_undo else " disabled"}>{text("table.undo")}</button>'
    move = '<button name="do" value="move" id="do-move" hidden></button>'
    count = (
        text("table.found", found=rows.found, count=rows.entries)
        if words
        else text("table.entries", count=rows.entries)
    )
    head = f'{fields}<div class="controls" role="group" aria-label="{text("table.change")}">{buttons}{undo}{move}</div><p class="number">{count}</p>'
    if not rows.rows:
        return f'{head}<p class="empty">{text("table.nothing" if words else "table.empty")}</p>'
    heads = "".join(f'<th scope="col">{text(f"table.{key}")}</th>' for key in _COLUMNS)
    body = "".join(_row(one, text, checked=one.line in chosen) for one in rows.rows)
    return f"""{head}<div class="scroll" tabindex="0" role="region" aria-label="{text("page.playlist_table")}">
<table class="playlist" aria-describedby="table-help"><thead><tr><th scope="col">{text("table.select")}</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>
<div class="controls">{_pages(text, rows, words=words, first=first)}</div>"""


def _pages(text: Translator, rows: PlaylistRows, *, words: str, first: int) -> str:
    links = ""
    if first:
        links += f'<a class="button" rel="prev" href="{escape(_address(words=words, first=max(0, first - ROWS)))}">{text("table.earlier")}</a>'
    if first + ROWS < rows.found:
        links += f'<a class="button" rel="next" href="{escape(_address(words=words, first=first + ROWS))}">{text("table.later")}</a>'
    return links


def _row(row: PlaylistRow, words: Translator, *, checked: bool) -> str:
    box = (
        f'<input type="checkbox" name="line-{row.line}" id="line-{row.line}"{" checked" if checked else ""}'
        f' aria-label="{words("table.select_row", line=row.line, title=row.title)}">'
    )
    length = clock_text(row.duration_seconds) if row.duration_seconds else ""
    last = time_tag(row.last_wall, shown="minutes") if row.last_wall is not None else ""
    cells = (
        ("name", _name(row, words)),
        ("number", length),
        ("ready", _ready(row, words)),
        ("last", last),
        ("next", _next(row, words)),
        ("language", escape(" · ".join(one for one in (row.audio, row.subtitles) if one))),
    )
    tds = "".join(f'<td class="{kind}{"" if value else " none"}">{value}</td>' for kind, value in cells)
    return f'<tr data-line="{row.line}" draggable="true"><td class="choice">{box}</td>{tds}</tr>'


def _name(row: PlaylistRow, words: Translator) -> str:
    shown = ""
    if row.kind == LocatorKind.FILE and row.problem is None:
        shown = (
            f'<img class="thumbnail" src="/playlist/picture/{row.key}" alt="" loading="lazy" width="96" height="54">'
        )
    shown += f'<span class="title-line">{title_tag(row.title)}</span>'
    if row.text != row.title:
        shown += f'<span class="source"><bdi>{escape(row.text)}</bdi></span>'
    if row.problem is not None:
        shown += f'<span class="error">{words.message(row.problem)}</span>'
        if WarningAction.RETRY in row.actions:
            shown += (
                f'<button class="small" form="mend" name="key" value="{escape(row.key)}">{words("fix.retry")}</button>'
            )
        if WarningAction.EDIT_PLAYLIST in row.actions:
            shown += f'<a class="button small" href="/playlist">{words("fix.edit_playlist")}</a>'
    return shown


def _ready(row: PlaylistRow, words: Translator) -> str:
    facts = [words("table.cached")] if row.cached else []
    facts += [words.state("spool_state", row.spool)] if row.spool else []
    return " · ".join(facts)


def _next(row: PlaylistRow, words: Translator) -> str:
    if row.on_air:
        return f"<strong>{words('table.on_air')}</strong>"
    if row.next_wall is not None:
        return time_tag(row.next_wall, shown="minutes")
    return words("table.behind", count=row.next_place) if row.next_place is not None else ""


def _look(view: PageView, look: Look) -> str:
    """What is there, and a form that adds it with a title."""
    words = view.words
    facts = [words("table.entries", count=look.entries)] if look.entries else []
    facts += [words("live")] if look.is_live else []
    facts += [clock_text(look.duration_seconds)] if look.duration_seconds else []
    picture = ""
    if look.picture:
        data = base64.b64encode(look.picture).decode()
        picture = f'<img class="look" src="data:image/jpeg;base64,{data}" alt="{words("table.picture")}">'
    return f"""<form class="stacked look-found" method="post" action="/playlist/table" data-action>{view.csrf}{picture}
<p>{title_tag(look.title)} <span class="number">{" · ".join(facts)}</span></p>
<input type="hidden" name="line" value="{escape(look.line)}">
<label for="look-title">{words("table.line_title")}</label>
<input id="look-title" name="title" autocomplete="off" value="{escape(look.title.replace("|", "/"))}">
<span class="buttons"><button class="primary" name="do" value="add" id="look-add">{words("table.add")}</button></span>
</form>"""


def _adding(view: PageView, look: Look | None) -> str:
    """A form that puts a line at the end, and what was found at an address."""
    words = view.words
    return f"""<section class="card" aria-labelledby="add-heading">
<h2 id="add-heading">{words("table.add_heading")}</h2>
<form class="stacked" method="post" action="/playlist/table" data-action data-reset>{view.csrf}
<label for="line">{words("table.line")}</label>
<input id="line" name="line" required autocomplete="off" spellcheck="false" placeholder="films/harbour.mp4">
<label for="title">{words("table.line_title")}</label>
<input id="title" name="title" autocomplete="off">
<span class="buttons"><button class="primary" name="do" value="add">{words("table.add")}</button>
<button formaction="/playlist/look">{words("table.look")}</button></span>
</form>
<div id="part-look" data-part="@look" data-version="{version(look)}" role="status">{_look(view, look) if look is not None else ""}</div>
</section>"""

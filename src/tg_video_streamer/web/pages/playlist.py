"""The playlist as a text: edited or uploaded, checked while it is typed, compared before it is saved."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterator, Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.control.commands import make_request
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.playlist_file import PlaylistCheck, PlaylistText
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.auth.visitor import Notice
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.form_guard import only_operators, operator
from tg_video_streamer.web.pages.layout import Visit, page

_CONTEXT_LINES = 2
_MOST_CHANGES = 2000


def routes(room: WebContext) -> list[Route]:
    """The editor at `/playlist`, and the steps of a change behind it."""

    async def edit(request: Request) -> Response:
        visiting = only_operators(request, room)
        try:
            now = room.verbs.playlist_read()
        except ControlError as error:
            return page(visiting, "playlist", "", notices=(_failed(error),))
        return _editor(visiting, now)

    async def edit_on(request: Request) -> Response:
        visiting, form = await operator(request, room)
        return _editor(visiting, _sent(form))

    async def upload(request: Request) -> Response:
        visiting, form = await operator(request, room, with_file=True)
        return _editor(visiting, _sent(form))

    async def compare(request: Request) -> Response:
        visiting, form = await operator(request, room)
        return await _comparison(visiting, _sent(form))

    async def save(request: Request) -> Response:
        visiting, form = await operator(request, room)
        wanted = _sent(form)
        change = make_request("playlist_save", {"text": wanted.text, "version": wanted.version})
        try:
            execute(room.verbs, change, Caller(origin=Origin.PAGE, name=visiting.visitor.name))
        except ControlError as error:
            # Neither the text nor the way on is lost: what is compared now is what the file says by now.
            return await _comparison(visiting, wanted, notices=(_failed(error),), status_code=409)
        return RedirectResponse("/playlist?saved=1", status_code=303)

    return [
        Route("/playlist", edit, methods=["GET"]),
        Route("/playlist/edit", edit_on, methods=["POST"]),
        Route("/playlist/upload", upload, methods=["POST"]),
        Route("/playlist/compare", compare, methods=["POST"]),
        Route("/playlist/save", save, methods=["POST"]),
    ]


def _failed(error: ControlError) -> Notice:
    return Notice(ok=False, text=error.what, remedy=error.remedy)


def _sent(form: Mapping[str, str]) -> PlaylistText:
    """The text of a form, with the ends of lines that a file has: browsers send others."""
    return PlaylistText(text=form.get("text", "").replace("\r\n", "\n"), version=form.get("version", ""))


def _editor(visiting: Visit, text: PlaylistText) -> Response:
    words = visiting.words
    checked = visiting.room.verbs.playlist_check(text.text)
    saved = (
        (Notice(ok=True, text="the playlist is saved"),) if visiting.request.query_params.get("saved") == "1" else ()
    )
    main = f"""<section class="card" aria-labelledby="edit-heading">
<h2 id="edit-heading">{words("playlist.edit")}</h2>
<p id="edit-help">{words("playlist.help")}</p>
<form method="post" action="/playlist/compare">{visiting.csrf}<input type="hidden" name="version" value="{escape(text.version)}">
<label for="text">{words("playlist.text")}</label>
<textarea id="text" name="text" rows="22" spellcheck="false" autocapitalize="off" wrap="off" aria-describedby="edit-help check">
{escape(text.text)}</textarea>
<div id="check" class="check" role="status" data-items="{words.text("playlist.items", count="{count}")}" data-line="{words.text("playlist.line", line="{line}")}">{_check_tag(checked, words)}</div>
<div class="controls"><button class="strong">{words("playlist.compare")}</button>
<label class="button" id="upload" hidden>{words("playlist.upload")}<input type="file" id="file" accept=".txt,text/plain" class="unseen"></label>
<a class="button" href="/playlist">{words("playlist.again")}</a></div>
</form>
<noscript><form method="post" action="/playlist/upload" enctype="multipart/form-data" class="controls">{visiting.csrf}<input type="hidden" name="version" value="{escape(text.version)}">
<label>{words("playlist.file")} <input type="file" name="text" accept=".txt,text/plain" required></label> <button>{words("playlist.upload")}</button></form></noscript>
</section>"""
    return page(visiting, "playlist", main, notices=saved)


async def _comparison(
    visiting: Visit, wanted: PlaylistText, *, notices: tuple[Notice, ...] = (), status_code: int = 200
) -> Response:
    words = visiting.words
    try:
        now = visiting.room.verbs.playlist_read()
    except ControlError as error:
        return page(
            visiting, "playlist", _hidden(visiting, wanted, save=False), notices=(_failed(error),), status_code=409
        )
    checked = visiting.room.verbs.playlist_check(wanted.text)
    found = await asyncio.to_thread(lambda: list(changes(now.text, wanted.text)))
    shown = "".join(found[:_MOST_CHANGES])
    if len(found) > _MOST_CHANGES:
        shown += f"<tr><td></td><td>{words('playlist.more', count=len(found) - _MOST_CHANGES)}</td></tr>"
    told = f'<div class="scroll"><table class="diff"><caption>{words("playlist.diff")}</caption>{shown}</table></div>'
    # What is saved then is a change of what was compared with, so that is the version that counts.
    form = _hidden(visiting, PlaylistText(text=wanted.text, version=now.version), save=bool(found))
    if not found:
        told = f"<p>{words('playlist.same')}</p>"
    others = ""
    if found and wanted.version != now.version and not notices:
        others = f'<p class="notice" data-ok="0">{words("playlist.others")}</p>'
    main = f"""<section class="card" aria-labelledby="diff-heading">
<h2 id="diff-heading">{words("playlist.changes")}</h2>
{others}{told}
<div class="check">{_check_tag(checked, words)}</div>
{form}
</section>"""
    return page(visiting, "playlist", main, notices=notices, status_code=status_code)


def _hidden(visiting: Visit, text: PlaylistText, *, save: bool) -> str:
    """The text goes along unseen, to be saved or edited further."""
    words = visiting.words
    saving = f'<button class="strong" formaction="/playlist/save">{words("playlist.save")}</button>' if save else ""
    return f"""<form method="post" action="/playlist/edit">{visiting.csrf}
<input type="hidden" name="version" value="{escape(text.version)}">
<textarea name="text" hidden aria-hidden="true">
{escape(text.text)}</textarea>
<div class="controls">{saving}<button>{words("playlist.back")}</button> <a class="button" href="/playlist">{words("playlist.again")}</a></div>
</form>"""


def _check_tag(checked: PlaylistCheck, words: Translator) -> str:
    problems = "".join(f"<li>{escape(one.what)}</li>" for one in checked.problems)
    tone = "bad" if checked.problems else "good"
    return f'<p data-tone="{tone}">{words("playlist.items", count=checked.items)}</p>' + (
        f"<ul>{problems}</ul>" if problems else ""
    )


def changes(before: str, after: str) -> Iterator[str]:
    """Rows of what goes and what comes, with the lines around it."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=_CONTEXT_LINES, lineterm="")
    for number, line in enumerate(lines):
        if number < 2:
            continue  # the names of two files
        mark, text = line[:1], line[1:]
        kind = {"+": "ins", "-": "del"}.get(mark)
        if mark == "@":
            yield '<tr class="cut"><td></td><td>⋯</td></tr>'
        elif kind is not None:
            yield f'<tr class="{kind}"><td>{mark}</td><td><{kind}>{escape(text) or "&nbsp;"}</{kind}></td></tr>'
        else:
            yield f"<tr><td></td><td>{escape(text) or '&nbsp;'}</td></tr>"

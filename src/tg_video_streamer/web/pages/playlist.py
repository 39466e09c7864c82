"""The playlist page: edit or upload the text, check it, compare it, save it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterator, Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.control.commands import make_request
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.playlist_file import PlaylistCheck, PlaylistText
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.auth.visitor import FlashMessage
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.form_guard import require_operator, require_operator_form
from tg_video_streamer.web.pages.layout import PageView, page
from tg_video_streamer.web.pages.playlist_views import views_tag

_CONTEXT_LINES = 2
_MAX_CHANGES = 2000


def routes(context: WebContext) -> list[Route]:
    """The editor at `/playlist` and the steps of a change."""

    async def edit(request: Request) -> Response:
        view = require_operator(request, context)
        try:
            now = await context.commands.playlist_read()
        except ControlError as error:
            return page(view, "playlist", "", messages=(_failed(error),))
        return await _editor(view, now)

    async def continue_edit(request: Request) -> Response:
        view, form = await require_operator_form(request, context)
        return await _editor(view, _sent(form))

    async def upload(request: Request) -> Response:
        view, form = await require_operator_form(request, context, with_file=True)
        return await _editor(view, _sent(form))

    async def check(request: Request) -> Response:
        view, form = await require_operator_form(request, context)
        return HTMLResponse(await _check(view, _sent(form)))

    async def compare(request: Request) -> Response:
        view, form = await require_operator_form(request, context)
        return await _comparison(view, _sent(form))

    async def save(request: Request) -> Response:
        view, form = await require_operator_form(request, context)
        new = _sent(form)
        change = make_request("playlist_save", {"text": new.text, "version": new.version})
        try:
            await execute(context.commands, change, Caller(origin=Origin.PAGE, name=view.visitor.name))
        except ControlError as error:
            # The text is not lost: compare it with the current file.
            return await _comparison(view, new, messages=(_failed(error),), status_code=409)
        return RedirectResponse("/playlist?saved=1", status_code=303)

    return [
        Route("/playlist", edit, methods=["GET"]),
        Route("/playlist/edit", continue_edit, methods=["POST"]),
        Route("/playlist/upload", upload, methods=["POST"]),
        Route("/playlist/check", check, methods=["POST"]),
        Route("/playlist/compare", compare, methods=["POST"]),
        Route("/playlist/save", save, methods=["POST"]),
    ]


def _failed(error: ControlError) -> FlashMessage:
    return FlashMessage.of(error)


def _sent(form: Mapping[str, str]) -> PlaylistText:
    """The form's text with the line ends of a file; browsers send CRLF."""
    return PlaylistText(text=form.get("text", "").replace("\r\n", "\n"), version=form.get("version", ""))


async def _editor(view: PageView, text: PlaylistText) -> Response:
    words = view.words
    checked = await _check(view, text)
    saved = (
        (FlashMessage(ok=True, text=Message.of("answer.playlist_saved")),)
        if view.request.query_params.get("saved") == "1"
        else ()
    )
    main = f"""{views_tag(view, "text")}
<section class="card" aria-labelledby="edit-heading">
<h2 id="edit-heading">{words("playlist.edit")}</h2>
<p id="edit-help">{words("playlist.help")}</p>
<form method="post" action="/playlist/compare">{view.csrf}<input type="hidden" name="version" value="{escape(text.version)}">
<label for="text">{words("playlist.text")}</label>
<textarea id="text" name="text" rows="22" spellcheck="false" autocapitalize="off" wrap="off" aria-describedby="edit-help check">
{escape(text.text)}</textarea>
<div id="check" class="check" role="status">{checked}</div>
<div class="controls"><button class="primary">{words("playlist.compare")}</button>
<label class="button" id="upload" hidden>{words("playlist.upload")}<input type="file" id="file" accept=".txt,text/plain" class="visually-hidden"></label>
<a class="button" href="/playlist">{words("playlist.reload")}</a></div>
</form>
<noscript><form method="post" action="/playlist/upload" enctype="multipart/form-data" class="controls">{view.csrf}<input type="hidden" name="version" value="{escape(text.version)}">
<label>{words("playlist.file")} <input type="file" name="text" accept=".txt,text/plain" required></label> <button>{words("playlist.upload")}</button></form></noscript>
</section>"""
    return page(view, "playlist", main, messages=saved)


async def _comparison(
    view: PageView, new: PlaylistText, *, messages: tuple[FlashMessage, ...] = (), status_code: int = 200
) -> Response:
    words = view.words
    try:
        now = await view.context.commands.playlist_read()
    except ControlError as error:
        return page(view, "playlist", _hidden(view, new, save=False), messages=(_failed(error),), status_code=409)
    checked = await _check(view, new)
    found = await asyncio.to_thread(lambda: list(changes(now.text, new.text)))
    shown = "".join(found[:_MAX_CHANGES])
    if len(found) > _MAX_CHANGES:
        shown += f"<tr><td></td><td>{words('playlist.more', count=len(found) - _MAX_CHANGES)}</td></tr>"
    shown_changes = (
        f'<div class="scroll"><table class="diff"><caption>{words("playlist.diff")}</caption>{shown}</table></div>'
    )
    # Saving replaces the version shown in this comparison.
    form = _hidden(view, PlaylistText(text=new.text, version=now.version), save=bool(found))
    if not found:
        shown_changes = f"<p>{words('playlist.same')}</p>"
    others = ""
    if found and new.version != now.version and not messages:
        others = f'<p class="flash" data-ok="0">{words("playlist.conflict")}</p>'
    main = f"""<section class="card" aria-labelledby="diff-heading">
<h2 id="diff-heading">{words("playlist.changes")}</h2>
{others}{shown_changes}
<div class="check">{checked}</div>
{form}
</section>"""
    return page(view, "playlist", main, messages=messages, status_code=status_code)


def _hidden(view: PageView, text: PlaylistText, *, save: bool) -> str:
    """A form with the text as a hidden field, to save it or continue editing."""
    words = view.words
    saving = f'<button class="primary" formaction="/playlist/save">{words("playlist.save")}</button>' if save else ""
    return f"""<form method="post" action="/playlist/edit">{view.csrf}
<input type="hidden" name="version" value="{escape(text.version)}">
<textarea name="text" hidden aria-hidden="true">
{escape(text.text)}</textarea>
<div class="controls">{saving}<button>{words("playlist.back")}</button> <a class="button" href="/playlist">{words("playlist.reload")}</a></div>
</form>"""


async def _check(view: PageView, text: PlaylistText) -> str:
    """What a check says, or why there is none: the text must not be lost over that."""
    try:
        return _check_tag(await view.context.commands.playlist_check(text.text), view.words)
    except ControlError as error:
        return f"<p>{view.words.message(error.full_message)}</p>"


def _check_tag(checked: PlaylistCheck, words: Translator) -> str:
    """The problems, then what will play without those lines."""
    problems = "".join(f"<li>{words.message(one.what)}</li>" for one in checked.problems)
    tone = "fair" if checked.problems else "good"
    count = f'<p data-tone="{tone}">{words("playlist.items", count=checked.items)}</p>'
    return f"<ul>{problems}</ul>{count}" if problems else count


def changes(before: str, after: str) -> Iterator[str]:
    """Table rows of removed and added lines, with context."""
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

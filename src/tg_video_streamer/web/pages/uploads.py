"""The page of uploaded files: send them with a bar, put them into the playlist, remove those that no list uses."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.auth.visitor import FlashMessage
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.elements import time_tag, title_tag
from tg_video_streamer.web.pages.form_guard import require_operator, require_operator_form
from tg_video_streamer.web.pages.layout import PageView, page
from tg_video_streamer.web.pages.playlist_views import views_tag
from tg_video_streamer.web.pages.refresh import version
from tg_video_streamer.web.uploads.files import UploadedFile
from tg_video_streamer.web.uploads.uploads import Uploads

_FILES_SHOWN = 500


def routes(context: WebContext) -> list[Route]:
    """The page at `/uploads`; none where uploads are off."""
    if (uploads := context.uploads) is None:
        return []

    async def show(request: Request) -> Response:
        view = require_operator(request, context)
        try:
            files = await uploads.listed()
        except RequestRefused as error:
            return page(view, "uploads", views_tag(view, "uploads"), messages=(FlashMessage.of(error),))
        return page(view, "uploads", _main(view, uploads, files))

    async def remove(request: Request) -> Response:
        view, form = await require_operator_form(request, context)
        name = form.get("name", "")
        try:
            await uploads.remove(name, by=view.visitor.name)
            message = FlashMessage(ok=True, text=Message.of("answer.file_removed", name=name))
        except RequestRefused as error:
            message = FlashMessage.of(error)
        if request.state.session is not None:
            request.state.session.flash(message)
        return RedirectResponse("/uploads", status_code=303)

    return [Route("/uploads", show, methods=["GET"]), Route("/uploads/remove", remove, methods=["POST"])]


def _main(view: PageView, uploads: Uploads, files: tuple[tuple[UploadedFile, bool], ...]) -> str:
    words = view.words
    used = sum(file.bytes for file, _ in files)
    rows = "".join(_row(view, uploads, file, in_use=in_use) for file, in_use in files[:_FILES_SHOWN])
    listed = f'<ul class="items rows">{rows}</ul>' if files else f'<p class="empty">{words("upload.none")}</p>'
    state = " ".join(
        f'data-{name}="{words(f"upload.{name}")}"' for name in ("sending", "waiting", "checking", "done", "refused")
    )
    return f"""{views_tag(view, "uploads")}
<section class="card" aria-labelledby="send-heading">
<h2 id="send-heading">{words("upload.send")}</h2>
<p>{words("upload.help")}</p>
<div class="controls"><label class="button">{words("upload.choose")}<input type="file" id="media" multiple accept="video/*,audio/*" class="visually-hidden"></label></div>
<div role="status"><ul id="sending" class="rows" {state}></ul></div>
<noscript><p>{words("upload.no_scripts")}</p></noscript>
</section>
<section class="card" aria-labelledby="files-heading">
<h2 id="files-heading">{words("upload.files")}</h2>
<div id="part-files" data-part="@files" data-version="{version(files)}">
<p class="number">{words("upload.space", used=used, limit=uploads.space.quota_bytes)}</p>{listed}</div>
</section>"""


def _row(view: PageView, uploads: Uploads, file: UploadedFile, *, in_use: bool) -> str:
    words = view.words
    name, path = escape(file.name), escape(str(uploads.folder / file.name))
    label = words("upload.remove_file", name=file.name)
    remove = (
        f'<span class="number">{words("upload.in_use")}</span>'
        if in_use
        else f'<form class="action" method="post" action="/uploads/remove" data-action data-confirm>{view.csrf}<input type="hidden" name="name" value="{name}">'
        f'<button class="small" aria-label="{label}">{words("table.remove")}</button></form>'
    )
    add = (
        f'<form class="action" method="post" action="/playlist/table">{view.csrf}<input type="hidden" name="line" value="{path}">'
        f'<button class="small" name="do" value="add" aria-label="{words("upload.add_file", name=file.name)}">{words("upload.add")}</button></form>'
    )
    size = words("upload.size", size=file.bytes)
    return (
        f'<li><span class="what">{title_tag(file.name)} <span class="number">{size} · {time_tag(file.modified_wall, shown="minutes")}</span></span>'
        f'<span class="buttons">{add}{remove}</span></li>'
    )

"""The media folders: walk through them, and put a file or a whole folder into the playlist."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.errors import ControlError
from tg_video_streamer.playlist.browse import FolderView
from tg_video_streamer.web.auth.visitor import FlashMessage
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.elements import title_tag
from tg_video_streamer.web.pages.form_guard import require_operator
from tg_video_streamer.web.pages.layout import PageView, page
from tg_video_streamer.web.pages.playlist_views import views_tag


def routes(context: WebContext) -> list[Route]:
    """The page at `/playlist/folders`."""

    async def folders(request: Request) -> Response:
        view = require_operator(request, context)
        if context.looks is None:
            return page(view, "media_folders", views_tag(view, "folders"))
        try:
            found = await context.looks.browse(request.query_params.get("folder", ""))
        except ControlError as error:
            messages = (FlashMessage.of(error),)
            return page(view, "media_folders", views_tag(view, "folders"), messages=messages, status_code=422)
        return page(view, "media_folders", _main(view, found))

    return [Route("/playlist/folders", folders, methods=["GET"])]


def _main(view: PageView, found: FolderView) -> str:
    words = view.words
    up = ""
    if found.folder:
        up = f'<p><a class="button" rel="up" href="{_address(found.parent)}">{words("folders.up")}</a></p>'
    rows = "".join(_row(view, path, is_folder=True, named=not found.folder) for path in found.folders)
    rows += "".join(_row(view, path, is_folder=False, named=False) for path in found.files)
    listed = f'<ul class="items rows">{rows}</ul>' if rows else f'<p class="empty">{words("folders.empty")}</p>'
    more = f"<p>{words('folders.more', count=found.left_out)}</p>" if found.left_out else ""
    return f"""{views_tag(view, "folders")}
<section class="card" aria-labelledby="folder-heading">
<h2 id="folder-heading">{title_tag(found.folder) if found.folder else words("folders.all")}</h2>{up}{listed}{more}
</section>"""


def _address(folder: str) -> str:
    return escape(f"/playlist/folders?{urlencode({'folder': folder})}" if folder else "/playlist/folders")


def _row(view: PageView, path: str, *, is_folder: bool, named: bool) -> str:
    """`named`: the whole path is shown."""
    words = view.words
    name = path if named else Path(path).name
    shown = f'<a href="{_address(path)}">{title_tag(name)}/</a>' if is_folder else title_tag(name)
    add = (
        f'<form class="action" method="post" action="/playlist/table" data-action>{view.csrf}<input type="hidden" name="line" value="{escape(path)}">'
        f'<button class="small" name="do" value="add" aria-label="{words("upload.add_file", name=name)}">{words("upload.add")}</button></form>'
    )
    return f'<li><span class="what">{shown}</span><span class="buttons">{add}</span></li>'

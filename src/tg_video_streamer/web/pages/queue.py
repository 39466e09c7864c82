"""The queue page: search, add, move and remove items, and control the program."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.control.status import ItemStatus
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.buttons import command_button, playout_buttons
from tg_video_streamer.web.pages.elements import item_tag, items_tag, position_text, title_tag
from tg_video_streamer.web.pages.layout import PageView, page, page_view
from tg_video_streamer.web.pages.refresh import part_versions

_MAX_SEARCH = 200


def routes(context: WebContext) -> list[Route]:
    """The page at `/queue`."""

    async def queue(request: Request) -> Response:
        view = page_view(request, context)
        return page(view, "queue", _main(view))

    return [Route("/queue", queue)]


def _main(view: PageView) -> str:
    words = view.words
    version = part_versions(view.context)["@queue"]
    edit = (
        f'<div class="controls"><a class="button" href="/playlist/table">{words("queue.table")}</a> <a class="button" href="/playlist">{words("queue.edit")}</a></div>'
        if view.may_change
        else ""
    )
    return f"""<div class="columns">
<div class="column">
<section class="card" data-part="@queue" data-version="{version}" id="part-queue" aria-labelledby="queue-heading">
{_queued(view)}
</section>
{_adding(view)}
{_searching(view)}
</div>
<div class="column">
<section class="card" aria-labelledby="now-heading" data-part="@queue" data-version="{version}" id="part-now">
<h2 id="now-heading">{words("now")}</h2>
{_now(view)}
{playout_buttons(view)}
<h2>{words("heading.next")}</h2>
{items_tag(view.context.commands.status().next_items, words)}
</section>
<section class="card" aria-labelledby="playlist-heading">
<h2 id="playlist-heading">{words("heading.playlist")}</h2>
<p>{words("queue.about_playlist")}</p>{edit}
</section>
</div>
</div>"""


def _now(view: PageView) -> str:
    status, words = view.context.commands.status(), view.words
    if status.now is None:
        return f'<p class="title">{words("now.empty")}</p>'
    return f'<p class="title">{title_tag(status.now.title)}</p><p class="number">{position_text(status, words)}</p>'


def _queued(view: PageView) -> str:
    """The queued items, each with its buttons."""
    words, items = view.words, view.context.commands.queue_list()
    head = f'<h2 id="queue-heading">{words("heading.queue")}</h2>'
    if not items:
        return f'{head}<p class="empty">{words("queue.empty")}</p>'
    rows = "".join(_row(view, items, place) for place in range(len(items)))
    clear = ""
    if view.may_change:
        clear = f'<div class="controls">{command_button(view, "queue_clear", words("queue.clear"), confirm=True)}</div>'
    return f'{head}<ol class="items rows">{rows}</ol>{clear}'


def _row(view: PageView, items: Sequence[ItemStatus], place: int) -> str:
    item, buttons = items[place], ""
    for name, label, target in (("up", "↑", place - 1), ("down", "↓", place + 1)):
        fields = {"key": item.key, "place": str(target)}
        buttons += _item_button(view, item, "queue_move", label, name, fields, disabled=not 0 <= target < len(items))
    buttons += _item_button(view, item, "queue_remove", "✕", "remove", {"key": item.key})
    return _item_row(view, item, buttons)


def _item_row(view: PageView, item: ItemStatus, buttons: str) -> str:
    shown = f'<span class="what">{item_tag(item, view.words)}</span>'
    return f'<li>{shown}<span class="buttons">{buttons}</span></li>' if view.may_change else f"<li>{shown}</li>"


def _item_button(
    view: PageView,
    item: ItemStatus,
    command: str,
    label: str,
    name: str,
    fields: dict[str, str],
    *,
    disabled: bool = False,
) -> str:
    spoken = view.words(f"queue.{name}", title=item.title)
    identity = f"{name}-{item.key}"
    return command_button(
        view, command, label, fields=fields, kind="small", name=spoken, identity=identity, disabled=disabled
    )


def _adding(view: PageView) -> str:
    """A form to add a playlist line, next or at the end."""
    if not view.may_change:
        return ""
    words = view.words
    return f"""<section class="card" aria-labelledby="add-heading">
<h2 id="add-heading">{words("heading.add")}</h2>
<form class="stacked" method="post" action="/actions/queue_add" data-action data-reset>{view.csrf}<input type="hidden" name="back" value="/queue">
<label for="line">{words("queue.line")}</label>
<input id="line" name="line" required autocomplete="off" spellcheck="false" placeholder="films/harbour.mp4 | title=Harbour">
<span class="buttons"><button class="primary">{words("queue.add")}</button>
<button formaction="/actions/queue_insert">{words("queue.insert")}</button></span>
</form>
</section>"""


def _searching(view: PageView) -> str:
    """A search in queue and playlist; each result can be played next or at once."""
    words = view.words
    query = view.request.query_params.get("words", "")[:_MAX_SEARCH]
    # A queued item of the playlist is found twice, with the same key.
    found = {item.key: item for item in view.context.commands.search(query)} if query.strip() else {}
    results = ""
    if query.strip():
        summary = words("search.found", count=len(found)) if found else words("search.nothing")
        rows = "".join(_found(view, item) for item in found.values())
        results = f'<p role="status">{summary}</p><ul class="items rows">{rows}</ul>'
    return f"""<section class="card" aria-labelledby="search-heading" id="search">
<h2 id="search-heading">{words("heading.search")}</h2>
<form class="stacked" method="get" action="/queue" role="search">
<label for="words">{words("search.words")}</label>
<input id="words" name="words" type="search" value="{escape(query)}" autocomplete="off">
<span class="buttons"><button>{words("search.go")}</button></span>
</form>
<div id="found">{results}</div>
</section>"""


def _found(view: PageView, item: ItemStatus) -> str:
    words = view.words
    following = _item_button(view, item, "queue_insert", words("queue.insert"), "play_next", {"line": item.key})
    jump = _item_button(view, item, "jump", words("queue.jump"), "play_now", {"key": item.key})
    return _item_row(view, item, following + jump)

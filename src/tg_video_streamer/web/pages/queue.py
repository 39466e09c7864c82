"""The page of what comes next: search, put in, move, take out, and the controls of the program."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.control.status import ItemStatus
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.controls import button, program_controls
from tg_video_streamer.web.pages.figures import length_text, title_tag
from tg_video_streamer.web.pages.layout import Visit, page, visit
from tg_video_streamer.web.pages.live_parts import part_versions
from tg_video_streamer.web.pages.on_air import items_tag

_BACK = "/queue"
_LONGEST_SEARCH = 200


def routes(room: WebContext) -> list[Route]:
    """The page at `/queue`."""

    async def queue(request: Request) -> Response:
        visiting = visit(request, room)
        return page(visiting, "queue", _main(visiting))

    return [Route("/queue", queue)]


def _main(visiting: Visit) -> str:
    words = visiting.words
    version = part_versions(visiting.room)["@queue"]
    edit = f'<p><a class="button" href="/playlist">{words("queue.edit")}</a></p>' if visiting.may_change else ""
    return f"""<div class="columns">
<div class="column">
<section class="card" data-part="@queue" data-version="{version}" id="part-queue" aria-labelledby="queue-heading">
{_queued(visiting)}
</section>
{_adding(visiting)}
{_searching(visiting)}
</div>
<div class="column">
<section class="card" aria-labelledby="steer-heading" data-part="@queue" data-version="{version}" id="part-now">
<h2 id="steer-heading">{words("now")}</h2>
{_now(visiting)}
{program_controls(visiting, back=_BACK)}
<h2>{words("heading.next")}</h2>
{items_tag(visiting.room.verbs.status().next_items, words)}
</section>
<section class="card" aria-labelledby="playlist-heading">
<h2 id="playlist-heading">{words("heading.playlist")}</h2>
<p>{words("queue.about_playlist")}</p>{edit}
</section>
</div>
</div>"""


def _now(visiting: Visit) -> str:
    status, words = visiting.room.verbs.status(), visiting.words
    if status.now is None:
        return f'<p class="title">{words("nothing_on")}</p>'
    return (
        f'<p class="title">{title_tag(status.now.title)}</p><p class="number">{clock_text(status.position_seconds)}</p>'
    )


def _queued(visiting: Visit) -> str:
    """What was queued by hand, with a row of buttons each."""
    words, items = visiting.words, visiting.room.verbs.queue_list()
    head = f'<h2 id="queue-heading">{words("heading.queue")}</h2>'
    if not items:
        return f'{head}<p class="empty">{words("queue.empty")}</p>'
    rows = "".join(_row(visiting, items, place) for place in range(len(items)))
    clear = ""
    if visiting.may_change:
        clear = f'<div class="controls">{button(visiting, "queue_clear", words("queue.clear"), back=_BACK, sure=True)}</div>'
    return f'{head}<ol class="items rows">{rows}</ol>{clear}'


def _row(visiting: Visit, items: Sequence[ItemStatus], place: int) -> str:
    words, item = visiting.words, items[place]
    shown = f'<span class="what">{title_tag(item.title)} <span class="number">{length_text(item, words)}</span></span>'
    if not visiting.may_change:
        return f"<li>{shown}</li>"
    buttons = [
        button(
            visiting,
            "queue_move",
            mark,
            back=_BACK,
            fields={"key": item.key, "place": str(place + step)},
            kind="small",
            name=words(f"queue.{name}", title=item.title),
            identity=f"{name}-{item.key}",
            disabled=not 0 <= place + step < len(items),
        )
        for name, mark, step in (("up", "↑", -1), ("down", "↓", 1))
    ]
    buttons.append(
        button(
            visiting,
            "queue_remove",
            "✕",
            back=_BACK,
            fields={"key": item.key},
            kind="small",
            name=words("queue.remove", title=item.title),
            identity=f"remove-{item.key}",
        )
    )
    return f'<li>{shown}<span class="buttons">{"".join(buttons)}</span></li>'


def _adding(visiting: Visit) -> str:
    """A playlist line, to be played next or after what is queued."""
    if not visiting.may_change:
        return ""
    words = visiting.words
    return f"""<section class="card" aria-labelledby="add-heading">
<h2 id="add-heading">{words("heading.add")}</h2>
<form class="line" method="post" action="/do/queue_add" data-act data-clear>{visiting.csrf}<input type="hidden" name="back" value="{_BACK}">
<label for="line">{words("queue.line")}</label>
<input id="line" name="line" required autocomplete="off" spellcheck="false" placeholder="films/harbour.mp4 | title=Harbour">
<span class="buttons"><button class="strong">{words("queue.add")}</button>
<button formaction="/do/queue_insert">{words("queue.insert")}</button></span>
</form>
</section>"""


def _searching(visiting: Visit) -> str:
    """A search in queue and playlist; each found item can be played next or at once."""
    words = visiting.words
    wanted = visiting.request.query_params.get("words", "")[:_LONGEST_SEARCH]
    found = visiting.room.verbs.search(wanted) if wanted.strip() else ()
    answer = ""
    if wanted.strip():
        told = words("search.found", count=len(found)) if found else words("search.nothing")
        rows = "".join(_found(visiting, item) for item in found)
        answer = f'<p role="status">{told}</p><ul class="items rows">{rows}</ul>'
    return f"""<section class="card" aria-labelledby="search-heading" id="search">
<h2 id="search-heading">{words("heading.search")}</h2>
<form class="line" method="get" action="/queue" role="search">
<label for="words">{words("search.words")}</label>
<input id="words" name="words" type="search" value="{escape(wanted)}" autocomplete="off">
<span class="buttons"><button>{words("search.go")}</button></span>
</form>
<div id="found">{answer}</div>
</section>"""


def _found(visiting: Visit, item: ItemStatus) -> str:
    words = visiting.words
    shown = f'<span class="what">{title_tag(item.title)} <span class="number">{length_text(item, words)}</span></span>'
    if not visiting.may_change:
        return f"<li>{shown}</li>"
    following = button(
        visiting,
        "queue_insert",
        words("queue.insert"),
        back=_BACK,
        fields={"line": item.key},
        kind="small",
        name=words("search.insert", title=item.title),
    )
    jump = button(
        visiting,
        "jump",
        words("search.jump_short"),
        back=_BACK,
        fields={"key": item.key},
        kind="small",
        name=words("search.jump", title=item.title),
    )
    return f'<li>{shown}<span class="buttons">{following}{jump}</span></li>'

"""The page for whoever looks for a fault: the doctor's findings, versions, and the end of the log."""

from __future__ import annotations

import re
from html import escape

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.checkup import Looked
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.figures import time_tag
from tg_video_streamer.web.pages.form_guard import operator
from tg_video_streamer.web.pages.layout import Visit, page, visit
from tg_video_streamer.web.pages.live_parts import part_versions

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_LINE = 600
_ORDER = {"problem": 0, "warning": 1, "ok": 2}


def routes(room: WebContext) -> list[Route]:
    """The page at `/health`, and the wish for a new look."""

    async def health(request: Request) -> Response:
        visiting = visit(request, room)
        main = _findings(visiting) + _versions(visiting) + _log(visiting)
        answer = page(visiting, "health", main, again_seconds=5 if room.checkup.state.looking else 0)
        answer.background = BackgroundTask(room.ask_versions)
        return answer

    async def look(request: Request) -> Response:
        await operator(request, room)
        # The answer first; the look goes on behind it, in the task of the request.
        begun = room.checkup.begin()
        return RedirectResponse(
            "/health", status_code=303, background=BackgroundTask(room.checkup.finish) if begun else None
        )

    return [Route("/health", health, methods=["GET"]), Route("/health/look", look, methods=["POST"])]


def _findings(visiting: Visit) -> str:
    words, state = visiting.words, visiting.room.checkup.state
    version = part_versions(visiting.room)["@health"]
    ask = ""
    if visiting.may_change:
        busy = " disabled" if state.looking else ""
        label = words("health.looking") if state.looking else words("health.look")
        ask = f'<form class="act" method="post" action="/health/look">{visiting.csrf}<button class="strong"{busy}>{label}</button></form>'
    told = (
        f"<p>{words('health.never')}</p>"
        if state.looked_wall is None
        else f"<p>{words('health.looked')} {time_tag(state.looked_wall)}</p>"
    )
    if state.failed:
        told += f'<p class="notice" data-ok="0">{words("health.failed")}</p>'
    # Findings name paths and addresses of the host, which are none of a viewer's business.
    rows = "".join(_finding(one, words) for one in sorted(state.findings, key=lambda one: _ORDER.get(one.verdict, 0)))
    listed = f'<ul class="findings">{rows}</ul>' if rows and visiting.may_change else ""
    return f"""<section class="card" id="part-health" data-part="@health" data-version="{version}" aria-labelledby="doctor-heading">
<h2 id="doctor-heading">{words("health.doctor")}</h2>
{told}{listed}{ask}
</section>"""


def _finding(one: Looked, words: Translator) -> str:
    remedy = f'<span class="remedy">{escape(one.remedy)}</span>' if one.remedy else ""
    return (
        f'<li data-verdict="{escape(one.verdict)}"><span class="verdict">{words.state("verdict", one.verdict)}</span>'
        f'<span class="name">{escape(one.about)}</span><span class="text">{escape(one.text)}{remedy}</span></li>'
    )


def _versions(visiting: Visit) -> str:
    words, version = visiting.words, part_versions(visiting.room)["@health"]
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in visiting.room.versions()
    )
    return f"""<section class="card" id="part-versions" data-part="@health" data-version="{version}" aria-labelledby="versions-heading">
<h2 id="versions-heading">{words("health.versions")}</h2>
<dl class="facts versions">{rows}</dl>
</section>"""


def _log(visiting: Visit) -> str:
    """The log's end, newest line first, for operators: it names items and hosts."""
    words = visiting.words
    if not visiting.may_change:
        return (
            f'<section class="card"><h2>{words("health.log")}</h2><p>{words("health.log_for_operators")}</p></section>'
        )
    lines = [_COLOURS.sub("", line)[:_LONGEST_LINE] for line in reversed(visiting.room.log_tail())]
    text = "\n".join(escape(line) for line in lines)
    return f"""<section class="card" aria-labelledby="log-heading">
<h2 id="log-heading">{words("health.log")}</h2>
<p>{words("health.log_order")}</p>
<pre class="log" tabindex="0" role="group" aria-label="{words("health.log")}">{text}</pre>
</section>"""

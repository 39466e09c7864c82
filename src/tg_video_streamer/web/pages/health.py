"""The health page: the doctor's findings, versions, and the end of the log."""

from __future__ import annotations

import re
from html import escape

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.check_runner import Finding
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.elements import time_tag
from tg_video_streamer.web.pages.form_guard import require_operator_form
from tg_video_streamer.web.pages.layout import PageView, page, page_view
from tg_video_streamer.web.pages.refresh import part_versions

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_MAX_LINE = 600
_ORDER = {"problem": 0, "warning": 1, "ok": 2}


def routes(context: WebContext) -> list[Route]:
    """The page at `/health` and the form that runs the checks."""

    async def health(request: Request) -> Response:
        view = page_view(request, context)
        main = _findings(view) + _versions(view) + _log(view)
        answer = page(view, "health", main, reload_seconds=5 if context.checks.state.running else 0)
        answer.background = BackgroundTask(context.refresh_versions)
        return answer

    async def run_checks(request: Request) -> Response:
        await require_operator_form(request, context)
        # The checks run in the background, after the response.
        started = context.checks.try_start()
        return RedirectResponse(
            "/health", status_code=303, background=BackgroundTask(context.checks.run) if started else None
        )

    return [Route("/health", health, methods=["GET"]), Route("/health/checks", run_checks, methods=["POST"])]


def _findings(view: PageView) -> str:
    words, state = view.words, view.context.checks.state
    version = part_versions(view.context)["@health"]
    button = ""
    if view.may_change:
        busy = " disabled" if state.running else ""
        label = words("health.checking") if state.running else words("health.run")
        button = f'<form class="action" method="post" action="/health/checks">{view.csrf}<button class="primary"{busy}>{label}</button></form>'
    summary = (
        f"<p>{words('health.never')}</p>"
        if state.finished_wall is None
        else f"<p>{words('health.checked')} {time_tag(state.finished_wall)}</p>"
    )
    if state.failed:
        summary += f'<p class="flash" data-ok="0">{words("health.failed")}</p>'
    # Findings contain paths and addresses of the host: operators only.
    rows = "".join(_finding(one, words) for one in sorted(state.findings, key=lambda one: _ORDER.get(one.verdict, 0)))
    findings = f'<ul class="findings">{rows}</ul>' if rows and view.may_change else ""
    return f"""<section class="card" id="part-health" data-part="@health" data-version="{version}" aria-labelledby="doctor-heading">
<h2 id="doctor-heading">{words("health.checks")}</h2>
{summary}{findings}{button}
</section>"""


def _finding(one: Finding, words: Translator) -> str:
    remedy = f'<span class="remedy">{words.message(one.remedy)}</span>' if one.remedy else ""
    return (
        f'<li data-verdict="{escape(one.verdict)}"><span class="verdict">{words.state("verdict", one.verdict)}</span>'
        f'<span class="name">{words.message(one.about)}</span><span class="text">{words.message(one.text)}{remedy}</span></li>'
    )


def _versions(view: PageView) -> str:
    words, version = view.words, part_versions(view.context)["@health"]
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{words('raw', text=value)}</dd></div>"
        for name, value in view.context.versions()
    )
    return f"""<section class="card" id="part-versions" data-part="@health" data-version="{version}" aria-labelledby="versions-heading">
<h2 id="versions-heading">{words("health.versions")}</h2>
<dl class="facts versions">{rows}</dl>
</section>"""


def _log(view: PageView) -> str:
    """The end of the log, newest line first; operators only, since it names items and hosts."""
    words = view.words
    if not view.may_change:
        return (
            f'<section class="card"><h2>{words("health.log")}</h2><p>{words("health.log_for_operators")}</p></section>'
        )
    lines = [_COLOURS.sub("", line)[:_MAX_LINE] for line in reversed(view.context.log_tail())]
    text = "\n".join(escape(line) for line in lines)
    return f"""<section class="card" aria-labelledby="log-heading">
<h2 id="log-heading">{words("health.log")}</h2>
<p>{words("health.log_order")}</p>
<pre class="log" tabindex="0" role="group" aria-label="{words("health.log")}">{text}</pre>
</section>"""

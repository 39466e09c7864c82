"""The page of the Telegram session: how it is, and a new one by QR code, or by phone number, code and password."""

from __future__ import annotations

from html import escape

import segno
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.errors import StreamerError
from tg_video_streamer.web.access.visitor import Notice
from tg_video_streamer.web.pages.asking import only_operators, operator
from tg_video_streamer.web.pages.layout import Visit, page
from tg_video_streamer.web.pages.parts import part_versions
from tg_video_streamer.web.room import Desk, Room

_BORDER = 4
_AGAIN_SECONDS = 15


def routes(room: Room) -> list[Route]:
    """The page at `/session`, and the steps of a renewal behind it; none where there is no desk."""
    if (desk := room.desk) is None:
        return []

    async def session(request: Request) -> Response:
        visiting = only_operators(request, room)
        under_way = bool(desk.state().qr_url)
        return page(visiting, "session", _main(visiting, desk), again_seconds=_AGAIN_SECONDS if under_way else 0)

    async def step(request: Request) -> Response:
        visiting, form = await operator(request, room)
        name = str(request.path_params["step"])
        steps = {
            "qr": desk.begin_qr,
            "phone": lambda: desk.begin_phone(form.get("phone", "")),
            "code": lambda: desk.code(form.get("code", "")),
            "password": lambda: desk.password(form.get("password", "")),
            "cancel": desk.cancel,
        }
        if name not in steps:
            return Response("no such step\n", status_code=404, media_type="text/plain")
        try:
            await steps[name]()
        except StreamerError as error:
            trouble = Notice(ok=False, text=error.what, remedy=error.remedy)
            return page(visiting, "session", _main(visiting, desk), notices=(trouble,), status_code=409)
        return RedirectResponse("/session", status_code=303)

    return [Route("/session", session, methods=["GET"]), Route("/session/{step}", step, methods=["POST"])]


def _main(visiting: Visit, desk: Desk) -> str:
    version = part_versions(visiting.room)["@session"]
    return f"""<div id="part-session" data-part="@session" data-version="{version}">
{_state(visiting, desk)}
{_renewal(visiting, desk)}
</div>"""


def _state(visiting: Visit, desk: Desk) -> str:
    words, status = visiting.words, visiting.room.verbs.status()
    account = escape(desk.state().account) or words("unknown")
    rows = [
        (words("session.state"), words.state("session_state", status.session_state or "absent")),
        (words("session.account"), account),
    ]
    if status.degraded:
        rows.append((words("session.why"), words.said(status.degraded_reason)))
    drawn = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f"""<section class="card" aria-labelledby="state-heading">
<h2 id="state-heading">{words("session.now")}</h2>
<dl class="facts" id="session-facts">{drawn}</dl>
</section>"""


def _renewal(visiting: Visit, desk: Desk) -> str:
    words, state = visiting.words, desk.state()
    told = (
        f'<p class="notice" id="desk-message" role="status" data-ok="{int(state.step != "failed")}">{words.said(state.message)}</p>'
        if state.message
        else ""
    )
    if state.qr_url:
        drawn = _qr(state.qr_url, words("session.qr_told"))
        body = f"<p>{words('session.scan')}</p>{drawn}{_form(visiting, 'cancel', words('session.cancel'))}"
    elif state.step in {"code", "password"}:
        body = _asked(visiting, state.step) + _form(visiting, "cancel", words("session.cancel"))
    else:
        body = f"""<p>{words("session.about")}</p>
<div class="ways">{_form(visiting, "qr", words("session.by_qr"), strong=True)}
{_asked(visiting, "phone")}</div>"""
    return f"""<section class="card" aria-labelledby="renew-heading">
<h2 id="renew-heading">{words("session.renew")}</h2>
{told}{body}
</section>"""


def _form(visiting: Visit, step: str, label: str, *, strong: bool = False) -> str:
    kind = ' class="strong"' if strong else ""
    return (
        f'<form method="post" action="/session/{step}" class="act">{visiting.csrf}<button{kind}>{label}</button></form>'
    )


def _asked(visiting: Visit, step: str) -> str:
    """A question with one line for the answer."""
    words = visiting.words
    kinds = {
        "phone": 'type="tel" autocomplete="tel" placeholder="+44 7700 900123"',
        "code": 'inputmode="numeric" autocomplete="one-time-code"',
        "password": 'type="password" autocomplete="off"',
    }
    return f"""<form class="line" method="post" action="/session/{step}">{visiting.csrf}
<label for="{step}">{words(f"session.{step}")}</label>
<input id="{step}" name="{step}" required {kinds[step]}>
<span class="buttons"><button>{words(f"session.{step}_go")}</button></span>
</form>"""


def _qr(url: str, name: str) -> str:
    """The code as a drawing: dark on light in every theme, since many scanners read nothing else."""
    code = segno.make(url, error="l", micro=False)
    size = code.symbol_size(border=_BORDER)[0]
    dark = "".join(
        f"M{x} {y}h1v1h-1z"
        for y, row in enumerate(code.matrix_iter(border=_BORDER))
        for x, module in enumerate(row)
        if module
    )
    return (
        f'<svg class="qr" viewBox="0 0 {size} {size}" role="img" aria-label="{name}" shape-rendering="crispEdges">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{dark}" fill="#000"/></svg>'
    )

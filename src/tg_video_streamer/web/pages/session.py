"""The page of the Telegram session: how it is, and a new one by QR code, or by phone number, code and password."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import segno
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.errors import ControlError
from tg_video_streamer.telegram.session.web_login import WebLogin
from tg_video_streamer.telegram.session.web_login_state import ASKING, RESTING, WebLoginStep
from tg_video_streamer.web.auth.visitor import Notice
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.form_guard import only_operators, operator
from tg_video_streamer.web.pages.layout import Visit, page
from tg_video_streamer.web.pages.live_parts import part_versions

_BORDER = 4
_AGAIN_SECONDS = 5
_KINDS = {
    WebLoginStep.PHONE: 'type="tel" autocomplete="off" placeholder="+44 7700 900123"',
    WebLoginStep.CODE: 'inputmode="numeric" autocomplete="off"',
    WebLoginStep.PASSWORD: 'type="password" autocomplete="off"',
}


def routes(room: WebContext) -> list[Route]:
    """The page at `/session`, and the steps of a renewal behind it; none where there is no desk."""
    if (desk := room.desk) is None:
        return []

    async def session(request: Request) -> Response:
        visiting = only_operators(request, room)
        waits = desk.state.step not in ASKING | RESTING
        return page(visiting, "session", _main(visiting, desk), again_seconds=_AGAIN_SECONDS if waits else 0)

    async def step(request: Request) -> Response:
        visiting, form = await operator(request, room)
        try:
            _take(desk, request.path_params["step"], form, by=visiting.visitor.name)
        except ControlError as error:
            trouble = Notice(ok=False, text=error.what, remedy=error.remedy)
            return page(visiting, "session", _main(visiting, desk), notices=(trouble,), status_code=409)
        return RedirectResponse("/session", status_code=303)

    return [Route("/session", session, methods=["GET"]), Route("/session/{step}", step, methods=["POST"])]


def _take(desk: WebLogin, step: str, form: Mapping[str, str], *, by: str) -> None:
    """One step of the person's. Raises ControlError."""
    if step == "begin-qr":
        desk.begin_qr(by)
    elif step == "begin-phone":
        desk.begin_phone(form.get("answer", ""), by)
    elif step == "cancel":
        desk.cancel()
    elif step in ASKING:
        desk.answer(WebLoginStep(step), form.get("answer", ""))
    else:
        raise ControlError("there is no such step of a login", remedy="look at the page again")


def _main(visiting: Visit, desk: WebLogin) -> str:
    version = part_versions(visiting.room)["@session"]
    return f"""<div id="part-session" class="column" data-part="@session" data-version="{version}">
{_state(visiting, desk)}
{_renewal(visiting, desk)}
</div>"""


def _state(visiting: Visit, desk: WebLogin) -> str:
    words, status = visiting.words, visiting.room.verbs.status()
    account = escape(desk.state.account or visiting.room.account()) or words("unknown")
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


def _renewal(visiting: Visit, desk: WebLogin) -> str:
    words, state = visiting.words, desk.state
    tone = {WebLoginStep.DONE: "1", WebLoginStep.SAVING: "1"}.get(state.step, "0")
    message = words.said(state.message)
    told = f'<p class="notice" id="desk-message" data-ok="{tone}">{message}</p>' if state.message else ""
    if state.step in RESTING:
        body = f"""<p>{words("session.about")}</p>
<div class="ways">{_form(visiting, "begin-qr", words("session.by_qr"), strong=True)}
{_asked(visiting, WebLoginStep.PHONE, action="begin-phone")}</div>"""
    elif state.step is WebLoginStep.QR:
        body = f"<p>{words('session.scan')}</p>{_qr(state.qr_url, words('session.qr_told'))}"
    elif state.step in ASKING:
        body = _asked(visiting, state.step, hint=state.hint)
    else:
        body = f"<p>{words(f'session.{state.step}')}</p>"
    if state.step not in RESTING | {WebLoginStep.SAVING}:
        body += _form(visiting, "cancel", words("session.cancel"))
    return f"""<section class="card renewal" aria-labelledby="renew-heading">
<h2 id="renew-heading">{words("session.renew")}</h2>
<div role="status">{told}</div>{body}
</section>"""


def _form(visiting: Visit, step: str, label: str, *, strong: bool = False, answer: str = "") -> str:
    kind = ' class="strong"' if strong else ""
    hidden = f'<input type="hidden" name="answer" value="{escape(answer)}">' if answer else ""
    return (
        f'<form method="post" action="/session/{step}" class="act" data-act>{visiting.csrf}{hidden}'
        f"<button{kind}>{label}</button></form>"
    )


def _asked(visiting: Visit, step: WebLoginStep, *, action: str = "", hint: str = "") -> str:
    """A question with one line for the answer; whether another account is wanted, with a button."""
    words = visiting.words
    if step is WebLoginStep.CONFIRM:
        return _form(visiting, step, words("session.confirm_go"), strong=True, answer="yes")
    told = f' <span class="number">({words.said(hint)})</span>' if hint else ""
    return f"""<form class="line" method="post" action="/session/{action or step}" data-act>{visiting.csrf}
<label for="answer">{words(f"session.{step}")}{told}</label>
<input id="answer" name="answer" required {_KINDS[step]}>
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

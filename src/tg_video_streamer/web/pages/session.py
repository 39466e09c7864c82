"""The session page: state of the Telegram session, and login by QR code or phone number."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import segno
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.session.web_login import WebLogin
from tg_video_streamer.telegram.session.web_login_state import ASKING, RESTING, WebLoginStep
from tg_video_streamer.web.auth.visitor import FlashMessage
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.form_guard import require_operator, require_operator_form
from tg_video_streamer.web.pages.layout import PageView, page
from tg_video_streamer.web.pages.refresh import part_versions

_BORDER = 4
_RELOAD_SECONDS = 5
_KINDS = {
    WebLoginStep.PHONE: 'type="tel" autocomplete="off" placeholder="+44 7700 900123"',
    WebLoginStep.CODE: 'inputmode="numeric" autocomplete="off"',
    WebLoginStep.PASSWORD: 'type="password" autocomplete="off"',
}


def routes(context: WebContext) -> list[Route]:
    """The page at `/session` and the steps of a login; none without an output that needs a session."""
    if (login := context.login) is None:
        return []

    async def session(request: Request) -> Response:
        view = require_operator(request, context)
        waits = login.state.step not in ASKING | RESTING
        return page(view, "session", _main(view, login), reload_seconds=_RELOAD_SECONDS if waits else 0)

    async def step(request: Request) -> Response:
        view, form = await require_operator_form(request, context)
        try:
            _carry_out(login, request.path_params["step"], form, by=view.visitor.name)
        except ControlError as error:
            failure = FlashMessage.of(error)
            return page(view, "session", _main(view, login), messages=(failure,), status_code=409)
        return RedirectResponse("/session", status_code=303)

    return [Route("/session", session, methods=["GET"]), Route("/session/{step}", step, methods=["POST"])]


def _carry_out(login: WebLogin, step: str, form: Mapping[str, str], *, by: str) -> None:
    """Carry out one step of the login. Raises ControlError."""
    if step == "begin-qr":
        login.begin_qr(by)
    elif step == "begin-phone":
        login.begin_phone(form.get("answer", ""), by)
    elif step == "cancel":
        login.cancel()
    elif step in ASKING:
        login.answer(WebLoginStep(step), form.get("answer", ""))
    else:
        raise ControlError.of("login.not_asked")


def _main(view: PageView, login: WebLogin) -> str:
    version = part_versions(view.context)["@session"]
    return f"""<div id="part-session" class="column" data-part="@session" data-version="{version}">
{_state(view, login)}
{_renewal(view, login)}
</div>"""


def _state(view: PageView, login: WebLogin) -> str:
    words, status = view.words, view.context.commands.status()
    masked = login.state.account
    account = words.message(masked) if masked is not None else escape(view.context.account()) or words("unknown")
    rows = [
        (words("session.state"), words.state("session_state", status.session_state or "absent")),
        (words("session.account"), account),
    ]
    if status.degraded_reason is not None:
        rows.append((words("session.reason"), words.message(status.degraded_reason)))
    drawn = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f"""<section class="card" aria-labelledby="state-heading">
<h2 id="state-heading">{words("session.now")}</h2>
<dl class="facts" id="session-facts">{drawn}</dl>
</section>"""


def _renewal(view: PageView, login: WebLogin) -> str:
    words, state = view.words, login.state
    tone = {WebLoginStep.DONE: "1", WebLoginStep.SAVING: "1"}.get(state.step, "0")
    message = words.message(state.message) if state.message else ""
    shown = message and f'<p class="flash" id="login-message" data-ok="{tone}">{message}</p>'
    if state.step in RESTING:
        body = f"""<p>{words("session.about")}</p>
<div class="login-methods">{_form(view, "begin-qr", words("session.by_qr"), strong=True)}
{_question(view, WebLoginStep.PHONE, action="begin-phone")}</div>"""
    elif state.step is WebLoginStep.QR:
        body = f"<p>{words('session.scan')}</p>{_qr(state.qr_url, words('session.qr'))}"
    elif state.step in ASKING:
        body = _question(view, state.step, hint=state.hint)
    else:
        body = f"<p>{words(f'session.{state.step}')}</p>"
    if state.step not in RESTING | {WebLoginStep.SAVING}:
        body += _form(view, "cancel", words("session.cancel"))
    return f"""<section class="card renewal" aria-labelledby="renew-heading">
<h2 id="renew-heading">{words("session.new")}</h2>
<div role="status">{shown}</div>{body}
</section>"""


def _form(view: PageView, step: str, label: str, *, strong: bool = False, answer: str = "") -> str:
    kind = ' class="primary"' if strong else ""
    hidden = f'<input type="hidden" name="answer" value="{escape(answer)}">' if answer else ""
    return (
        f'<form method="post" action="/session/{step}" class="action" data-action>{view.csrf}{hidden}'
        f"<button{kind}>{label}</button></form>"
    )


def _question(view: PageView, step: WebLoginStep, *, action: str = "", hint: Message | None = None) -> str:
    """A form for one answer; a button to confirm another account."""
    words = view.words
    if step is WebLoginStep.CONFIRM:
        return _form(view, step, words("session.confirm_go"), strong=True, answer="yes")
    detail = f' <span class="number">({words.message(hint)})</span>' if hint else ""
    return f"""<form class="stacked" method="post" action="/session/{action or step}" data-action>{view.csrf}
<label for="answer">{words(f"session.{step}")}{detail}</label>
<input id="answer" name="answer" required {_KINDS[step]}>
<span class="buttons"><button>{words(f"session.{step}_go")}</button></span>
</form>"""


def _qr(url: str, name: str) -> str:
    """The QR code as SVG; dark on light in every theme, since many scanners need that."""
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

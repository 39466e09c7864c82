"""`/login` and `/logout`: token form, session cookie."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.client_address import own_path
from tg_video_streamer.web.auth.middleware import accepts_json
from tg_video_streamer.web.auth.visitor import visitor
from tg_video_streamer.web.http_body import JsonResponse, read_form
from tg_video_streamer.web.language import words_of

_FORM_BYTES = 16 * 1024


def login_routes(access: Access) -> list[Route]:
    """The sign-in page, sign-in and sign-out."""

    async def show(request: Request) -> Response:
        back = own_path(request.query_params.get("back", "/"))
        if visitor(request).signed_in:
            return RedirectResponse(back, status_code=303)
        return HTMLResponse(_page(request, back))

    async def sign_in(request: Request) -> Response:
        fields = await read_form(request, limit=_FORM_BYTES)
        back = own_path(fields.get("back", "/"))
        try:
            cookie, session = access.sign_in(request, fields.get("token", ""))
        except RequestRefused as refusal:
            if accepts_json(request):
                raise
            closing = await access.hold(request, refusal)
            headers = {"Retry-After": f"{refusal.seconds:.0f}"} if refusal.seconds else {}
            headers |= closing
            return HTMLResponse(_page(request, back, refusal), status_code=refusal.status, headers=headers)
        answer: Response = RedirectResponse(back, status_code=303)
        if accepts_json(request):
            answer = JsonResponse({"ok": True, "result": {"role": session.role, "csrf": session.csrf}})
        access.set_cookie(answer, cookie)
        return answer

    async def sign_out(request: Request) -> Response:
        fields = await read_form(request, limit=_FORM_BYTES)
        answer = RedirectResponse("/" if access.open_reading else "/login", status_code=303)
        access.sign_out(request, request.headers.get("x-csrf", fields.get("csrf", "")), answer)
        return answer

    return [
        Route("/login", show),
        Route("/login", sign_in, methods=["POST"]),
        Route("/logout", sign_out, methods=["POST"]),
    ]


def _page(request: Request, back: str, refusal: RequestRefused | None = None) -> str:
    """The document; an error comes first for screen readers."""
    words = words_of(request)
    problem = f'<p class="error" role="alert">{_problem(words, refusal)}</p>' if refusal is not None else ""
    return f"""<!doctype html>
<html lang="{words.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>{words("sign_in")}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
</head>
<body>
<main class="sign-in-page">
<form class="card" method="post" action="/login">
<h1>{words("sign_in")}</h1>
{problem}
<input type="hidden" name="back" value="{escape(back)}">
<p><label for="token">{words("sign_in.token")}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus></p>
<p><button class="primary">{words("sign_in")}</button></p>
<p>{words("sign_in.where")} <code>tg-video-streamer token</code></p>
</form>
</main>
</body>
</html>
"""


def _problem(words: Translator, refusal: RequestRefused) -> str:
    if refusal.status == 401:
        return words("sign_in.wrong")
    if refusal.status == 429:
        return words("sign_in.slowed")
    return words("sign_in.refused", what=refusal.message)

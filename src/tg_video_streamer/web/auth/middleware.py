"""Stands before every route: finds out who asks, shows nothing to nobody, and turns each refusal into an answer."""

from __future__ import annotations

from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.web.auth.auth import GET_TOKEN, Access
from tg_video_streamer.web.json_response import JsonResponse

OPEN_PATHS = frozenset({"/healthz", "/login", "/page.css", "/page.js", "/icon.svg"})
OPEN_FOLDER = "/static/"
"""Stylesheets and scripts, which say nothing of the channel: the sign-in page needs them."""


class _SignInEnded(Exception):
    """Who looks at a page has signed out, or his token is another now, while the page is still being told things."""


class AuthMiddleware:
    """An ASGI application around the routes; `request.state` has `visitor`, `session` and `notices` behind it."""

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            if message.get("more_body") and not self._access.still_holds(request):
                raise _SignInEnded
            begun = True
            await send(message)

        try:
            self._look(request)
            await self._answer(scope, receive, send_noting, send)
        except RequestRefused as refusal:
            if begun:
                raise
            await refused(request, refusal)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, noting: Send, send: Send) -> None:
        """Answer through `noting`; where that finds that the sign-in has ended, end the answer there."""
        try:
            await self._app(scope, receive, noting)
        except* _SignInEnded:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _look(self, request: Request) -> None:
        self._access.check_address(request)
        seen = self._access.who(request)
        request.state.visitor = seen.visitor
        request.state.session = seen.session
        request.state.notices = seen.session.notices if seen.session is not None else []
        path = request.url.path
        if not seen.visitor.role.may_look and path not in OPEN_PATHS and not path.startswith(OPEN_FOLDER):
            raise RequestRefused("this needs a token", status=401, remedy=GET_TOKEN)


def wants_json(request: Request) -> bool:
    """Whether a program asks: what it gets must be JSON, errors too."""
    accept = request.headers.get("accept", "")
    return request.url.path.startswith("/api/") or "application/json" in accept


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer in a browser."""
    return not wants_json(request) and "text/html" in request.headers.get("accept", "")


def refused(request: Request, refusal: RequestRefused) -> Response:
    """The answer to a request that is not carried out: JSON for programs, the sign-in page where that would help."""
    headers = {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.status in {408, 413}:
        # What else was sent is not worth reading.
        headers["Connection"] = "close"
    if refusal.seconds:
        headers["Retry-After"] = f"{refusal.seconds:.0f}"
    if wants_json(request):
        answer = {"ok": False, "error": refusal.what, "remedy": refusal.remedy}
        return JsonResponse(answer, status_code=refusal.status, headers=headers)
    if refusal.status == 401 and wants_page(request):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        where = quote(back) if request.method == "GET" else "/"
        return RedirectResponse(f"/login?back={where}", status_code=303)
    return PlainTextResponse(f"{refusal}\n", status_code=refusal.status, headers=headers)


async def refused_by_routing(request: Request, error: Exception) -> Response:
    """The answer where no route takes the path (404) or the method (405)."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this one alone
    words = {404: "there is nothing at this address", 405: "this is not done here by that method"}
    what = words.get(error.status_code, error.detail)
    if wants_json(request):
        answer = {"ok": False, "error": what, "remedy": "see /api/openapi.json"}
        return JsonResponse(answer, status_code=error.status_code, headers=error.headers)
    return PlainTextResponse(f"{what}\n", status_code=error.status_code, headers=error.headers)

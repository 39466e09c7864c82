"""Middleware before every route: identifies the visitor, requires a token, and turns refusals into responses."""

from __future__ import annotations

from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from tg_video_streamer.control.socket.protocol import error_json
from tg_video_streamer.errors import RequestRefused, StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.http_body import JsonResponse
from tg_video_streamer.web.language import words_of

OPEN_PATHS = frozenset({"/healthz", "/login", "/page.css", "/page.js", "/icon.svg"})
OPEN_FOLDER = "/static/"
"""Stylesheets and scripts, which the sign-in page needs."""


class _SignInEnded(Exception):
    """The visitor has signed out, or the token was changed, while a response is still being sent."""


class AuthMiddleware:
    """An ASGI application around the routes; sets `visitor`, `session` and `flash_messages` of `request.state`."""

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        started = False

        async def send_while_valid(message: AsgiMessage) -> None:
            nonlocal started
            if message.get("more_body") and not self._access.is_still_valid(request):
                raise _SignInEnded
            started = True
            await send(message)

        try:
            self._identify(request)
            await self._answer(scope, receive, send_while_valid, send)
        except RequestRefused as refusal:
            if started:
                raise
            answer = refusal_response(request, refusal)
            answer.headers.update(await self._access.hold(request, refusal))
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, guarded_send: Send, send: Send) -> None:
        """Answer through `guarded_send`; end the response as soon as the sign-in has ended."""
        try:
            await self._app(scope, receive, guarded_send)
        except* _SignInEnded:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _identify(self, request: Request) -> None:
        self._access.refuse_token_in_url(request)
        identity = self._access.identify(request)
        request.state.visitor = identity.visitor
        request.state.session = identity.session
        request.state.flash_messages = identity.session.flash_messages if identity.session is not None else []
        path = request.url.path
        if not identity.visitor.role.may_read and path not in OPEN_PATHS and not path.startswith(OPEN_FOLDER):
            raise RequestRefused(Message.of("web.needs_token"), status=401)


def accepts_json(request: Request) -> bool:
    """Whether the client is a program, which gets JSON, errors included."""
    accept = request.headers.get("accept", "")
    return request.url.path.startswith("/api/") or "application/json" in accept


def accepts_html(request: Request) -> bool:
    """Whether the client is a browser that shows a page."""
    return not accepts_json(request) and "text/html" in request.headers.get("accept", "")


def refusal_response(request: Request, refusal: RequestRefused) -> Response:
    """The response to a refused request: JSON for programs, the sign-in page where that helps."""
    headers = {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.status in {408, 413}:
        # The rest of the body is not read.
        headers["Connection"] = "close"
    if refusal.seconds:
        headers["Retry-After"] = f"{refusal.seconds:.0f}"
    if accepts_json(request):
        answer = {"ok": False, **error_json(refusal)}
        return JsonResponse(answer, status_code=refusal.status, headers=headers)
    if refusal.status == 401 and accepts_html(request):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        where = quote(back) if request.method == "GET" else "/"
        return RedirectResponse(f"/login?back={where}", status_code=303)
    text = words_of(request).message_text(refusal.full_message)
    return PlainTextResponse(f"{text}\n", status_code=refusal.status, headers=headers)


async def routing_refusal(request: Request, error: Exception) -> Response:
    """The response where no route has the path (404) or the method (405)."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this class alone
    what = {404: Message.of("web.no_page"), 405: Message.of("web.no_method")}.get(error.status_code)
    refusal = StreamerError(what or error.detail, remedy=Message.of("web.see_api"))
    if accepts_json(request):
        answer = {"ok": False, **error_json(refusal)}
        return JsonResponse(answer, status_code=error.status_code, headers=error.headers)
    text = words_of(request).message_text(refusal.message)
    return PlainTextResponse(f"{text}\n", status_code=error.status_code, headers=error.headers)

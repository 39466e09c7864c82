"""Builds the web application: all routes and the middleware before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tg_video_streamer.control.status import STANDBY, ServiceStatus
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.api.routes import api_routes
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.login import login_routes
from tg_video_streamer.web.auth.middleware import AuthMiddleware, routing_refusal
from tg_video_streamer.web.auth.visitor import visitor
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.events import page_updates
from tg_video_streamer.web.events import routes as event_routes
from tg_video_streamer.web.http_body import BODY_SECONDS, JsonResponse
from tg_video_streamer.web.language import plain_answer
from tg_video_streamer.web.pages import (
    as_run,
    audience,
    day,
    fleet,
    health,
    incoming,
    media_folders,
    on_air,
    playlist,
    playlist_table,
    queue,
    schedule,
    session,
    uploads,
)
from tg_video_streamer.web.pages.actions import action_routes
from tg_video_streamer.web.preview.preview import Preview
from tg_video_streamer.web.security_headers import SecurityHeaders
from tg_video_streamer.web.uploads.tus import tus_routes

_HLS_TYPE = "application/vnd.apple.mpegurl"
_MP4_TYPE = "video/mp4"
_PAGES = (
    on_air,
    incoming,
    queue,
    playlist,
    playlist_table,
    media_folders,
    as_run,
    audience,
    day,
    schedule,
    fleet,
    session,
    health,
    uploads,
)
_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def build_web_app(
    context: WebContext, *, access: Access, hosts: Iterable[str] = (), body_seconds: float = BODY_SECONDS
) -> Starlette:
    """The application for `server.serve`, which closes its preview and its event streams (`app.state.updates`).

    `hosts`: the configured address and further names of the service; loopback names are always valid.
    `body_seconds`: the time limit for a request's body.
    """
    updates = page_updates(context)
    app = Starlette(
        routes=[
            *_status_routes(context.commands.status),
            *_preview_routes(context.preview),
            *(route for page in _PAGES for route in page.routes(context)),
            *tus_routes(context.uploads),
            *_static_routes(),
            *event_routes(updates, access),
            *login_routes(access),
            *action_routes(context.commands, access),
            *api_routes(context, access),
        ],
        exception_handlers={HTTPException: routing_refusal},
        middleware=[Middleware(SecurityHeaders, hosts=tuple(hosts)), Middleware(AuthMiddleware, access=access)],
    )
    app.state.preview = context.preview
    app.state.updates = updates
    app.state.access = access
    app.state.body_seconds = body_seconds
    return app


def _beside_health(status: ServiceStatus) -> tuple[Message, ...]:
    """What is no reason to restart a healthy service: failures without harm to the outputs, and that it stands by."""
    return (status.reason, *status.problems) if status.channel_state == STANDBY else status.problems


def _status_routes(status: Callable[[], ServiceStatus]) -> list[Route]:
    async def status_json(_request: Request) -> Response:
        return JsonResponse(status().as_json())

    async def healthz(request: Request) -> Response:
        now = status()
        if now.healthy:
            # What fails without harm to the outputs is named, and no reason to restart the service.
            lines = _beside_health(now) if visitor(request).role.may_read else ()
            return PlainTextResponse("".join(f"{line}\n" for line in ("ok", *lines)))
        if not visitor(request).role.may_read:
            # The reasons name outputs, which are not public.
            return plain_answer(request, "web.not_healthy", status=503)
        lines = now.problems or (now.reason,)
        return PlainTextResponse("".join(f"{line}\n" for line in lines), status_code=503)

    return [Route("/status.json", status_json), Route("/healthz", healthz)]


def _preview_routes(preview: Preview) -> list[Route]:
    async def playlist(request: Request) -> Response:
        text = await preview.playlist()
        if text is None:
            return _unavailable(request, "web.no_picture")
        return Response(text, media_type=_HLS_TYPE)

    async def init(_request: Request) -> Response:
        preview.touch()
        return Response(preview.init_segment, media_type=_MP4_TYPE)

    async def segment(request: Request) -> Response:
        parts = preview.segment(request.path_params["number"])
        if parts is None:
            return plain_answer(request, "web.no_segment", status=404)
        return Response(b"".join(parts), media_type=_MP4_TYPE)

    async def progressive(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=_MP4_TYPE)
        if preview.full:
            return _unavailable(request, "web.too_many_viewers")
        return StreamingResponse(preview.stream(), media_type=_MP4_TYPE, headers={"Accept-Ranges": "none"})

    return [
        Route("/preview/live.m3u8", playlist),
        Route("/preview/init.mp4", init),
        Route("/preview/segment-{number:int}.m4s", segment),
        Route("/preview/live.mp4", progressive),
    ]


def _static_routes() -> list[Route]:
    folder = resources.files("tg_video_streamer.web") / "static"

    def route(name: str, media_type: str) -> Route:
        content = (folder / name).read_bytes()

        async def static(_request: Request) -> Response:
            return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

        return Route(f"/{name}", static)

    return [route(name, media_type) for name, media_type in _STATIC.items()]


def _unavailable(request: Request, key: str) -> Response:
    return plain_answer(request, key, status=503, headers={"Retry-After": "2"})

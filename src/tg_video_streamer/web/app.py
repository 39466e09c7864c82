"""The routes put together: pages, live picture, health check, status, changes, and what stands in front of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.web.api.routes import api_routes
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.login import login_routes
from tg_video_streamer.web.auth.middleware import AuthMiddleware, refused_by_routing
from tg_video_streamer.web.auth.visitor import visitor
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.events import live_pages
from tg_video_streamer.web.events import routes as event_routes
from tg_video_streamer.web.json_response import JsonResponse
from tg_video_streamer.web.pages.actions import do_routes
from tg_video_streamer.web.pages.routes import page_routes
from tg_video_streamer.web.preview.preview import Preview
from tg_video_streamer.web.request_body import BODY_SECONDS
from tg_video_streamer.web.security_headers import SecurityHeaders

_HLS_TYPE = "application/vnd.apple.mpegurl"
_MP4_TYPE = "video/mp4"


def build_web_app(
    room: WebContext, *, access: Access, hosts: Iterable[str] = (), body_seconds: float = BODY_SECONDS
) -> Starlette:
    """The whole web application; `server.serve` runs it and closes its preview and its open pages (`app.state.live`).

    `hosts`: the configured address and any further names under which browsers reach the service; loopback names are
    always good. `body_seconds`: how long a request's body may take to arrive.
    """
    live = live_pages(room)
    app = Starlette(
        routes=[
            *_status_routes(room.verbs.status),
            *_preview_routes(room.preview),
            *page_routes(room),
            *event_routes(live),
            *login_routes(access),
            *do_routes(room.verbs, access),
            *api_routes(room, access),
        ],
        exception_handlers={HTTPException: refused_by_routing},
        middleware=[Middleware(SecurityHeaders, hosts=tuple(hosts)), Middleware(AuthMiddleware, access=access)],
    )
    app.state.preview = room.preview
    app.state.live = live
    app.state.access = access
    app.state.body_seconds = body_seconds
    return app


def _status_routes(status: Callable[[], ServiceStatus]) -> list[Route]:
    async def status_json(_request: Request) -> Response:
        return JsonResponse(status().as_json())

    async def healthz(request: Request) -> Response:
        now = status()
        if now.healthy:
            return PlainTextResponse("ok\n")
        if not visitor(request).role.may_look:
            # A load balancer needs no more; the reasons name outputs.
            return PlainTextResponse("not healthy\n", status_code=503)
        lines = now.problems or (now.reason or now.channel_state,)
        return PlainTextResponse("".join(f"{line}\n" for line in lines), status_code=503)

    return [Route("/status.json", status_json), Route("/healthz", healthz)]


def _preview_routes(preview: Preview) -> list[Route]:
    async def playlist(_request: Request) -> Response:
        text = await preview.playlist()
        if text is None:
            return _unavailable("the program gives no picture")
        return Response(text, media_type=_HLS_TYPE)

    async def init(_request: Request) -> Response:
        preview.touch()
        return Response(preview.init_segment, media_type=_MP4_TYPE)

    async def segment(request: Request) -> Response:
        parts = preview.segment(request.path_params["number"])
        if parts is None:
            return PlainTextResponse("no such segment (any more)\n", status_code=404)
        return Response(b"".join(parts), media_type=_MP4_TYPE)

    async def progressive(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=_MP4_TYPE)
        if preview.full:
            return _unavailable("too many viewers")
        return StreamingResponse(preview.stream(), media_type=_MP4_TYPE, headers={"Accept-Ranges": "none"})

    return [
        Route("/preview/live.m3u8", playlist),
        Route("/preview/init.mp4", init),
        Route("/preview/segment-{number:int}.m4s", segment),
        Route("/preview/live.mp4", progressive),
    ]


def _unavailable(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status_code=503, headers={"Retry-After": "2"})

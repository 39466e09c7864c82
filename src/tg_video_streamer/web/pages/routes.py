"""All pages together, with what they are dressed in."""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages import as_run, health, on_air, playlist, queue, schedule, session

_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def page_routes(room: WebContext) -> list[Route]:
    """Every page of the room, styles and scripts."""
    pages = (on_air, queue, playlist, as_run, schedule, session, health)
    return [*(route for one in pages for route in one.routes(room)), *_static_routes()]


def _static_routes() -> list[Route]:
    folder = resources.files("tg_video_streamer.web") / "static"

    def route(name: str, media_type: str) -> Route:
        content = (folder / name).read_bytes()

        async def static(_request: Request) -> Response:
            return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

        return Route(f"/{name}", static)

    return [route(name, media_type) for name, media_type in _STATIC.items()]

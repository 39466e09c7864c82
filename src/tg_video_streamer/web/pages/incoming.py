"""The live stream that waits for the operator: what it shows, and the button that puts it on air."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.control.status_text import StatusText
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.ingest.state import LiveState
from tg_video_streamer.web.auth.visitor import visitor
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.language import plain_answer
from tg_video_streamer.web.pages.buttons import command_button
from tg_video_streamer.web.pages.layout import PageView


def routes(context: WebContext) -> list[Route]:
    """`/live/still.jpg`, for operators."""

    async def still(request: Request) -> Response:
        if not visitor(request).role.may_change:
            return plain_answer(request, "web.operators_only", status=403)
        try:
            picture = await context.live_still()
        except StreamerError:
            picture = None  # the next second's picture is asked for anyway
        if picture is None:
            return plain_answer(request, "web.no_still", status=404)
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    return [Route("/live/still.jpg", still)]


def incoming_tag(view: PageView) -> str:
    """The card; empty where nothing waits, and for viewers."""
    live = view.context.commands.status().live
    if not view.may_change or live is None or live.state != LiveState.OFFERED:
        return ""
    words = view.words
    return (
        f'<section class="card alert incoming" aria-labelledby="incoming-heading"><h2 id="incoming-heading">'
        f"{words('heading.incoming')}</h2>"
        f'<img id="live-still" src="/live/still.jpg" alt="{words("incoming.picture")}" width="640" height="360">'
        f"<p>{StatusText(words).live(live)}</p>"
        f"{command_button(view, 'take', words('command.take'), kind='primary', identity='take')}</section>"
    )

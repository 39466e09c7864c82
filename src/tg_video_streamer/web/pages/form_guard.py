"""Lets only those change something who may, and by a form of a page of ours."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from tg_video_streamer.control.commands import COMMANDS
from tg_video_streamer.control.socket.protocol import MAX_REQUEST_BYTES
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.layout import Visit, visit
from tg_video_streamer.web.request_body import read_form

_LIKE = COMMANDS["playlist_save"]
"""Whoever may have this carried out is an operator."""


async def operator(request: Request, room: WebContext, *, with_file: bool = False) -> tuple[Visit, Mapping[str, str]]:
    """An operator's visit with the form that was sent, `with_file` also one that sends a file. Raises RequestRefused for anybody else, and for a foreign form."""
    visiting = only_operators(request, room)
    form = await read_form(request, limit=MAX_REQUEST_BYTES, with_file=with_file)
    _access(request).check_form(request, request.headers.get("x-csrf", form.get("csrf", "")))
    return visiting, form


def only_operators(request: Request, room: WebContext) -> Visit:
    """An operator's visit. Raises RequestRefused for anybody else."""
    _access(request).check_role(request, _LIKE)
    return visit(request, room)


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access

"""Accepts forms only from operators and only from our own pages."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from tg_video_streamer.control.commands import COMMANDS
from tg_video_streamer.control.socket.protocol import MAX_REQUEST_BYTES
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.http_body import MAX_FIELDS, read_form
from tg_video_streamer.web.pages.layout import PageView, page_view

_OPERATOR_COMMAND = COMMANDS["playlist_save"]


async def require_operator_form(
    request: Request, context: WebContext, *, with_file: bool = False, max_fields: int = MAX_FIELDS
) -> tuple[PageView, Mapping[str, str]]:
    """An operator's view and form. Raises RequestRefused for anyone else, and for a form of another site."""
    view = require_operator(request, context)
    form = await read_form(request, limit=MAX_REQUEST_BYTES, with_file=with_file, max_fields=max_fields)
    _access(request).require_form_token(request, request.headers.get("x-csrf", form.get("csrf", "")))
    return view, form


def require_operator(request: Request, context: WebContext) -> PageView:
    """An operator's view. Raises RequestRefused for anyone else."""
    _access(request).require_role(request, _OPERATOR_COMMAND)
    return page_view(request, context)


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def require_operator_request(request: Request, *, changes: bool) -> None:
    """Raises RequestRefused unless an operator asks, and for `changes` one of our pages with its token in X-CSRF."""
    _access(request).require_role(request, _OPERATOR_COMMAND)
    if changes:
        _access(request).require_form_token(request, request.headers.get("x-csrf", ""))
